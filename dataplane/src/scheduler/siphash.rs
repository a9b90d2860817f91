//! SipHash-1-3 of one number (J.-P. Aumasson, D. J. Bernstein, "SipHash: a fast short-input PRF", 2012), with one round
//! for the message and three to finish.

/// A key whose two halves are equal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key(pub u64);

/// The lower half of the hash of a number's four bytes, lowest first.
#[inline]
pub(super) const fn hash(key: Key, number: u32) -> u32 {
    let length = 4_u64 << 56;
    let block = length | number as u64;
    let mut state = [
        key.0 ^ 0x736f_6d65_7073_6575,
        key.0 ^ 0x646f_7261_6e64_6f6d,
        key.0 ^ 0x6c79_6765_6e65_7261,
        key.0 ^ 0x7465_6462_7974_6573,
    ];
    state[3] ^= block;
    state = round(state);
    state[0] ^= block;
    state[2] ^= 0xff;
    let [a, b, c, d] = round(round(round(state)));
    (a ^ b ^ c ^ d) as u32
}

const fn round([mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    a = a.wrapping_add(b);
    b = b.rotate_left(13) ^ a;
    a = a.rotate_left(32);
    c = c.wrapping_add(d);
    d = d.rotate_left(16) ^ c;
    a = a.wrapping_add(d);
    d = d.rotate_left(21) ^ a;
    c = c.wrapping_add(b);
    b = b.rotate_left(17) ^ c;
    c = c.rotate_left(32);
    [a, b, c, d]
}
