//! An incremental checksum is a full one, for any header and any replaced words.

#![no_main]

use wire::checksum::{Delta, internet};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Some((change, header)) = bytes.split_first_chunk::<7>() else { return };
    let [at, new @ .., low, high] = change;
    let mut header = header.to_vec();
    header.truncate(header.len() & !1);
    let at = usize::from(*at) & !1;
    // The first word stands for the checksum field.
    if at < 2 || at + 4 > header.len() || header.iter().skip(2).all(|byte| *byte == 0) {
        return;
    }
    header[..2].fill(0);
    let before = internet(&header);
    let old = u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let new = u32::from_be_bytes(*new) ^ u32::from_be_bytes([0, 0, *high, *low]);
    header[at..at + 4].copy_from_slice(&new.to_be_bytes());
    if header.iter().any(|byte| *byte != 0) {
        assert_eq!(Delta::new().replace_u32(old, new).apply(before), internet(&header));
    }
});
