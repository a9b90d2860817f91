//! Total access to headers: what is not there reads as zero and is not written. After `parse` it is always there, so
//! the compiler drops the other arm or the branch predictor does; either way nothing can panic.

/// The `N` bytes at `at`, zero if they are not all there. For values of one field.
#[inline(always)]
pub(crate) fn get<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    match bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()) {
        Some(field) => *field,
        None => [0; N],
    }
}

/// The byte at `at`.
#[inline(always)]
pub(crate) fn u8_at(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The big-endian 16-bit field at `at`.
#[inline(always)]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(get(bytes, at))
}

/// The big-endian 32-bit field at `at`.
#[inline(always)]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(get(bytes, at))
}

/// Writes a field at `at`.
#[inline(always)]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = bytes.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<N>()) {
        *field = value;
    }
}

/// The bytes from `start` on; empty if it lies beyond the end.
#[inline(always)]
pub(crate) fn from(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or(&[])
}

/// The bytes from `start` up to `end`; empty if they are not all there.
#[inline(always)]
pub(crate) fn between(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end).unwrap_or(&[])
}

/// As [`from`], to write to.
#[inline(always)]
pub(crate) fn from_mut(bytes: &mut [u8], start: usize) -> &mut [u8] {
    bytes.get_mut(start..).unwrap_or(&mut [])
}

/// As [`between`], to write to.
#[inline(always)]
pub(crate) fn between_mut(bytes: &mut [u8], start: usize, end: usize) -> &mut [u8] {
    bytes.get_mut(start..end).unwrap_or(&mut [])
}
