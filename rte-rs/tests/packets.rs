//! Pools, packets and bursts: every mbuf is freed exactly once, and no length goes wrong.

mod common;

use common::{burst, numbers, packet, pool};
use rte_rs::mbuf::HEADROOM;
use rte_rs::{Burst, Error, Mempool, MempoolOptions};

#[test]
fn a_fresh_packet_is_empty_with_headroom_and_tailroom() {
    common::eal();
    let pool = pool(63);
    let mbuf = pool.alloc().unwrap();
    assert_eq!((mbuf.len(), mbuf.packet_len(), mbuf.is_empty()), (0, 0, true));
    assert_eq!((mbuf.headroom(), mbuf.tailroom()), (HEADROOM, 2048));
    assert_eq!((mbuf.is_contiguous(), mbuf.port(), mbuf.rss_hash()), (true, u16::MAX, None));
    assert_eq!((pool.in_use(), pool.available(), pool.data_room()), (1, 62, 2048));
    drop(mbuf);
    assert_eq!((pool.in_use(), pool.available()), (0, 63));
}

#[test]
fn bytes_are_put_and_taken_at_both_ends() {
    common::eal();
    let mut mbuf = packet(&pool(63), b"packet");
    mbuf.prepend(3).unwrap().copy_from_slice(b"ip:");
    assert_eq!((mbuf.data(), mbuf.packet_len(), mbuf.headroom()), (&b"ip:packet"[..], 9, HEADROOM - 3));
    assert!(mbuf.trim_front(4));
    mbuf.append(2).unwrap().copy_from_slice(b"!?");
    assert_eq!(mbuf.data(), b"acket!?");
    assert!(mbuf.truncate(6));
    mbuf.data_mut()[0] = b'A';
    assert_eq!((mbuf.data(), mbuf.packet_len(), mbuf.tailroom()), (&b"Acket!"[..], 6, 2048 - 7));
    mbuf.clear_offload_flags();
    assert!(mbuf.truncate(100));
    assert_eq!(mbuf.len(), 6);
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    common::eal();
    let mut mbuf = packet(&pool(63), b"12345");
    assert!(mbuf.prepend(HEADROOM + 1).is_none());
    assert!(mbuf.prepend(usize::MAX).is_none());
    assert!(mbuf.append(2048 - 5 + 1).is_none());
    assert!(mbuf.append(usize::MAX).is_none());
    assert!(!mbuf.trim_front(6));
    assert_eq!((mbuf.data(), mbuf.packet_len(), mbuf.headroom()), (&b"12345"[..], 5, HEADROOM));
    assert!(mbuf.prepend(HEADROOM).is_some() && mbuf.append(2048 - 5).is_some());
    assert_eq!((mbuf.headroom(), mbuf.tailroom(), mbuf.len()), (0, 0, 2048 + HEADROOM));
    assert!(mbuf.trim_front(2048 + HEADROOM));
    assert!(mbuf.is_empty());
}

#[test]
fn an_empty_pool_gives_none_and_a_burst_all_or_none() {
    common::eal();
    let pool = pool(63);
    let mut held = Vec::new();
    while let Some(mbuf) = pool.alloc() {
        held.push(mbuf);
    }
    assert_eq!((held.len(), pool.available()), (63, 0));
    held.truncate(55);
    let mut burst = Burst::new();
    assert!(!pool.alloc_burst(&mut burst, 9));
    assert!(burst.is_empty());
    assert!(pool.alloc_burst(&mut burst, 8));
    assert_eq!((burst.len(), pool.in_use()), (8, 63));
    drop(held);
    assert!(!pool.alloc_burst(&mut burst, 25));
    assert!(pool.alloc_burst(&mut burst, 24) && burst.is_full());
}

#[test]
fn a_burst_keeps_order_and_refuses_the_thirty_third() {
    common::eal();
    let pool = pool(63);
    let mut burst = burst(&pool, 0, 32);
    let refused = burst.push(packet(&pool, &common::frame(99))).unwrap_err();
    assert_eq!(refused.data()[14], 99);
    drop(refused);
    assert_eq!(numbers(&burst), (0..32).collect::<Vec<u8>>());
    burst.iter_mut().for_each(|mbuf| mbuf.data_mut()[14] += 100);
    assert_eq!(burst.pop().unwrap().data()[14], 131);
    assert_eq!((burst.len(), pool.in_use()), (31, 31));
    burst.prefetch();
    burst.clear();
    assert_eq!((burst.is_empty(), pool.in_use()), (true, 0));
    assert!(burst.pop().is_none());
}

#[test]
fn a_drain_gives_in_order_and_frees_the_rest_once() {
    common::eal();
    let pool = pool(63);
    let mut all = burst(&pool, 0, 32);
    let kept: Vec<_> = all.drain().take(5).collect();
    assert_eq!(kept.iter().map(|mbuf| mbuf.data()[14]).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!((all.len(), pool.in_use()), (0, 5));
    drop(kept);
    assert_eq!(pool.in_use(), 0);
    drop(burst(&pool, 0, 7));
    assert_eq!(pool.in_use(), 0);
    assert_eq!(burst(&pool, 0, 3).drain().len(), 3);
    assert_eq!(pool.in_use(), 0);
}

#[test]
fn a_pool_that_can_not_be_is_refused_with_the_allowed_range() {
    common::eal();
    let options = MempoolOptions { mbufs: 63, cache: 0, ..MempoolOptions::default() };
    let refused = |name: &str, options| Mempool::new(name, options).unwrap_err().to_string();
    assert_eq!(refused("p", MempoolOptions { mbufs: 0, ..options }), "mempool \"p\": mbufs is 0, allowed 1 or more");
    assert_eq!(
        refused("p", MempoolOptions { cache: 50, ..options }),
        "mempool \"p\": cache is 50, allowed 0 to 512, and at most two thirds of mbufs"
    );
    assert_eq!(
        refused("p", MempoolOptions { data_room: 65408, ..options }),
        "mempool \"p\": data_room is 65408, allowed 0 to 65407"
    );
    let long = "a-name-that-is-too-long-for-dpdk";
    assert_eq!(
        refused(long, options),
        format!("mempool \"{long}\": a name has 1 to 25 bytes and no NUL; choose another")
    );
    assert!(Mempool::new("p", options).is_ok());
    assert_eq!(Mempool::new("p", options).unwrap_err(), Error::NameTaken { what: "mempool", name: "p".into() });
}

#[test]
fn a_pool_too_large_for_the_memory_says_how_much_it_needs() {
    common::eal();
    let options = MempoolOptions { mbufs: (1 << 20) - 1, ..MempoolOptions::default() };
    let error = Mempool::new("large", options).unwrap_err().to_string();
    assert!(
        error.starts_with("mempool \"large\": not enough memory for 1048575 entries; it needs about 2376 MB"),
        "{error}"
    );
    assert!(error.ends_with("give the EAL more with -m MB"), "{error}");
}

#[test]
fn packets_move_between_threads() {
    let eal = common::eal();
    let here = pool(31);
    let pool = here.clone();
    let sent = burst(&here, 0, 9);
    let task = eal.launch(1, move || {
        let count = sent.len();
        drop(sent);
        (count, pool.alloc().map(|mbuf| mbuf.tailroom()))
    });
    assert_eq!(task.unwrap().join(), (9, Some(2048)));
    assert_eq!(here.in_use(), 0);
}
