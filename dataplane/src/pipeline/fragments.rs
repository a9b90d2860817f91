//! Fragments that come in: kept until their packet is complete, which then goes the way of any other, as at the
//! reference. Nothing leaves before, and one packet is counted.
//!
//! Fragments meet on a worker that has nothing to do with ports; the packet may have to go on to the owner of its
//! connection. So it is only here that a packet changes workers twice.

use super::forward::{packet, packet_mut};
use super::output::{Fate, Output, Verdict};
use super::parse::{IPV4_OFFSET, Parsed, parse};
use super::{Origin, Pipeline};
use crate::forward::ttl;
use crate::fragment::{self, Cuts, Inserted, PacketKey, Place};
use crate::reject::IcmpError;
use crate::steer::{self, Steering};
use link::DropReason;
use rte_rs::{HashKey, Mbuf};
use wire::ipv4::Ipv4;

/// Beside the port number of an mbuf on its way to another worker: a packet that was put together, with a note of its
/// [`Cuts`].
pub(super) const WHOLE: u16 = 1 << 15;

/// Where pieces go.
#[derive(Clone, Copy)]
enum Way {
    Port(u16),
    Kernel(u16),
}

impl Pipeline {
    /// A fragment. Those of packets that are not balanced are the kernel's.
    #[cold]
    pub(super) fn fragment<O: Output>(&mut self, source: u32, destination: u32, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let to_service = self.tables.services.is_virtual(destination);
        if !to_service && !self.tables.is_behind_nat(source) {
            return Fate::Kernel;
        }
        // What passes through a router loses its time to live by the fragment; what a host receives, as a whole.
        if !to_service && let Some(fate) = self.expired(mbuf, out) {
            return fate;
        }
        let Ok(fragment) = Ipv4::parse(packet(mbuf)) else { return Fate::Drop(DropReason::Ipv4Malformed) };
        let worker = steer::meeting_place(&PacketKey::of(&fragment), self.settings.workers);
        if worker != self.settings.worker && self.batch.origin != Origin::Worker {
            return Fate::HandOff { worker };
        }
        let counters = &self.counters.worker;
        let lost = |reason, fragments| counters.dropped(reason).add(fragments);
        let inserted = self.reassembly.insert(&fragment, self.now, lost);
        counters.fragments_held.set(self.reassembly.fragments());
        match inserted {
            Inserted::Kept => Fate::Held,
            Inserted::Refused(reason) => Fate::Drop(reason),
            Inserted::Complete(place) => self.complete(place, mbuf, out),
        }
    }

    /// The last fragment that was missing is in `mbuf`: it becomes the packet.
    fn complete<O: Output>(&mut self, place: Place, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let cuts = self.reassembly.cuts(place).filter(|_| self.put_together(place, mbuf, out));
        let others = self.reassembly.remove(place).saturating_sub(1);
        let counters = &self.counters.worker;
        counters.fragments_held.set(self.reassembly.fragments());
        let Some(cuts) = cuts else {
            counters.dropped(DropReason::FragmentsExhausted).add(others);
            return Fate::Drop(DropReason::FragmentsExhausted);
        };
        counters.fragments_reassembled.add(others);
        // Its owner was not asked for yet, wherever the fragments came from.
        let origin = std::mem::replace(&mut self.batch.origin, Origin::Port(mbuf.port()));
        let fate = self.whole(&cuts, mbuf, out);
        self.batch.origin = origin;
        fate
    }

    fn put_together<O: Output>(&self, place: Place, mbuf: &mut Mbuf, out: &mut O) -> bool {
        let length = IPV4_OFFSET + self.reassembly.whole_len(place);
        let Some(ethernet) = mbuf.data().first_chunk::<IPV4_OFFSET>().copied() else { return false };
        mbuf.truncate(0);
        if mbuf.tailroom() < length + Cuts::NOTE_LEN {
            let Some(mut large) = out.new_large_mbuf() else { return false };
            large.set_port(mbuf.port());
            *mbuf = large;
        }
        let Some((header, packet)) = mbuf.append(length).and_then(|frame| frame.split_first_chunk_mut()) else {
            return false;
        };
        *header = ethernet;
        self.reassembly.write_whole(place, packet);
        true
    }

