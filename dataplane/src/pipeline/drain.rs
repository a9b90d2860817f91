//! Reals that are being taken out: how far their connections have come is noted from then on, so that those that are to
//! be closed can be told by a RST that is accepted. A client that has sent nothing since then is asked where it is; its
//! next packet, the answer or any other, is forwarded before the ends are told. What is silent even so is removed in the
//! end.

use super::Pipeline;
use super::defence::REMOVALS;
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::connection::{Close, Connection};
use link::model::Phase;
use rte_rs::Mbuf;

impl Pipeline {
    /// Takes the phases of a new table's reals into account.
    pub(super) fn adopt_drains(&mut self) {
        let (drains, closes) = self.tables.services.drains();
        self.defence.drains = drains;
        self.defence.closing = closes.then_some(0);
    }

    /// Notes how far a connection has come; says whether it is to be closed.
    #[cold]
    pub(super) fn note_and_judge(&mut self, index: u32, flow: &Flow, mbuf: &Mbuf) -> bool {
        self.note_position(index, flow, mbuf);
        self.defence.drains && self.connections.connection(index).is_some_and(|connection| self.closes(connection))
    }

    fn closes(&self, connection: &Connection) -> bool {
        let real = self.real(connection.real_slot(), connection.real_generation());
        real.is_some_and(|real| matches!(real.phase, Phase::Closing | Phase::Removing))
    }

    fn removes(&self, index: u32) -> bool {
        self.connections.connection(index).is_some_and(|connection| {
            let real = self.real(connection.real_slot(), connection.real_generation());
            real.is_some_and(|real| real.phase == Phase::Removing)
        })
    }

    /// Forwards a packet, and closes its connection: the RSTs bear the numbers that this packet leads to.
    #[cold]
    pub(super) fn forward_the_last<O: Output>(
        &mut self,
        index: u32,
        flow: &Flow,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Fate {
        let Some(identity) = self.connections.connection(index).map(Connection::identity) else {
            return Fate::Drop(link::DropReason::NoConnection);
        };
        let fate = self.forward_to_real(&identity, flow, mbuf, out);
        // Where there is no room for it yet, the next packet does it.
        if self.connections.close(index) == Close::Done {
            self.connections_changed();
        }
        fate
    }

    /// Goes on round the table for connections that are to be closed.
    pub(super) fn close_some(&mut self, looks: u32) {
        let Some(first) = self.defence.closing else { return };
        let end = first.saturating_add(looks).min(self.connections.capacity());
        let (mut next, mut closed) = (first, 0);
        while next < end && closed < REMOVALS {
            let is_wanted =
                self.connections.connection(next).is_some_and(|entry| entry.is_live() && self.closes(entry));
            if is_wanted {
                match self.connections.close(next) {
                    Close::Done => closed += 1,
                    Close::NotNoted if self.removes(next) => {
                        self.connections.remove(next);
                        closed += 1;
                    }
                    Close::NotNoted if self.connections.ask_client(next) => {}
                    Close::NotNoted | Close::Later => break,
                }
            }
            next += 1;
        }
        self.defence.closing = (next < self.connections.capacity()).then_some(next);
    }
}
