//! Thresholds of reals: at the upper one a real gets no new connections, below the lower one it gets them again.
//!
//! What counts are its connections, active and inactive; templates do not, nor does it matter how they came to it: a
//! connection that a template sends to an overloaded real is made. The rule is that of Linux 6.1.192 and 6.12:
//!
//! - a connection that brings the count to the upper threshold makes it overloaded, one that leaves it below the lower
//!   threshold ends that;
//! - a change of the configuration does both at once, and leaves it as it was between the two;
//! - without an upper threshold it is not overloaded.
//!
//! Workers and the main lcore may do this at the same time. Whoever changes the count or a threshold looks at the flag
//! after that, and whoever sets the flag looks at the count once more, all in one order (SeqCst). So no real stays
//! overloaded without a connection that would end it.
//!
//! A connection that moves between active and inactive meanwhile is counted once or not at all. So a check may take a
//! real as open that is full (it gets one connection more at most), but none as full that is open: that would last until
//! its connections fall below the lower threshold.

use link::directory::RealSlot;
use link::model::RealServer;
use std::sync::atomic::Ordering::SeqCst;

/// Main lcore: puts a real's thresholds into its slot, new or changed.
pub fn set(slot: &RealSlot, server: &RealServer) {
    slot.lower_threshold.store(server.effective_lower_threshold(), SeqCst);
    slot.upper_threshold.store(server.upper_threshold, SeqCst);
    after_opening(slot);
    after_closing(slot);
}

/// After a connection to the real was counted.
#[inline]
pub(super) fn after_opening(slot: &RealSlot) {
    let upper = slot.upper_threshold.load(SeqCst);
    if upper != 0 && connections(slot) >= u64::from(upper) {
        slot.overloaded.store(1, SeqCst);
        after_closing(slot);
    }
}

/// After a connection to the real was taken from the count.
#[inline]
pub(super) fn after_closing(slot: &RealSlot) {
    if slot.overloaded.load(SeqCst) == 0 {
        return;
    }
    let is_limited = slot.upper_threshold.load(SeqCst) != 0;
    if !is_limited || connections(slot) < u64::from(slot.lower_threshold.load(SeqCst)) {
        slot.overloaded.store(0, SeqCst);
    }
}

fn connections(slot: &RealSlot) -> u64 {
    let before = slot.active.load(SeqCst);
    let inactive = slot.inactive.load(SeqCst);
    // One that became inactive between the two is no longer here, one that became active not yet there.
    u64::from(before.min(slot.active.load(SeqCst))) + u64::from(inactive)
}

#[cfg(test)]
mod tests {
    use super::super::Accounts;
    use super::set;
    use crate::test_link::private_link;
    use link::DataplaneLink;
    use link::message::ConnectionState::{Established, Udp};
    use link::model::{ForwardMethod, RealServer};
    use std::net::{Ipv4Addr, SocketAddrV4};
    use std::sync::atomic::Ordering::SeqCst;

    fn link() -> DataplaneLink {
        private_link(2, 1, 2)
    }

    fn real(upper_threshold: u32, lower_threshold: u32) -> RealServer {
        let real = RealServer::new(SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 80), ForwardMethod::Nat, 1);
        RealServer { upper_threshold, lower_threshold, ..real }
    }

    /// After each change of the count: whether the real is overloaded.
    fn walk(real: &RealServer, changes: &[i32]) -> Vec<bool> {
        let link = link();
        let slot = &link.directory().reals[0];
        let accounts = Accounts::new(link.directory().reals.clone());
        set(slot, real);
        let change = |change: &i32| {
            if *change > 0 {
                accounts.opened(0, Udp)
            } else {
                accounts.closed(0, Udp)
            }
            slot.overloaded.load(SeqCst) != 0
        };
        changes.iter().map(change).collect()
    }

    #[test]
    fn full_at_the_upper_threshold_and_open_below_the_lower_one() {
        assert_eq!(walk(&real(3, 2), &[1, 1, 1, -1, -1, 1, 1]), [false, false, true, true, false, false, true]);
        assert_eq!(walk(&real(0, 0), &[1, 1, 1]), [false; 3]);
    }

    #[test]
    fn without_a_lower_threshold_it_is_three_quarters_of_the_upper_one() {
        assert_eq!(walk(&real(4, 0), &[1, 1, 1, 1, -1, -1]), [false, false, false, true, true, false]);
        assert_eq!(walk(&real(1, 0), &[1, -1, 1]), [true, false, true]);
    }

    #[test]
    fn a_connection_that_becomes_inactive_makes_no_room() {
        let link = link();
        let slot = &link.directory().reals[0];
        let accounts = Accounts::new(link.directory().reals.clone());
        set(slot, &real(1, 1));
        accounts.opened(0, Established);
        accounts.moved(0, Established, Udp);
        assert_eq!((slot.connections(), slot.overloaded.load(SeqCst)), ((0, 1), 1));
        accounts.closed(0, Udp);
        assert_eq!((slot.connections(), slot.overloaded.load(SeqCst)), ((0, 0), 0));
    }

    #[test]
    fn a_connection_that_moves_meanwhile_is_never_counted_twice() {
        let link = link();
        let slot = &link.directory().reals[0];
        set(slot, &real(3, 1));
        let mover = Accounts::new(link.directory().reals.clone());
        let opener = mover.clone();
        mover.opened(0, Established);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                for _ in 0..100_000 {
                    mover.moved(0, Established, Udp);
                    mover.moved(0, Udp, Established);
                }
            });
            for _ in 0..100_000 {
                opener.opened(0, Established);
                assert_eq!(slot.overloaded.load(SeqCst), 0, "there are two");
                opener.closed(0, Established);
            }
        });
        assert_eq!(slot.connections(), (1, 0));
    }

    #[test]
    fn no_real_stays_overloaded_without_connections_whoever_opens_and_closes_them_at_once() {
        let link = link();
        let slot = &link.directory().reals[0];
        for (upper, lower) in [(1, 1), (2, 1), (3, 3)] {
            set(slot, &real(upper, lower));
            for _ in 0..200 {
                std::thread::scope(|scope| {
                    for _ in 0..3 {
                        let accounts = Accounts::new(link.directory().reals.clone());
                        scope.spawn(move || {
                            for _ in 0..20 {
                                accounts.opened(0, Established);
                                accounts.closed(0, Established);
                            }
                        });
                    }
                });
                assert_eq!((slot.connections(), slot.overloaded.load(SeqCst)), ((0, 0), 0));
            }
        }
    }
}
