//! What lcores share: hashes, RCU, rings.

mod common;

use common::{burst, numbers, pool};
use rte_rs::rcu::{Publisher, Subscriber};
use rte_rs::ring::{many_to_one, one_to_one};
use rte_rs::{Burst, HashKey, HashOptions, Hasher, Rcu, TableFull, hash};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

const OPTIONS: HashOptions = HashOptions { entries: 1024, socket: -1 };

fn key(number: u64) -> HashKey {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes[8..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    HashKey(bytes)
}

#[test]
fn a_hash_finds_what_was_inserted_and_not_what_was_removed() {
    common::eal();
    let (mut writer, mut reader) = hash::create("h", &OPTIONS).unwrap();
    assert_eq!(writer.lookup(&key(1)), None);
    writer.insert(&key(1), 11).unwrap();
    writer.insert(&key(2), u64::MAX).unwrap();
    writer.insert(&key(3), 0).unwrap();
    assert_eq!(
        (writer.lookup(&key(1)), writer.lookup(&key(2)), writer.lookup(&key(3))),
        (Some(11), Some(u64::MAX), Some(0))
    );
    writer.insert(&key(1), 12).unwrap();
    assert_eq!(reader.section().lookup(&key(1)), Some(12));
    assert!(writer.remove(&key(1)) && !writer.remove(&key(1)));
    assert_eq!((writer.lookup(&key(1)), reader.section().lookup(&key(1))), (None, None));
}

#[test]
fn a_bulk_look_up_tells_hits_from_misses() {
    common::eal();
    let (mut writer, _reader) = hash::create("h", &OPTIONS).unwrap();
    for number in (0..40).step_by(2) {
        writer.insert(&key(number), number + 1000).unwrap();
    }
    let keys: Vec<HashKey> = (0..40).map(key).collect();
    let (hasher, mut hashes, mut values) = (Hasher::new(), [0; 32], [0; 32]);
    hashes.iter_mut().zip(&keys).for_each(|(hash, key)| *hash = Hasher::half(hasher.hash(key)));
    assert_eq!(writer.lookup_bulk(&keys, &mut hashes, &mut values), 0x5555_5555);
    assert!((0..32).step_by(2).all(|index| values[index] == index as u64 + 1000));
    assert_eq!(writer.lookup_bulk(&keys[..3], &mut hashes, &mut values), 0b101);
    assert_eq!(writer.lookup_bulk(&[], &mut hashes, &mut values), 0);
}

#[test]
fn a_full_hash_refuses_another_key_and_still_updates_the_old() {
    common::eal();
    let (mut writer, _reader) = hash::create("h", &OPTIONS).unwrap();
    for number in 0..1024 {
        writer.insert(&key(number), number).unwrap();
    }
    assert_eq!(writer.insert(&key(5000), 1), Err(TableFull));
    assert_eq!(writer.insert(&key(7), 70), Ok(()));
    assert_eq!(writer.lookup(&key(7)), Some(70));
    assert!(writer.remove(&key(8)));
    assert_eq!(writer.insert(&key(5000), 1), Ok(()));
}

/// Keys that all fall into one bucket could fill only that and its neighbour, were buckets not extendable: here random
/// keys fill every entry, again and again, while a reader goes in and out of sections.
#[test]
fn places_of_removed_keys_are_used_again_under_a_reader() {
    common::eal();
    let (mut writer, mut reader) = hash::create("h", &OPTIONS).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&stop);
    let thread = std::thread::spawn(move || {
        let mut hits = 0u64;
        while !theirs.load(Ordering::Relaxed) {
            let section = reader.section();
            for number in 0..64 {
                if let Some(value) = section.lookup(&key(number)) {
                    assert_eq!(value % 100_000, number, "a value of another key");
                    hits += 1;
                }
            }
        }
        hits
    });
    for round in 0..50u64 {
        for number in 0..1024 {
            while writer.insert(&key(number), round * 100_000 + number).is_err() {
                std::thread::yield_now();
            }
        }
        for number in 0..1024 {
            assert!(writer.remove(&key(number)));
        }
        assert_eq!(writer.lookup(&key(0)), None);
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().unwrap();
}

#[test]
fn an_open_section_keeps_places_of_removed_keys_and_its_end_gives_them_back() {
    common::eal();
    let (mut writer, mut reader) = hash::create("h", &OPTIONS).unwrap();
    (0..1024).for_each(|number| writer.insert(&key(number), number).unwrap());
    let section = reader.section();
    assert!(writer.remove(&key(0)));
    assert_eq!(writer.insert(&key(9999), 1), Err(TableFull));
    assert_eq!(section.lookup(&key(1)), Some(1));
    drop(section);
    assert_eq!(writer.insert(&key(9999), 1), Ok(()));
}

#[test]
fn more_readers_than_sections_wait_for_each_other() {
    common::eal();
    let (mut writer, reader) = hash::create("h", &OPTIONS).unwrap();
    writer.insert(&key(1), 1).unwrap();
    let mut readers = vec![reader; hash::SECTIONS as usize + 1];
    let mut last = readers.pop().unwrap();
    let mut sections: Vec<_> = readers.iter_mut().map(rte_rs::HashReader::section).collect();
    let thread = std::thread::spawn(move || last.section().lookup(&key(1)));
    sections.pop();
    assert_eq!(thread.join().unwrap(), Some(1));
}

#[test]
fn hashes_come_and_go_with_their_names() {
    common::eal();
    for _ in 0..20 {
        let (writer, reader) = hash::create("h", &OPTIONS).unwrap();
        assert!(hash::create("h", &OPTIONS).unwrap_err().to_string().ends_with("the name is taken; choose another"));
        drop(writer);
        drop(reader);
    }
    let error = hash::create("h", &HashOptions { entries: 7, socket: -1 }).unwrap_err();
    assert_eq!(error.to_string(), "hash \"h\": entries is 7, allowed 8 to 1073741824");
}

#[test]
fn a_grace_period_ends_when_each_online_reader_was_quiescent() {
    let rcu = Rcu::new(2);
    let (mut one, mut two) = (rcu.register().unwrap(), rcu.register().unwrap());
    assert!(rcu.register().unwrap_err().to_string().contains("all 2 reader places are taken"));
    let token = rcu.start();
    assert!(!rcu.has_passed(&token));
    one.quiescent();
    assert!(!rcu.has_passed(&token));
    two.quiescent();
    assert!(rcu.has_passed(&token));
    let token = rcu.start();
    one.offline();
    two.quiescent();
    assert!(rcu.has_passed(&token));
    one.online();
    let token = rcu.start();
    two.quiescent();
    assert!(!rcu.has_passed(&token));
    drop(one);
    assert!(rcu.has_passed(&token));
    assert!(rcu.register().is_ok());
}

#[test]
fn a_variable_without_readers_never_waits() {
    let rcu = Rcu::new(0);
    let token = rcu.start();
    assert!(rcu.has_passed(&token));
}

/// Counts how many of it are alive.
struct Version(u64, Arc<AtomicUsize>);

impl Drop for Version {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

fn version(number: u64, alive: &Arc<AtomicUsize>) -> Version {
    alive.fetch_add(1, Ordering::SeqCst);
    Version(number, Arc::clone(alive))
}

#[test]
fn a_published_value_is_freed_once_when_no_subscriber_can_see_it() {
    let alive = Arc::new(AtomicUsize::new(0));
    let mut publisher = Publisher::new(version(1, &alive), 2);
    let mut subscriber = publisher.subscribe().unwrap();
    assert_eq!((subscriber.read().0, publisher.current().0), (1, 1));
    publisher.publish(version(2, &alive));
    publisher.publish(version(3, &alive));
    assert_eq!((publisher.reclaim(), alive.load(Ordering::SeqCst), subscriber.read().0), (2, 3, 3));
    subscriber.quiescent();
    assert_eq!((publisher.reclaim(), alive.load(Ordering::SeqCst)), (0, 1));
    subscriber.offline(|| {
        publisher.publish(version(4, &alive));
        assert_eq!(publisher.reclaim(), 0);
    });
    assert_eq!((subscriber.read().0, alive.load(Ordering::SeqCst)), (4, 1));
    drop(publisher);
    assert_eq!(subscriber.read().0, 4);
    drop(subscriber);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
}

#[test]
fn subscribers_on_other_threads_see_whole_versions_only() {
    let mut publisher = Publisher::new(vec![0u64; 64], 2);
    let seen = Arc::new(AtomicU64::new(0));
    let threads: Vec<_> = (0..2)
        .map(|_| {
            let (mut table, seen): (Subscriber<Vec<u64>>, _) = (publisher.subscribe().unwrap(), Arc::clone(&seen));
            std::thread::spawn(move || {
                let mut last = 0;
                while last < 2000 {
                    let version = table.read();
                    assert!(version.iter().all(|number| *number == version[0]) && version[0] >= last);
                    last = version[0];
                    seen.fetch_max(last, Ordering::Relaxed);
                    table.quiescent();
                }
            })
        })
        .collect();
    for number in 1..=2000 {
        publisher.publish(vec![number; 64]);
        publisher.reclaim();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!((publisher.reclaim(), seen.load(Ordering::Relaxed)), (0, 2000));
}

#[test]
fn a_ring_carries_packets_in_order_and_keeps_what_does_not_fit_with_the_sender() {
    common::eal();
    let pool = pool(127);
    let (sender, mut receiver) = many_to_one("r", 40, -1).unwrap();
    assert_eq!(sender.enqueue(&mut burst(&pool, 0, 32)), 32);
    let mut rest = burst(&pool, 32, 20);
    assert_eq!(sender.enqueue(&mut rest), 8);
    assert_eq!(numbers(&rest), (40..52).collect::<Vec<_>>());
    assert_eq!(sender.clone().enqueue(&mut rest), 0);
    let one = sender.enqueue_one(rest.pop().unwrap()).unwrap_err();
    assert_eq!((one.data()[14], sender.len()), (51, 40));
    let mut received = burst(&pool, 90, 2);
    assert_eq!(receiver.dequeue(&mut received), 30);
    assert_eq!(numbers(&received)[..4], [90, 91, 0, 1]);
    assert!(sender.enqueue_one(one).is_ok());
    drop((rest, received, sender));
    assert_eq!((receiver.len(), pool.in_use()), (11, 11));
    drop(receiver);
    assert_eq!(pool.in_use(), 0);
    assert!(many_to_one("r", 40, -1).is_ok());
}

#[test]
fn a_ring_of_one_sender_carries_packets_between_lcores() {
    let eal = common::eal();
    let pool = pool(255);
    let (mut sender, mut receiver) = one_to_one("r", 64, -1).unwrap();
    let theirs = pool.clone();
    let task = eal.launch(1, move || {
        for _ in 0..1000 {
            let mut packets = burst(&theirs, 0, 32);
            while !packets.is_empty() {
                sender.enqueue(&mut packets);
                std::thread::yield_now();
            }
        }
    });
    let (mut count, mut next) = (0, 0);
    while count < 32_000 {
        let mut burst = Burst::new();
        count += receiver.dequeue(&mut burst);
        for mbuf in burst.drain() {
            assert_eq!(mbuf.data()[14], next);
            next = (next + 1) % 32;
        }
    }
    task.unwrap().join();
    assert_eq!((receiver.len(), pool.in_use()), (0, 0));
}
