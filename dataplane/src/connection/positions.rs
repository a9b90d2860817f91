//! How far TCP connections have come, by what their clients said last: the numbers that a RST must bear to be accepted
//! by either end (RFC 5961 section 3.2: exactly the one that is expected next).
//!
//! An array beside the slab, of the same indices, which is touched only while the setting `reset_on_expiry` is on. What
//! the client has sent is what the real expects next; what it acknowledged is what it expects itself. So the client's
//! half, which every method sees, tells both.

use super::entry::Connection;
use super::identity::Identity;
use std::collections::VecDeque;

/// Connections that may wait for their RSTs at once.
const WAITING: usize = 32;

/// Where both ends of a connection are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// The sequence number that the real expects next.
    pub to_real: u32,
    /// The sequence number that the client expects next.
    pub to_client: u32,
}

/// A connection that expired while it was established, or was closed, or whose client is to say where it is.
#[derive(Clone, Copy, Debug)]
pub struct Lapsed {
    /// What it was.
    pub identity: Identity,
    /// Where its ends were; `None`: not known, its client is asked.
    pub position: Option<Progress>,
}

/// What became of a connection that was to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// It is removed; its ends are told.
    Done,
    /// Its ends can't be told, since its client has sent nothing since positions are noted. It stays.
    NotNoted,
    /// There is no room for it yet; it is to be tried again.
    Later,
}

/// The incarnation of the slab entry that this is about, with its lowest bit set, and its [`Progress`]. All zero: of none.
/// So the array takes memory only where it was written to.
type Entry = [u32; 3];

fn owner(connection: &Connection) -> u32 {
    connection.incarnation() | 1
}

/// The positions of one worker's connections, and those that lapsed since the last look.
#[derive(Debug)]
pub(super) struct Positions {
    entries: Box<[Entry]>,
    lapsed: VecDeque<Lapsed>,
    /// Whether lapsed connections are wanted.
    on: bool,
}

impl Positions {
    pub(super) fn new(capacity: u32) -> Self {
        let entries = vec![Entry::default(); capacity as usize].into_boxed_slice();
        Self { entries, lapsed: VecDeque::with_capacity(WAITING), on: false }
    }

    pub(super) fn set_on(&mut self, on: bool) {
        self.on = on;
    }

    /// The client of `connection` sent a segment up to `next`, and expects `expected`. Older segments change nothing.
    pub(super) fn note(&mut self, index: u32, connection: &Connection, next: u32, expected: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        let [before, to_real, to_client] = *entry;
        let owner = owner(connection);
        *entry = if before == owner {
            [owner, later(to_real, next), later(to_client, expected)]
        } else {
            [owner, next, expected]
        };
    }

    /// Takes a connection over that expires now. False: there is no room for it yet; it is to be offered again.
    pub(super) fn lapse(&mut self, index: u32, connection: &Connection) -> bool {
        let entry = self.entries.get(index as usize).filter(|[owner_of, ..]| self.on && *owner_of == owner(connection));
        let Some(&[_, to_real, to_client]) = entry else { return true };
        self.take_over(connection, Some(Progress { to_real, to_client }))
    }

    /// Takes a connection over that is closed now, whether lapsed ones are wanted or not.
    pub(super) fn close(&mut self, index: u32, connection: &Connection) -> Close {
        let entry = self.entries.get(index as usize).filter(|[owner_of, ..]| *owner_of == owner(connection));
        let Some(&[_, to_real, to_client]) = entry else { return Close::NotNoted };
        let has_room = self.take_over(connection, Some(Progress { to_real, to_client }));
        if has_room { Close::Done } else { Close::Later }
    }

    /// Has the client of a connection asked where it is. False: there is no room for it yet; it is to be offered again.
    pub(super) fn ask(&mut self, connection: &Connection) -> bool {
        self.take_over(connection, None)
    }

    fn take_over(&mut self, connection: &Connection, position: Option<Progress>) -> bool {
        if self.lapsed.len() == WAITING {
            return false;
        }
        self.lapsed.push_back(Lapsed { identity: connection.identity(), position });
        true
    }

    pub(super) fn take(&mut self) -> Option<Lapsed> {
        self.lapsed.pop_front()
    }
}

/// The later of two sequence numbers (RFC 9293 section 3.4: modulo 2^32).
fn later(a: u32, b: u32) -> u32 {
    if b.wrapping_sub(a) as i32 > 0 { b } else { a }
}

#[cfg(test)]
mod tests {
    use super::later;

    #[test]
    fn the_later_number_is_found_across_the_wrap() {
        assert_eq!((later(5, 9), later(9, 5), later(5, 5)), (9, 9, 5));
        assert_eq!((later(u32::MAX - 2, 3), later(3, u32::MAX - 2)), (3, 3));
    }
}
