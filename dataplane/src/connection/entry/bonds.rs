//! What a connection is tied to: the one whose replies it took over, its helper, its template.

use super::{Connection, byte, flag};
use crate::connection::shared::Position;
use std::sync::atomic::Ordering;

/// In [`Connection::template`]: the connection has yet to assure its template.
const OWES: u32 = 1 << 31;

impl Connection {
    #[inline]
    fn flags(&self) -> u8 {
        self.kind().byte(byte::FLAGS)
    }

    /// Owner only.
    fn set_flags(&self, flags: u8) {
        self.set_kind(self.kind().with(byte::FLAGS, flags));
    }

    /// Owner only: the slab index of the connection whose replies this one took over.
    pub(in crate::connection) fn displaced(&self) -> Option<u32> {
        self.displaced.load(Ordering::Relaxed).checked_sub(1)
    }

    /// Owner only.
    pub(in crate::connection) fn set_displaced(&self, index: u32) {
        self.displaced.store(index.wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether a helper looks at its packets.
    #[inline]
    pub fn is_helped(&self) -> bool {
        self.flags() & flag::HELPED != 0
    }

    /// Owner only: a helper looks at its packets from now on, or no more.
    pub(crate) fn set_helped(&self, helped: bool) {
        let others = self.flags() & !flag::HELPED;
        self.set_flags(others | if helped { flag::HELPED } else { 0 });
    }

    /// Of a connection that is helped: the place of its state, once it has one.
    pub(crate) fn helper_state(&self) -> Option<u32> {
        self.helper.load(Ordering::Relaxed).checked_sub(1).filter(|_| self.is_helped())
    }

    /// Owner only.
    pub(crate) fn set_helper_state(&self, place: u32) {
        self.helper.store(place.wrapping_add(1), Ordering::Relaxed);
    }

    /// The place of the control connection that announced this one.
    pub fn control(&self) -> Option<u32> {
        let controlled = self.flags() & flag::CONTROLLED != 0;
        self.helper.load(Ordering::Relaxed).checked_sub(1).filter(|_| controlled)
    }

    /// Owner only: a helper announced it.
    pub(crate) fn set_control(&self, place: u32) {
        self.set_flags(self.flags() | flag::CONTROLLED);
        self.helper.store(place.wrapping_add(1), Ordering::Relaxed);
    }

    /// Whether it belongs to another one or to a template: it is not replaced by a new connection from the same port.
    #[inline]
    pub fn is_controlled(&self) -> bool {
        self.control().is_some() || self.template().is_some()
    }

    /// The place of its template, if it has one.
    #[inline]
    pub fn template(&self) -> Option<Position> {
        (self.template.load(Ordering::Relaxed) & !OWES).checked_sub(1)
    }

    /// Whether it has a template that it has not assured yet.
    #[inline]
    pub fn owes_assurance(&self) -> bool {
        self.template.load(Ordering::Relaxed) & OWES != 0
    }

    /// Owner only: it has the template at this place.
    pub(in crate::connection) fn set_template(&self, place: Position) {
        self.template.store((place + 1) | OWES, Ordering::Relaxed);
    }

    /// Owner only: its template is assured.
    pub(in crate::connection) fn set_assured(&self) {
        self.template.store(self.template.load(Ordering::Relaxed) & !OWES, Ordering::Relaxed);
    }
}
