//! Large arrays in memory of large pages, so that reading them here and there needs no walk through page tables.

use std::ffi::c_void;

/// What a transparent huge page takes on most machines: less than that has no use for one.
const HUGE_PAGE: usize = 2 << 20;

/// An array made entry by entry. The kernel is asked for transparent huge pages before the first is touched; where it has
/// none, the array is in ordinary ones.
pub fn slice<T>(length: usize, mut entry: impl FnMut(usize) -> T) -> Box<[T]> {
    let mut places = Box::<[T]>::new_uninit_slice(length);
    let bytes = size_of_val::<[_]>(&places);
    if bytes >= HUGE_PAGE {
        let begin = places.as_mut_ptr().cast::<u8>();
        let unaligned = begin.align_offset(PAGE).min(bytes);
        let first = begin.wrapping_add(unaligned).cast::<c_void>();
        // SAFETY: the range lies within the allocation and its begin on a page; the advice changes no contents.
        let _ = unsafe { libc::madvise(first, bytes - unaligned, libc::MADV_HUGEPAGE) };
    }
    for (index, place) in places.iter_mut().enumerate() {
        place.write(entry(index));
    }
    // SAFETY: every place was written in the loop above.
    unsafe { places.assume_init() }
}

const PAGE: usize = 4096;

#[cfg(test)]
mod tests {
    #[test]
    fn entries_are_those_that_were_made() {
        for length in [0, 1, 1000, 1 << 20] {
            let slice = super::slice(length, |index| index as u64 * 3);
            assert_eq!(slice.len(), length);
            assert!(slice.iter().enumerate().all(|(index, entry)| *entry == index as u64 * 3));
        }
    }

    #[test]
    fn entries_are_dropped_once() {
        let counted = std::rc::Rc::new(());
        let slice = super::slice(100, |_| counted.clone());
        assert_eq!(std::rc::Rc::strong_count(&counted), 101);
        drop(slice);
        assert_eq!(std::rc::Rc::strong_count(&counted), 1);
    }
}
