use super::{Index, SLOTS};
use crate::connection::Found;
use proptest::prelude::*;
use std::collections::HashMap;

fn candidate(index: &Index, hash: u64) -> Option<Found> {
    index.buckets().candidate(hash).map(|number| Found::from_value(number.into()))
}

fn found(index: u32, outbound: bool) -> Found {
    Found { index, outbound }
}

#[test]
fn what_was_entered_is_found_until_it_is_taken_out() {
    let index = Index::new(100);
    assert_eq!(candidate(&index, 7), None);
    index.insert(7, found(3, true)).unwrap();
    assert_eq!((candidate(&index, 7), index.find(7, |_| true)), (Some(found(3, true)), Some(found(3, true))));
    assert_eq!(candidate(&index, 7 | 1 << 40), None, "another tag in the same bucket");
    assert_eq!(index.find(7, |it| it != found(3, true)), None, "the entry has the last word");
    assert!(!index.remove(7, found(3, false)) && !index.remove(7, found(4, true)));
    assert!(index.remove(7, found(3, true)) && !index.remove(7, found(3, true)));
    assert_eq!(candidate(&index, 7), None);
}

#[test]
fn entries_of_one_bucket_go_behind_it_and_are_found_there_until_it_has_room_again() {
    let index = Index::new(1_000);
    let hash = |n: u32| u64::from(n) << 33 | 5;
    let many = 3 * SLOTS as u32 + 2;
    (0..many).for_each(|n| index.insert(hash(n), found(n, false)).unwrap());
    for gone in 0..many {
        for n in 0..many {
            let want = (n >= gone).then(|| found(n, false));
            assert_eq!((candidate(&index, hash(n)), index.find(hash(n), |_| true)), (want, want), "{n}, {gone} gone");
        }
        assert!(index.remove(hash(gone), found(gone, false)));
    }
    assert!(index.chain(5).all(|bucket| !bucket.is_passed()), "nothing is left behind");
}

#[test]
fn entries_with_the_same_tag_are_told_apart_by_the_entry() {
    let index = Index::new(100);
    (0..10).for_each(|n| index.insert(9, found(n, false)).unwrap());
    assert!((0..10).all(|n| index.find(9, |it| it.index == n) == Some(found(n, false))));
    assert!(candidate(&index, 9).is_some());
}

#[test]
fn a_full_index_refuses_and_changes_nothing() {
    let index = Index::new(1);
    let room = 2 * SLOTS as u32;
    (0..room).for_each(|n| index.insert(u64::from(n) << 40, found(n, false)).unwrap());
    assert!(index.insert(99 << 40, found(99, false)).is_err());
    assert!((0..room).all(|n| index.remove(u64::from(n) << 40, found(n, false))));
    assert!(index.chain(0).all(|bucket| !bucket.is_passed()));
    index.insert(99 << 40, found(99, false)).unwrap();
}

#[test]
fn as_many_keys_as_it_was_made_for_find_room() {
    for keys in [16u32, 100, 5_000, 100_000] {
        let index = Index::new(keys.into());
        let hash = |n: u32| u64::from(n + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17);
        (0..keys).for_each(|n| index.insert(hash(n), found(n, n % 2 == 0)).unwrap());
        assert!((0..keys).all(|n| index.find(hash(n), |it| it.index == n) == Some(found(n, n % 2 == 0))), "{keys}");
    }
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in proptest::collection::vec((0u64..4, 0u64..6, 0u8..3), 1..200)) {
        let index = Index::new(8);
        let mut map: HashMap<u64, Found> = HashMap::new();
        for (number, (bucket, high, what)) in (0..).zip(steps) {
            let hash = (high * 4 + bucket) << 33 | bucket;
            match (what, map.get(&hash).copied()) {
                (0, None) => {
                    if index.insert(hash, found(number, false)).is_ok() {
                        map.insert(hash, found(number, false));
                    } else {
                        prop_assert!(map.len() >= SLOTS);
                    }
                }
                (0, Some(old)) => {
                    index.replace(hash, old, found(number, true));
                    map.insert(hash, found(number, true));
                }
                (1, Some(old)) => {
                    prop_assert!(index.remove(hash, old));
                    map.remove(&hash);
                }
                _ => {}
            }
            for bucket in 0..4 {
                for high in 0..6 {
                    let hash = (high * 4 + bucket) << 33 | bucket;
                    prop_assert_eq!(candidate(&index, hash), map.get(&hash).copied());
                }
            }
        }
        for (hash, found) in map {
            prop_assert!(index.remove(hash, found));
        }
        prop_assert!(index.buckets.iter().all(|bucket| !bucket.is_passed()));
    }
}
