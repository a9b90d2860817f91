//! Talking to the kernel by netlink (RFC 3549): requests with their answers, and the stream of changes. Only what the
//! mirror needs; every message that is not about IPv4 in the main table is skipped here.

use super::mirror::{KernelHop, KernelRoute, Target, Upkeep};
use link::model::{MacAddress, Prefix};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressProtocol};
use netlink_packet_route::link::{LinkAttribute, LinkMessage};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourExtFlags, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

/// Who put an address there (`IFA_PROTO`, `ip address` shows it as `proto 0x53`): 'S' for Sluice.
const ADDRESS_PROTOCOL: u8 = 0x53;
/// The kernel sends at most 32 KiB in one datagram.
const DATAGRAM: usize = 64 * 1024;
/// Holds a burst of some thousand route changes; beyond that the kernel reports an overrun and a dump follows.
const EVENT_BUFFER: usize = 4 * 1024 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a dump is begun again because the table changed under it, before the inconsistent one is taken (the events
/// that follow correct it).
const DUMP_ATTEMPTS: u32 = 5;
/// Multicast groups of rtnetlink: link, neighbour, IPv4 address, IPv4 route.
const GROUPS: [u32; 4] = [1, 3, 5, 7];

/// What the kernel has or has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// An interface exists: index and name.
    Interface(u32, String),
    /// An interface is gone.
    InterfaceGone(u32),
    /// An address exists.
    Address(KernelAddress),
    /// An address is gone.
    AddressGone(KernelAddress),
    /// A route; `true`: in place of the one with the same prefix and metric.
    Route(KernelRoute, bool),
    /// A route is gone.
    RouteGone(KernelRoute),
    /// A neighbour: MAC if it is resolved, and how it stays so.
    Neighbor(Target, Option<MacAddress>, Upkeep),
    /// A neighbour is gone.
    NeighborGone(Target),
}

/// An IPv4 address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KernelAddress {
    /// Interface index.
    pub interface: u32,
    /// The address.
    pub address: Ipv4Addr,
    /// Prefix length.
    pub length: u8,
    /// Put there by sluiced (this run or an earlier one).
    pub ours: bool,
}

/// What to dump.
#[derive(Clone, Copy, Debug)]
pub enum Dump {
    /// Interfaces.
    Interfaces,
    /// IPv4 addresses.
    Addresses,
    /// The main table.
    Routes,
    /// Neighbours.
    Neighbors,
}

/// A socket for requests; one request at a time.
pub struct Requests {
    socket: TokioSocket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Requests {
    /// Opens the socket.
    ///
    /// # Errors
    /// Those of `socket` and `bind`.
    pub fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind_auto()?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(DATAGRAM) })
    }

    /// Everything of one kind that the kernel has.
    ///
    /// # Errors
    /// Those of the kernel, and `TimedOut`.
    pub async fn dump(&mut self, what: Dump) -> io::Result<Vec<Fact>> {
        let mut facts = Vec::new();
        for _ in 0..DUMP_ATTEMPTS {
            facts.clear();
            let request = dump_request(what);
            if self.exchange(request, NLM_F_DUMP, |message| facts.extend(fact(message, false))).await? {
                break;
            }
        }
        Ok(facts)
    }

    /// Adds an address. `Ok(false)`: the interface has it already.
    ///
    /// # Errors
    /// Those of the kernel, and `TimedOut`.
    pub async fn add_address(&mut self, interface: u32, address: Ipv4Addr, length: u8) -> io::Result<bool> {
        let mut message = address_message(interface, address, length);
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(ADDRESS_PROTOCOL)));
        let request = RouteNetlinkMessage::NewAddress(message);
        match self.exchange(request, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, |_| ()).await {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            outcome => outcome.map(|_| true),
        }
    }

    /// Removes an address.
    ///
    /// # Errors
    /// Those of the kernel (`AddrNotAvailable`: it is not there), and `TimedOut`.
    pub async fn remove_address(&mut self, interface: u32, address: Ipv4Addr, length: u8) -> io::Result<()> {
        let request = RouteNetlinkMessage::DelAddress(address_message(interface, address, length));
        self.exchange(request, NLM_F_ACK, |_| ()).await.map(|_| ())
    }

    /// Has the kernel resolve a neighbour now. `keep`: and keep it resolved from then on (`NTF_EXT_MANAGED`, Linux 5.16;
    /// older ones ignore it); else it stays as long as an unused entry does. A permanent entry would lose that by it.
    ///
    /// # Errors
    /// Those of the kernel, and `TimedOut`.
    pub async fn resolve(&mut self, target: Target, keep: bool) -> io::Result<()> {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = target.0;
        message.header.flags = NeighbourFlags::Use;
        message.attributes.push(NeighbourAttribute::Destination(NeighbourAddress::Inet(target.1)));
        if keep {
            message.attributes.push(NeighbourAttribute::ExtFlags(NeighbourExtFlags::Managed));
        }
        let request = RouteNetlinkMessage::NewNeighbour(message);
        self.exchange(request, NLM_F_ACK | NLM_F_CREATE, |_| ()).await.map(|_| ())
    }

    /// Sends a request and reads to the end of its answer. `Ok(false)`: the kernel says the dump is inconsistent.
    async fn exchange(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
        each: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<bool> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange_unbounded(request, flags, each)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the kernel did not answer in 5 s")),
        }
    }

    async fn exchange_unbounded(
        &mut self,
        request: RouteNetlinkMessage,
        flags: u16,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> io::Result<bool> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes).await?;
        let mut consistent = true;
        loop {
            self.buffer.clear();
            self.socket.recv(&mut self.buffer).await?;
            for message in messages(&self.buffer).filter(|message| message.header.sequence_number == self.sequence) {
                consistent &= message.header.flags & NLM_F_DUMP_INTR == 0;
                match message.payload {
                    NetlinkPayload::InnerMessage(inner) => each(inner),
                    NetlinkPayload::Done(_) => return Ok(consistent),
                    NetlinkPayload::Error(answer) if answer.code.is_none() => return Ok(consistent),
                    NetlinkPayload::Error(answer) => return Err(io::Error::from_raw_os_error(-answer.raw_code())),
                    _ => {}
                }
            }
        }
    }
}

