use super::Helpers;
use crate::connection::Expected;
use crate::connection::accounts::tests::accounts;
use link::region::DataplaneLink;
use std::sync::Arc;

fn expected(controls: u32) -> (Arc<Expected>, DataplaneLink) {
    let (accounts, link) = accounts();
    (Arc::new(Expected::reproducible(controls, accounts)), link)
}

#[test]
fn workers_share_the_places_and_each_gets_its_own_back() {
    let (expected, _link) = expected(8);
    let mut workers = [0, 1].map(|worker| Helpers::of_worker(&expected, worker, 2));
    let mut places: Vec<u32> = Vec::new();
    for worker in &mut workers {
        places.extend(std::iter::from_fn(|| worker.begin()));
        assert_eq!(worker.begin(), None);
    }
    assert_eq!(places, (0..8).collect::<Vec<_>>());
    // Another's place is not given back.
    workers[0].end(5);
    assert_eq!(workers[0].begin(), None);
    workers[1].end(5);
    workers[1].end(5);
    assert_eq!((workers[1].begin(), workers[1].begin()), (Some(5), None));
}

#[test]
fn without_places_there_is_no_state() {
    let mut none = Helpers::none();
    assert_eq!(none.begin(), None);
    none.end(0);
    none.release(0);
    none.sweep(1, 0);
    assert!(!none.is_held(0));
}
