//! Why a packet was dropped or answered: one enum variant = one counter = one row in docs/drop-reasons.md.

macro_rules! drop_reasons {
    ($($variant:ident $name:literal $help:literal,)+) => {
        /// The one reason for which a packet was not forwarded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum DropReason {
            $(#[doc = $help] $variant,)+
        }

        impl DropReason {
            /// Every reason, in the order of its counter.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The word that counters, `sluice drops`, `sluice explain` and the docs use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One sentence: what happened.
            pub const fn help(self) -> &'static str {
                match self { $(Self::$variant => $help,)+ }
            }

            /// The index of its counter.
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The reason with this counter index.
            pub fn from_index(index: usize) -> Option<Self> {
                Self::ALL.get(index).copied()
            }
        }
    };
}

drop_reasons! {
    FrameMalformed "frame_malformed" "The frame is shorter than its Ethernet header, or its mbuf is not in one piece.",
    OtherHost "other_host" "The frame is addressed to another host's MAC address.",
    Ipv4Malformed "ipv4_malformed" "The IPv4 header is not valid: version, header length or total length.",
    Ipv4Checksum "ipv4_checksum" "The IPv4 header checksum is wrong.",
    TransportMalformed "transport_malformed" "The TCP or UDP header is cut short or its lengths contradict the IPv4 header.",
    Fragment "fragment" "A fragment that contradicts the others of its packet (where it ends, ECN) or has no payload; the packet is lost.",
    NoService "no_service" "The virtual address has no service on that protocol and port.",
    NoConnection "no_connection" "A TCP packet in mid-stream that belongs to no connection.",
    NoReal "no_real" "No real server of the service is available.",
    RealRemoved "real_removed" "The connection's real server has been removed from the service.",
    TableFull "table_full" "The connection table is full.",
    TtlExceeded "ttl_exceeded" "The packet's time to live ran out here.",
    FragmentationNeeded "fragmentation_needed" "The packet is larger than the way to the real allows and must not be fragmented.",
    NoRoute "no_route" "There is no route to the packet's next destination.",
    NoNeighbor "no_neighbor" "The MAC address of the next hop is not known (yet).",
    MtuTooSmall "mtu_too_small" "The way to the real has an MTU too small for the tunnel.",
    NoHeadroom "no_headroom" "The mbuf has no room for the header to be put before it.",
    IcmpMalformed "icmp_malformed" "An ICMP error to a virtual address that is cut short or has a wrong checksum.",
    IcmpNoConnection "icmp_no_connection" "An ICMP error to a virtual address about a connection that does not exist.",
    TransmitQueueFull "transmit_queue_full" "The port's transmit queue took no more.",
    HandOffQueueFull "hand_off_queue_full" "The queue to the worker that owns the connection is full.",
    KernelQueueFull "kernel_queue_full" "The queue to the kernel interface is full.",
    KernelRefused "kernel_refused" "The kernel interface did not take the packet.",
    NoKernelPath "no_kernel_path" "The packet is not for a virtual address and its port has no kernel interface.",
    FragmentsExhausted "fragments_exhausted" "No mbufs were left to fragment the packet, or to put it together.",
    PortDown "port_down" "The packet's way out is a port that does not exist or is down.",
    MartianSource "martian_source" "The packet to a virtual address has a source that can't be another host's.",
    NotOwner "not_owner" "A packet that opens a connection was handed to a worker that does not own it, as tables changed.",
    FragmentOverlap "fragment_overlap" "A fragment that overlaps others of its packet in part; the packet is lost.",
    FragmentDuplicate "fragment_duplicate" "A fragment that has come before; the packet goes on waiting for the others.",
    FragmentTooLarge "fragment_too_large" "A fragment of a packet that is longer than is put together (65,176 bytes of payload).",
    FragmentTimeout "fragment_timeout" "The other fragments of its packet did not come within 30 s.",
    FragmentEvicted "fragment_evicted" "A fragment of an incomplete packet that newer packets needed the place of.",
    SourceRouted "source_routed" "The packet's IPv4 options say which way it has to go.",
    OptionsMalformed "options_malformed" "The packet's IPv4 options make no sense.",
    ControlChecksum "control_checksum" "A segment of a control connection that a helper reads has a wrong checksum.",
    DropPacket "drop_packet" "The packet would have opened a connection, and the setting drop_packet chose it.",
    TemplatesFull "templates_full" "There is no room for the client's template of a persistent service.",
}

#[cfg(test)]
mod tests {
    use super::DropReason;
    use std::collections::HashSet;

    #[test]
    fn names_are_unique_and_indices_round_trip() {
        let names: HashSet<_> = DropReason::ALL.iter().map(|reason| reason.name()).collect();
        assert_eq!(names.len(), DropReason::COUNT);
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), index);
            assert_eq!(DropReason::from_index(index), Some(*reason));
        }
        assert_eq!(DropReason::from_index(DropReason::COUNT), None);
    }
}
