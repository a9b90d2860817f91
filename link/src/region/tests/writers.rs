//! No two lcores write to one cache line, nor to the one beside it, which processors fetch with it.

use super::wan;
use crate::layout::Layout;
use crate::region::DataplaneLink;

const PAIR: usize = 128;

/// First and last pair of cache lines of a value.
fn pairs<T: ?Sized>(value: &T) -> (usize, usize) {
    let first = std::ptr::from_ref(value).cast::<u8>().addr();
    (first / PAIR, (first + size_of_val(value) - 1) / PAIR)
}

#[test]
fn what_two_lcores_count_lies_in_different_pairs_of_cache_lines() {
    // An odd number of reals: their counters are a line each.
    let layout = Layout { workers: 3, ports: 2, services: 1, reals: 5 };
    let link = DataplaneLink::private(&layout, &[wan(), wan()]).expect("a region");
    let mut places = Vec::new();
    for worker in 0..=layout.workers {
        let mut own = vec![pairs(&*link.worker_counters(worker).expect("a worker or the main lcore"))];
        own.extend((0..layout.ports).filter_map(|port| Some(pairs(&*link.port_counters(worker, port)?))));
        own.extend(link.real_counters(worker).map(|reals| pairs(&*reals)));
        own.extend(link.perf_counters(worker).map(|perf| pairs(&*perf)));
        places.push(own);
    }
    assert_eq!(places.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 5, 3]);
    for (index, mine) in places.iter().enumerate() {
        for theirs in places.iter().skip(index + 1).flatten() {
            assert!(mine.iter().all(|(first, last)| theirs.1 < *first || *last < theirs.0), "{mine:?}, {theirs:?}");
        }
    }
}
