//! Packets with IPv4 options: rare, and looked at before anything is done with them.

use super::Pipeline;
use super::forward::{packet, packet_mut};
use super::output::{Fate, Output};
use super::parse::Flow;
use crate::connection::Found;
use crate::options::{self, Wrong};
use crate::reject::IcmpError;
use link::DropReason;
use rte_rs::Mbuf;

impl Pipeline {
    /// Why a packet with options goes no further, if it does not. A record of the route gets the virtual address, as from
    /// the reference. Options of what is not balanced are the kernel's business.
    #[cold]
    pub(super) fn refused_for_options<O: Output>(
        &mut self,
        flow: &Flow,
        found: Option<Found>,
        mbuf: &mut Mbuf,
        out: &mut O,
    ) -> Option<Fate> {
        let to_service = self.tables.services.is_virtual(flow.destination.address);
        if !to_service && !self.tables.is_behind_nat(flow.source.address) {
            return None;
        }
        match options::check(packet(mbuf).get(..usize::from(flow.header_len))?) {
            Err(Wrong::SourceRoute) => Some(Fate::Drop(DropReason::SourceRouted)),
            Err(Wrong::Malformed { pointer }) => {
                let error = IcmpError::ParameterProblem { pointer };
                Some(self.answer_error(error, DropReason::OptionsMalformed, mbuf, out))
            }
            Ok(known) => {
                let connection = found.and_then(|found| self.connections.connection(found.index));
                let service = connection.map_or(flow.destination, |connection| connection.identity().service);
                if !to_service && connection.is_none() {
                    return None;
                }
                if let Some(at) = known.record {
                    options::record_route(packet_mut(mbuf), at, service.address);
                }
                if let Some(at) = known.end {
                    options::clear_padding(packet_mut(mbuf), at);
                }
                None
            }
        }
    }
}