    /// A packet that another worker has put together.
    #[cold]
    pub(super) fn whole_from_worker<O: Output>(&mut self, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        mbuf.set_port(mbuf.port() & !WHOLE);
        match Cuts::take_note(mbuf) {
            Some(cuts) => self.whole(&cuts, mbuf, out),
            None => Fate::Drop(DropReason::FrameMalformed),
        }
    }

    /// A packet that was put together, from the first stage on.
    fn whole<O: Output>(&mut self, cuts: &Cuts, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        let Some(facts) = self.settings.ports.get(usize::from(mbuf.port())) else {
            return Fate::Drop(DropReason::FrameMalformed);
        };
        let mut key = HashKey([0; 16]);
        let fate = match parse(mbuf.data(), &facts.mac, &mut key) {
            Parsed::Flow(flow) => {
                let steering = Steering::of(&self.settings, &self.tables, self.batch.origin);
                match steering.elsewhere(flow.source, flow.destination) {
                    Some(worker) => Fate::HandOff { worker },
                    None => self.carry(&flow, self.connections.lookup(&key), mbuf, out),
                }
            }
            Parsed::IcmpError { destination } => self.icmp_error(destination, mbuf, out),
            Parsed::OtherIpv4 { destination } => match self.other_ipv4(destination, mbuf, out) {
                // What is made here is split by itself.
                fate @ Fate::ForwardInFragments { .. } => return fate,
                fate => fate,
            },
            Parsed::Refused(reason) => Fate::Drop(reason),
            _ => Fate::Kernel,
        };
        self.as_it_came(fate, cuts, mbuf, out)
    }

    /// It leaves in the fragments in which it came, as far as they fit.
    fn as_it_came<O: Output>(&mut self, fate: Fate, cuts: &Cuts, mbuf: &mut Mbuf, out: &mut O) -> Fate {
        match fate {
            Fate::Forward { port } => {
                self.cuts = Some(*cuts);
                Fate::ForwardInFragments { port, mtu: u16::MAX }
            }
            Fate::ForwardInFragments { .. } => {
                self.cuts = Some(*cuts);
                fate
            }
            Fate::Kernel => {
                self.cuts = Some(*cuts);
                Fate::KernelInFragments
            }
            Fate::HandOff { .. } => {
                mbuf.set_port(mbuf.port() | WHOLE);
                if cuts.note(mbuf) { fate } else { Fate::Drop(DropReason::FragmentsExhausted) }
            }
            Fate::Answer { .. } => answer_in_small(fate, mbuf, out),
            fate => fate,
        }
    }

    /// Sends a packet in pieces, each in an mbuf of its own (RFC 791 section 3.2).
    #[cold]
    pub(super) fn transmit_fragments<O: Output>(&mut self, port: u16, mtu: u16, mbuf: Mbuf, out: &mut O) -> Verdict {
        self.send_pieces(Way::Port(port), mtu, mbuf, out)
    }

    /// Hands a packet that was put together to the kernel, as it came.
    #[cold]
    pub(super) fn kernel_in_fragments<O: Output>(&mut self, mbuf: Mbuf, out: &mut O) -> Verdict {
        let port = mbuf.port();
        if self.settings.ports.get(usize::from(port)).is_some_and(|facts| facts.has_kernel_interface) {
            return self.send_pieces(Way::Kernel(port), u16::MAX, mbuf, out);
        }
        // They are this packet's, not those of the next one that leaves in pieces.
        self.cuts = None;
        self.give_up(DropReason::NoKernelPath, mbuf)
    }