/// A socket that hears of changes.
pub struct Events {
    socket: TokioSocket,
    buffer: Vec<u8>,
}

impl Events {
    /// Opens the socket and subscribes.
    ///
    /// # Errors
    /// Those of `socket`, `bind` and `setsockopt`.
    pub fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE)?;
        socket.socket_mut().bind(&SocketAddr::new(0, 0))?;
        socket.socket_mut().set_rx_buf_sz(i32::try_from(EVENT_BUFFER).unwrap_or(i32::MAX))?;
        for group in GROUPS {
            socket.socket_mut().add_membership(group)?;
        }
        Ok(Self { socket, buffer: Vec::with_capacity(DATAGRAM) })
    }

    /// Waits for the next changes. `Ok(None)`: some were lost (the socket's buffer overran); dump again. Nothing is lost
    /// if the future is dropped.
    ///
    /// # Errors
    /// Those of `recv`.
    pub async fn next(&mut self) -> io::Result<Option<Vec<Fact>>> {
        self.buffer.clear();
        match self.socket.recv(&mut self.buffer).await {
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => return Ok(None),
            outcome => outcome?,
        }
        let facts = messages(&self.buffer).filter_map(|message| {
            let replace = message.header.flags & NLM_F_REPLACE != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => fact(inner, replace),
                _ => None,
            }
        });
        Ok(Some(facts.collect()))
    }
}

/// The messages of a datagram; those that can't be read are skipped by their length.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkMessage<RouteNetlinkMessage>> + '_ {
    std::iter::from_fn(move || {
        loop {
            let length = NetlinkBuffer::new_checked(bytes).ok()?.length() as usize;
            let message = NetlinkMessage::deserialize(bytes);
            bytes = bytes.get(length.next_multiple_of(4).min(bytes.len())..)?;
            if let Ok(message) = message {
                return Some(message);
            }
        }
    })
}

fn dump_request(what: Dump) -> RouteNetlinkMessage {
    match what {
        Dump::Interfaces => RouteNetlinkMessage::GetLink(LinkMessage::default()),
        Dump::Addresses => {
            let mut message = AddressMessage::default();
            message.header.family = AddressFamily::Inet;
            RouteNetlinkMessage::GetAddress(message)
        }
        Dump::Routes => {
            let mut message = RouteMessage::default();
            message.header.address_family = AddressFamily::Inet;
            message.header.table = RouteHeader::RT_TABLE_MAIN;
            message.header.kind = RouteType::Unicast;
            RouteNetlinkMessage::GetRoute(message)
        }
        Dump::Neighbors => {
            let mut message = NeighbourMessage::default();
            message.header.family = AddressFamily::Inet;
            RouteNetlinkMessage::GetNeighbour(message)
        }
    }
}

