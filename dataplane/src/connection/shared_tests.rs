use super::{Change, Key, Refused, SharedTable, VALUE_WORDS, Value, WAYS};
use proptest::prelude::*;
use std::collections::HashMap;

const KEY: Key = [7, 1];

fn value(n: u64) -> Value {
    [n; VALUE_WORDS]
}

fn put(table: &SharedTable, key: Key, n: u64) -> Result<Value, Refused> {
    table.put(&key, &value(n), |_, new| *new, |_, _| false)
}

#[test]
fn an_entry_is_found_by_its_key_until_it_is_taken_and_taken_once() {
    let table = SharedTable::new(100);
    assert!(table.is_empty());
    put(&table, KEY, 5).unwrap();
    assert_eq!((table.find(&KEY), table.find(&[7, 2]), table.len()), (Some(value(5)), None, 1));
    assert_eq!(table.take(&KEY, |value| value[0] == 6), None, "not the one that is wanted");
    assert_eq!(table.take(&KEY, |value| value[0] == 5), Some(value(5)));
    assert_eq!((table.take(&KEY, |_| true), table.len()), (None, 0));
}

#[test]
fn of_two_values_of_one_key_the_merged_one_stays() {
    let table = SharedTable::new(100);
    put(&table, KEY, 5).unwrap();
    let merged = table.put(&KEY, &value(8), |old, new| [old[0], new[0], 0, 0, 0, 0, 0], |_, _| false);
    assert_eq!(merged, Ok([5, 8, 0, 0, 0, 0, 0]));
    assert_eq!((table.find(&KEY), table.len()), (merged.ok(), 1));
}

#[test]
fn a_full_bucket_takes_another_only_in_the_place_of_a_stale_one() {
    let table = SharedTable::new(1);
    for n in 1..=WAYS as u64 {
        put(&table, [n, n], n).unwrap();
    }
    assert_eq!(put(&table, KEY, 99), Err(Refused::Full));
    assert_eq!(table.put(&KEY, &value(99), |_, new| *new, |key, _| *key == [3, 3]), Ok(value(99)));
    assert_eq!((table.find(&[3, 3]), table.find(&KEY), table.len()), (None, Some(value(99)), WAYS));
}

#[test]
fn a_change_in_place_is_seen_and_a_sweep_removes() {
    let table = SharedTable::new(1);
    put(&table, [1, 1], 1).unwrap();
    put(&table, [2, 2], 2).unwrap();
    let changed = table.update(&[1, 1], |value| {
        value[6] = 40;
        Change::Keep
    });
    assert_eq!(changed.map(|value| value[6]), Some(40));
    table.sweep(0, |key, _| if *key == [1, 1] { Change::Remove } else { Change::Keep });
    let listed: Vec<_> = table.entries(0).unwrap().into_iter().filter(|(key, _)| *key != [0, 0]).collect();
    assert_eq!((listed, table.len()), (vec![([2, 2], value(2))], 1));
}

#[test]
fn a_bucket_that_stays_claimed_stops_nobody_for_good() {
    let table = SharedTable::new(1);
    put(&table, KEY, 1).unwrap();
    let claim = table.buckets[0].begin().expect("free");
    assert_eq!((table.find(&KEY), put(&table, [9, 9], 1)), (None, Err(Refused::Busy)));
    drop(claim);
    assert_eq!(table.find(&KEY), Some(value(1)));
}

#[test]
fn several_threads_see_whole_values_and_take_each_entry_once() {
    let table = SharedTable::new(1);
    let taken = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=3u64)
            .map(|thread| {
                let table = &table;
                scope.spawn(move || {
                    let mut balance = 0i64;
                    for round in 0..4_000u64 {
                        let mut created = false;
                        let stays = |old: &Value, _: &Value| *old;
                        if let Ok(now) = table.put(&KEY, &value(thread << 32 | round), stays, |_, _| false) {
                            created = now[0] == thread << 32 | round;
                        }
                        if let Some(seen) = table.find(&KEY) {
                            assert!(seen.iter().all(|word| *word == seen[0]), "torn: {seen:?}");
                        }
                        balance += i64::from(created) - i64::from(table.take(&KEY, |_| true).is_some());
                    }
                    balance
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum::<i64>()
    });
    assert_eq!(taken, table.len() as i64, "put in less taken out is what is left");
}

proptest! {
    #[test]
    fn agrees_with_a_map(steps in prop::collection::vec((0..3u8, 1..20u64, any::<u64>()), 1..200)) {
        let table = SharedTable::new(1_000);
        let mut map = HashMap::new();
        for (step, key, n) in steps {
            let key = [key, key << 40];
            match step {
                0 => {
                    prop_assert_eq!(put(&table, key, n), Ok(value(n)));
                    map.insert(key, value(n));
                }
                1 => prop_assert_eq!(table.take(&key, |_| true), map.remove(&key)),
                _ => prop_assert_eq!(table.find(&key), map.get(&key).copied()),
            }
            prop_assert_eq!(table.len(), map.len());
        }
    }
}
