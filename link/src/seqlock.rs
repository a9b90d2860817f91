//! A sequence lock over a few words: one writer, any number of readers that never hold the writer up.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

/// How often a reader tries before it says that the value is not stable.
const TRIES: usize = 128;

/// `N` words that are read all of one version.
///
/// | field | writer | ordering |
/// |---|---|---|
/// | `version` | the owner | odd: relaxed store, then a release fence; even: release store |
/// | `words` | the owner, while `version` is odd | relaxed |
///
/// Readers load `version` relaxed with an acquire fence after it (the memory may be mapped read-only, where Rust
/// allows relaxed loads alone), the words relaxed, an acquire fence, `version` again.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct SeqCell<const N: usize> {
    version: AtomicU32,
    reserved: AtomicU32,
    words: [AtomicU64; N],
}

impl<const N: usize> SeqCell<N> {
    /// Replaces the words. Only the one owner calls it.
    pub(crate) fn write(&self, values: [u64; N]) {
        let odd = self.version.load(Ordering::Relaxed) | 1;
        self.version.store(odd, Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, value) in self.words.iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
        self.version.store(odd.wrapping_add(1), Ordering::Release);
    }

    /// The words as one `write` left them (zeros before the first); `None` if the writer did not hold still.
    pub(crate) fn read(&self) -> Option<[u64; N]> {
        for _ in 0..TRIES {
            let before = self.version.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let values = std::array::from_fn(|index| self.words[index].load(Ordering::Relaxed));
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return Some(values);
                }
            }
            std::hint::spin_loop();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::SeqCell;
    use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

    fn cell() -> SeqCell<7> {
        SeqCell {
            version: AtomicU32::new(0),
            reserved: AtomicU32::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    #[test]
    fn a_reader_never_sees_words_of_two_writes() {
        let cell = cell();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let Some(words) = cell.read() else { continue };
                    assert!(words.iter().all(|word| *word == words[0]), "torn: {words:?}");
                    assert!(words[0] >= last, "went back from {last} to {}", words[0]);
                    last = words[0];
                }
            });
            for value in 1..=100_000 {
                cell.write([value; 7]);
            }
            done.store(true, Ordering::Relaxed);
            reader.join().unwrap();
        });
        assert_eq!(cell.read(), Some([100_000; 7]));
    }

    #[test]
    fn a_writer_that_died_half_way_does_not_hold_a_reader_and_the_next_write_heals_it() {
        let cell = cell();
        cell.write([1; 7]);
        cell.version.fetch_or(1, Ordering::Relaxed);
        assert_eq!(cell.read(), None);
        cell.write([2; 7]);
        assert_eq!(cell.read(), Some([2; 7]));
    }
}
