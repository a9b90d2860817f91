//! In which pieces a packet came.

use rte_rs::Mbuf;

/// Pieces that are remembered. A packet in more of them (the longest one in frames of 1500 bytes has 45) leaves in pieces
/// of the largest one's size.
pub(super) const MOST: usize = 64;
/// Bytes of a note: largest, count, sizes.
const NOTE: usize = 4 + 2 * MOST;

/// The sizes of the fragments of a packet that was put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cuts {
    /// Bytes of the largest fragment, with its header: no fragment of the packet that leaves is larger.
    pub largest: u16,
    count: u16,
    sizes: [u16; MOST],
}

impl Cuts {
    /// Bytes at the end of a frame that [`Cuts::note`] takes.
    pub const NOTE_LEN: usize = NOTE;

    /// From payload sizes in order; too many are as good as none.
    pub fn new(largest: u16, sizes: impl Iterator<Item = u16>) -> Self {
        let mut cuts = Self { largest, count: 0, sizes: [0; MOST] };
        for size in sizes {
            let Some(place) = cuts.sizes.get_mut(usize::from(cuts.count)) else {
                cuts.count = 0;
                break;
            };
            *place = size;
            cuts.count += 1;
        }
        cuts
    }

    /// Payload bytes of each fragment, in order; none if there were too many.
    pub fn sizes(&self) -> &[u16] {
        self.sizes.get(..usize::from(self.count)).unwrap_or(&[])
    }

    /// Writes the sizes behind a frame, for the worker that it is handed to. False, and nothing done, without the room.
    pub fn note(&self, mbuf: &mut Mbuf) -> bool {
        let Some(note) = mbuf.append(NOTE) else { return false };
        let words = [self.largest, self.count].into_iter().chain(self.sizes);
        for (to, word) in note.chunks_exact_mut(2).zip(words) {
            to.copy_from_slice(&word.to_be_bytes());
        }
        true
    }

    /// Takes the note off a frame; `None`, and nothing done, if the frame is too short to have one.
    pub fn take_note(mbuf: &mut Mbuf) -> Option<Self> {
        let frame = mbuf.len().checked_sub(NOTE)?;
        let mut words = mbuf.data().get(frame..)?.chunks_exact(2).map(|word| {
            let &[high, low] = word.first_chunk().unwrap_or(&[0; 2]);
            u16::from_be_bytes([high, low])
        });
        let (largest, count) = (words.next()?, words.next()?);
        let mut sizes = [0; MOST];
        for (to, word) in sizes.iter_mut().zip(words) {
            *to = word;
        }
        mbuf.truncate(frame);
        Some(Self { largest, count: count.min(MOST as u16), sizes })
    }
}
