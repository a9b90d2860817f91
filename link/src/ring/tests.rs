use super::{Consumer, Index, Producer, Ring, RingFull, SLOTS};
use crate::file;
use crate::layout::RING_SLOTS_OFFSET;
use crate::memory::{Access, Handle, Mapping};
use crate::record::Record;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn ring() -> (Ring, Arc<Mapping>) {
    let length = RING_SLOTS_OFFSET + SLOTS as usize * size_of::<Record>();
    let file = file::memfd().unwrap();
    file::allocate(&file, length as u64).unwrap();
    let mapping = Arc::new(Mapping::new(file.as_fd(), 0, length, Access::Write).unwrap());
    let indices = Handle::<[Index]>::new(&mapping, 0, 4).unwrap();
    let slots = Handle::new(&mapping, RING_SLOTS_OFFSET, SLOTS as usize).unwrap();
    let ring = Ring { tail: indices.element(0).unwrap(), head: indices.element(1).unwrap(), slots };
    (ring, mapping)
}

fn record(number: u64) -> Record {
    let mut payload = [0; 52];
    for chunk in payload.chunks_exact_mut(8) {
        chunk.copy_from_slice(&number.to_ne_bytes());
    }
    Record { kind: 1, reserved: 0, session: 1, sequence: number as u32, payload }
}

fn ends() -> (Producer, Consumer, Ring) {
    let (ring, _) = ring();
    (Producer::new(ring.clone()), Consumer::new(ring.clone()), ring)
}

#[test]
fn records_come_out_in_order_and_a_full_ring_takes_no_more() {
    let (mut producer, mut consumer, _) = ends();
    assert!(consumer.pop().is_none());
    for number in 0..u64::from(SLOTS) {
        assert_eq!(producer.push(&record(number)), Ok(()));
    }
    assert_eq!(producer.push(&record(0)), Err(RingFull));
    for number in 0..u64::from(SLOTS) {
        assert_eq!(consumer.pop(), Some(Ok(record(number))));
    }
    assert!(consumer.pop().is_none());
    assert_eq!(producer.push(&record(77)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(77))));
}

#[test]
fn the_indices_wrap_around() {
    let (ring, _) = ring();
    ring.tail.store(u32::MAX - 2);
    ring.head.store(u32::MAX - 2);
    let (mut producer, mut consumer) = (Producer::new(ring.clone()), Consumer::new(ring));
    for number in 0..10 {
        assert_eq!(producer.push(&record(number)), Ok(()));
    }
    for number in 0..10 {
        assert_eq!(consumer.pop(), Some(Ok(record(number))));
    }
    assert!(consumer.pop().is_none());
}

#[test]
fn an_impossible_tail_is_said_once_and_the_ring_goes_on_from_there() {
    let (_, mut consumer, ring) = ends();
    ring.tail.store(SLOTS + 1);
    let garbage = consumer.pop().unwrap().unwrap_err();
    assert_eq!(garbage.to_string(), "ring tail 8193 is 8193 records ahead of head 0, allowed: 0 to 8192");
    assert!(consumer.pop().is_none());
    let mut producer = Producer::new(ring);
    assert_eq!(producer.push(&record(5)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(5))));
}

#[test]
fn a_tail_behind_the_head_is_impossible_too() {
    let (mut producer, mut consumer, ring) = ends();
    assert_eq!(producer.push(&record(1)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(1))));
    ring.tail.store(0);
    assert!(consumer.pop().unwrap().is_err());
    assert!(consumer.pop().is_none());
}

#[test]
fn a_producer_takes_an_impossible_head_for_a_full_ring_until_it_is_repaired() {
    let (mut producer, _, ring) = ends();
    for number in 0..u64::from(SLOTS) {
        assert_eq!(producer.push(&record(number)), Ok(()));
    }
    ring.head.store(u32::MAX / 2);
    assert_eq!(producer.push(&record(0)), Err(RingFull));
    let mut consumer = Consumer::new(ring);
    assert_eq!(producer.push(&record(9)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(9))));
}

#[test]
fn a_producer_that_follows_a_dead_one_goes_on_after_its_records() {
    let (mut producer, mut consumer, ring) = ends();
    assert_eq!(producer.push(&record(1)), Ok(()));
    drop(producer);
    let mut producer = Producer::new(ring.clone());
    assert_eq!(producer.push(&record(2)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(1))));
    assert_eq!(consumer.pop(), Some(Ok(record(2))));
    ring.tail.store(12_345_678);
    let mut producer = Producer::new(ring);
    assert_eq!(producer.push(&record(3)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(3))));
}

#[test]
fn two_threads_lose_double_and_tear_nothing() {
    const RECORDS: u64 = 500_000;
    let (mut producer, mut consumer, _) = ends();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..RECORDS {
                while producer.push(&record(number)).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut expected = 0;
        while expected < RECORDS {
            match consumer.pop() {
                Some(got) => {
                    assert_eq!(got, Ok(record(expected)));
                    expected += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        assert!(consumer.pop().is_none());
    });
}

#[test]
fn a_consumer_survives_random_bytes_over_all_that_the_producer_can_write() {
    let (ring, mapping) = ring();
    let (tail, slots) = (ring.tail.clone(), ring.slots.len());
    // The head is the consumer's own and lies elsewhere in a region; here it is on the second line.
    let words = Handle::<[super::Slot]>::new(&mapping, RING_SLOTS_OFFSET, slots).unwrap();
    let mut consumer = Consumer::new(ring.clone());
    let stop = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = 0x9e37_79b9_7f4a_7c15u64;
            while stop.load(Ordering::Relaxed) == 0 {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                tail.store(if state >> 63 == 0 {
                    state as u32
                } else {
                    ring.head.load().wrapping_add(state as u32 % SLOTS)
                });
                let slot = &words[(state >> 32) as usize % slots];
                slot.words.iter().for_each(|word| word.store(state, Ordering::Relaxed));
            }
        });
        let (mut records, mut impossible) = (0u64, 0u64);
        while records < 20_000 || impossible < 100 {
            match consumer.pop() {
                Some(Ok(_)) => records += 1,
                Some(Err(_)) => impossible += 1,
                None => std::thread::yield_now(),
            }
        }
        stop.store(1, Ordering::Relaxed);
    });
    while consumer.pop().is_some() {}
    let mut producer = Producer::new(ring);
    assert_eq!(producer.push(&record(5)), Ok(()));
    assert_eq!(consumer.pop(), Some(Ok(record(5))));
}