fn address_message(interface: u32, address: Ipv4Addr, length: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = length;
    message.header.index = interface;
    message.attributes.push(AddressAttribute::Local(IpAddr::V4(address)));
    message.attributes.push(AddressAttribute::Address(IpAddr::V4(address)));
    if length < 31 {
        let hosts = u32::MAX.checked_shr(u32::from(length)).unwrap_or(0);
        message.attributes.push(AddressAttribute::Broadcast(Ipv4Addr::from_bits(address.to_bits() | hosts)));
    }
    message
}

fn fact(message: RouteNetlinkMessage, replace: bool) -> Option<Fact> {
    match message {
        RouteNetlinkMessage::NewLink(link) => link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::IfName(name) => Some(Fact::Interface(link.header.index, name.clone())),
            _ => None,
        }),
        RouteNetlinkMessage::DelLink(link) => Some(Fact::InterfaceGone(link.header.index)),
        RouteNetlinkMessage::NewAddress(message) => address(&message).map(Fact::Address),
        RouteNetlinkMessage::DelAddress(message) => address(&message).map(Fact::AddressGone),
        RouteNetlinkMessage::NewRoute(message) => route(&message).map(|route| Fact::Route(route, replace)),
        RouteNetlinkMessage::DelRoute(message) => route(&message).map(Fact::RouteGone),
        RouteNetlinkMessage::NewNeighbour(message) => neighbor(&message),
        RouteNetlinkMessage::DelNeighbour(message) => match neighbor(&message)? {
            Fact::Neighbor(target, ..) => Some(Fact::NeighborGone(target)),
            _ => None,
        },
        _ => None,
    }
}

fn address(message: &AddressMessage) -> Option<KernelAddress> {
    let ours = message.attributes.contains(&AddressAttribute::Protocol(AddressProtocol::Other(ADDRESS_PROTOCOL)));
    let address = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
        _ => None,
    })?;
    Some(KernelAddress { interface: message.header.index, address, length: message.header.prefix_len, ours })
}

fn route(message: &RouteMessage) -> Option<KernelRoute> {
    let header = &message.header;
    let wanted = header.address_family == AddressFamily::Inet
        && header.kind == RouteType::Unicast
        && header.tos == 0
        && !header.flags.intersects(RouteFlags::Cloned);
    let mut table = u32::from(header.table);
    let mut network = Ipv4Addr::UNSPECIFIED;
    let (mut metric, mut source, mut hops) = (0, None, Vec::new());
    let (mut interface, mut via) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => network = *address,
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::PrefSource(RouteAddress::Inet(address)) => source = Some(*address),
            RouteAttribute::Gateway(RouteAddress::Inet(address)) => via = Some(*address),
            RouteAttribute::Oif(index) => interface = Some(*index),
            RouteAttribute::MultiPath(paths) => {
                let dead = RouteNextHopFlags::Dead | RouteNextHopFlags::Linkdown;
                hops.extend(paths.iter().filter(|path| !path.flags.intersects(dead)).map(|path| {
                    let via = path.attributes.iter().find_map(|attribute| match attribute {
                        RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
                        _ => None,
                    });
                    KernelHop { interface: path.interface_index, via }
                }));
            }
            // A gateway of another family can't be mirrored.
            RouteAttribute::Via(_) => return None,
            _ => {}
        }
    }
    if !wanted || table != u32::from(RouteHeader::RT_TABLE_MAIN) {
        return None;
    }
    if !header.flags.intersects(RouteFlags::Dead | RouteFlags::Linkdown) {
        hops.extend(interface.map(|interface| KernelHop { interface, via }));
    }
    let prefix = Prefix::of(network, header.destination_prefix_length)?;
    Some(KernelRoute { prefix, metric, source, hops })
}

fn neighbor(message: &NeighbourMessage) -> Option<Fact> {
    if message.header.family != AddressFamily::Inet {
        return None;
    }
    let resolved = !matches!(
        message.header.state,
        NeighbourState::None | NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::Noarp
    );
    let (mut address, mut mac, mut managed) = (None, None, false);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(given)) => address = Some(*given),
            NeighbourAttribute::LinkLayerAddress(bytes) => {
                mac = <[u8; 6]>::try_from(bytes.as_slice()).ok().map(MacAddress);
            }
            NeighbourAttribute::ExtFlags(flags) => managed = flags.contains(NeighbourExtFlags::Managed),
            _ => {}
        }
    }
    let upkeep = match message.header.state {
        NeighbourState::Permanent => Upkeep::Permanent,
        _ if managed => Upkeep::Managed,
        _ => Upkeep::Asked,
    };
    Some(Fact::Neighbor((message.header.ifindex, address?), mac.filter(|_| resolved), upkeep))
}
