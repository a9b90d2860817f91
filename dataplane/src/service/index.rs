//! Two small open-addressing tables (linear probing, at most half full) for look-ups on the packet path: built once,
//! never changed, one cache miss on a hit.

/// Spreads a key over the high bits (Fibonacci hashing, Knuth 6.4); the low half is mixed in first.
#[inline]
const fn spread(key: u64) -> u64 {
    (key ^ (key >> 32)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The size, a power of two at least twice `entries`, and the shift that takes a hash to an index below it.
fn dimensions(entries: usize) -> (usize, u32) {
    let size = (entries.max(1) * 2).next_power_of_two();
    (size, u64::BITS - size.trailing_zeros())
}

/// Maps keys that are not 0 to `u32` values.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    /// Key 0 marks a free place.
    places: Box<[(u64, u32)]>,
    shift: u32,
}

impl KeyIndex {
    /// Of equal keys the first counts. A key 0 is left out.
    #[expect(clippy::indexing_slicing, reason = "built on the main lcore; `at` is kept below the size")]
    pub(crate) fn new(entries: &[(u64, u32)]) -> Self {
        let (size, shift) = dimensions(entries.len());
        let mut places = vec![(0, 0); size].into_boxed_slice();
        for &(key, value) in entries.iter().filter(|(key, _)| *key != 0) {
            let mut at = (spread(key) >> shift) as usize;
            while places[at].0 != 0 && places[at].0 != key {
                at = (at + 1) & (size - 1);
            }
            if places[at].0 == 0 {
                places[at] = (key, value);
            }
        }
        Self { places, shift }
    }

    /// The value of `key`.
    #[inline]
    pub(crate) fn find(&self, key: u64) -> Option<u32> {
        let mask = self.places.len() - 1;
        let mut at = (spread(key) >> self.shift) as usize;
        while let Some(&(found, value)) = self.places.get(at) {
            if found == 0 {
                return None;
            }
            if found == key {
                return Some(value);
            }
            at = (at + 1) & mask;
        }
        None
    }
}

/// A set of IPv4 addresses, in host byte order. 0.0.0.0 is never in it.
#[derive(Debug)]
pub(crate) struct AddressSet {
    /// 0 marks a free place.
    places: Box<[u32]>,
    shift: u32,
}

impl AddressSet {
    /// The set of `addresses`, which may repeat.
    #[expect(clippy::indexing_slicing, reason = "built on the main lcore; `at` is kept below the size")]
    pub(crate) fn new(addresses: &[u32]) -> Self {
        let (size, shift) = dimensions(addresses.len());
        let mut places = vec![0; size].into_boxed_slice();
        for &address in addresses.iter().filter(|address| **address != 0) {
            let mut at = (spread(u64::from(address)) >> shift) as usize;
            while places[at] != 0 && places[at] != address {
                at = (at + 1) & (size - 1);
            }
            places[at] = address;
        }
        Self { places, shift }
    }

    /// Whether `address` is in it.
    #[inline]
    pub(crate) fn contains(&self, address: u32) -> bool {
        let mask = self.places.len() - 1;
        let mut at = (spread(u64::from(address)) >> self.shift) as usize;
        while let Some(&found) = self.places.get(at) {
            if found == 0 || found == address {
                return found != 0;
            }
            at = (at + 1) & mask;
        }
        false
    }

    /// The addresses, each once, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().copied().filter(|address| *address != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressSet, KeyIndex};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[test]
    fn an_empty_index_finds_nothing() {
        assert_eq!(KeyIndex::new(&[]).find(1), None);
        assert!(!AddressSet::new(&[]).contains(1));
        assert!(!AddressSet::new(&[]).contains(0));
    }

    #[test]
    fn of_equal_keys_the_first_counts() {
        let index = KeyIndex::new(&[(7, 1), (7, 2), (0, 3)]);
        assert_eq!(index.find(7), Some(1));
        assert_eq!(index.find(0), None);
    }

    proptest! {
        #[test]
        fn key_index_agrees_with_a_map(
            entries in prop::collection::vec((0..200_u64, any::<u32>()), 0..100),
            others in prop::collection::vec(any::<u64>(), 0..20),
        ) {
            let index = KeyIndex::new(&entries);
            let map: BTreeMap<_, _> = entries.iter().rev().copied().filter(|(key, _)| *key != 0).collect();
            for key in (0..200).chain(others) {
                prop_assert_eq!(index.find(key), map.get(&key).copied());
            }
        }

        #[test]
        fn address_set_agrees_with_a_set(
            addresses in prop::collection::vec(prop_oneof![0..64_u32, any::<u32>()], 0..100),
            others in prop::collection::vec(any::<u32>(), 0..20),
        ) {
            let set = AddressSet::new(&addresses);
            let want: BTreeSet<_> = addresses.iter().copied().filter(|address| *address != 0).collect();
            for address in (0..64).chain(addresses.iter().copied()).chain(others) {
                prop_assert_eq!(set.contains(address), want.contains(&address));
            }
            prop_assert_eq!(set.iter().count(), want.len());
            prop_assert_eq!(set.iter().collect::<BTreeSet<_>>(), want);
        }
    }
}