    fn send_pieces<O: Output>(&mut self, way: Way, mtu: u16, mbuf: Mbuf, out: &mut O) -> Verdict {
        let cuts = self.cuts.take();
        let Some((ethernet, packet)) = mbuf.data().split_at_checked(IPV4_OFFSET) else {
            return self.give_up(DropReason::FrameMalformed, mbuf);
        };
        let pieces = match &cuts {
            Some(cuts) => fragment::split_as_cut(packet, mtu, cuts),
            None => fragment::split(packet, mtu),
        };
        let mut sent = 0u64;
        for piece in pieces {
            let Some(fragment) = out.new_mbuf().and_then(|fragment| fill(fragment, ethernet, &piece)) else {
                self.counters.worker.fragments_created.add(sent);
                return self.give_up(DropReason::FragmentsExhausted, mbuf);
            };
            match way {
                Way::Port(port) => out.transmit(port, fragment),
                Way::Kernel(port) => out.to_kernel(port, fragment),
            }
            sent += 1;
        }
        if sent == 0 {
            return self.give_up(DropReason::Ipv4Malformed, mbuf);
        }
        // Of n fragments one stands for the packet itself: received + created = sent + dropped.
        self.counters.worker.fragments_created.add(sent - 1);
        self.release(mbuf);
        match way {
            Way::Port(port) => Verdict::Forwarded { port },
            Way::Kernel(_) => Verdict::Kernel,
        }
    }

    /// Gives up packets whose rest has not come in time, and tells their senders. Looks at `sets` sets of packets
    /// ([`fragment::SETS`] is all), once in a millisecond of the clock.
    #[inline]
    pub fn expire_fragments<O: Output>(&mut self, sets: usize, out: &mut O) {
        if self.reassembly.fragments() != 0 && self.reassembly.looks_again(self.now) {
            self.give_up_overdue(sets, out);
        }
    }

    #[cold]
    fn give_up_overdue<O: Output>(&mut self, sets: usize, out: &mut O) {
        for _ in 0..sets.min(fragment::SETS) {
            while let Some(place) = self.reassembly.overdue(self.now) {
                self.time_out(place, out);
            }
        }
        self.batch.dropped.clear();
    }

    /// The sender is told if the first fragment is here, which has the ports (RFC 792, code 1).
    fn time_out<O: Output>(&mut self, place: Place, out: &mut O) {
        let first = self.first_fragment(place, out);
        let fragments = self.reassembly.remove(place);
        self.counters.worker.fragments_held.set(self.reassembly.fragments());
        let dropped = self.counters.worker.dropped(DropReason::FragmentTimeout);
        let Some(mut mbuf) = first else {
            dropped.add(fragments);
            return;
        };
        // One of them becomes the answer.
        dropped.add(fragments.saturating_sub(1));
        let fate = self.answer_error(IcmpError::ReassemblyTimeExceeded, DropReason::FragmentTimeout, &mut mbuf, out);
        self.finish(fate, mbuf, out);
    }

    fn first_fragment<O: Output>(&self, place: Place, out: &mut O) -> Option<Mbuf> {
        let length = self.reassembly.first_len(place)?;
        let mut mbuf = out.new_mbuf()?;
        let frame = mbuf.append(IPV4_OFFSET + length)?;
        self.reassembly.write_first(place, frame.get_mut(IPV4_OFFSET..)?);
        let header = Ipv4::parse(packet(&mbuf)).ok()?;
        if !self.tables.services.is_virtual(header.destination().to_bits()) {
            // A router has counted it down already.
            ttl::decrement(packet_mut(&mut mbuf));
        }
        Some(mbuf)
    }
}

/// Large mbufs are few: they don't wait in transmit queues.
fn answer_in_small<O: Output>(fate: Fate, mbuf: &mut Mbuf, out: &mut O) -> Fate {
    let Some(mut small) = out.new_mbuf() else { return Fate::Drop(DropReason::FragmentsExhausted) };
    let Some(room) = small.append(mbuf.len()) else { return Fate::Drop(DropReason::FragmentsExhausted) };
    room.copy_from_slice(mbuf.data());
    small.set_port(mbuf.port());
    *mbuf = small;
    fate
}

fn fill(mut mbuf: Mbuf, ethernet: &[u8], piece: &fragment::Piece<'_>) -> Option<Mbuf> {
    mbuf.append(ethernet.len())?.copy_from_slice(ethernet);
    mbuf.append(piece.header().len())?.copy_from_slice(piece.header());
    mbuf.append(piece.payload().len())?.copy_from_slice(piece.payload());
    Some(mbuf)
}
