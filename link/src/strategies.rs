//! Random messages and tables for property tests.

use crate::capture::{
    CaptureOptions, CaptureRefusal, Choice, Decision, Instruction, MAX_INSTRUCTIONS, MAX_SNAPLEN, PacketConnection,
    PacketVerdict,
};
use crate::drop_reason::DropReason;
use crate::message::{
    ConnectionFilter, ConnectionRow, ConnectionState, Explanation, FilterPart, Flow, Hop, Outcome, Refusal, Reply,
    Request, Table, Template,
};
use crate::model::{
    ForwardMethod, Group, Helper, MacAddress, Neighbor, Persistence, Phase, Prefix, Protocol, RealServer, Route,
    SchedulerFlags, SchedulerKind, Service, ServiceEndpoint, ServiceKey, ServiceOptions, ServiceTable, Settings,
    TimeoutOverrides, Timeouts,
};
use proptest::array::{uniform6, uniform12};
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::{Ipv4Addr, SocketAddrV4};

fn address() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from_bits)
}

fn host() -> impl Strategy<Value = Ipv4Addr> {
    (1u32..0xe000_0000).prop_map(Ipv4Addr::from_bits)
}

fn endpoint() -> impl Strategy<Value = SocketAddrV4> {
    (address(), any::<u16>()).prop_map(|(address, port)| SocketAddrV4::new(address, port))
}

fn server() -> impl Strategy<Value = SocketAddrV4> {
    (host(), 1..=u16::MAX).prop_map(|(address, port)| SocketAddrV4::new(address, port))
}

fn protocol() -> impl Strategy<Value = Protocol> {
    select(vec![Protocol::Tcp, Protocol::Udp])
}

fn method() -> impl Strategy<Value = ForwardMethod> {
    select(ForwardMethod::ALL.to_vec())
}

fn scheduler() -> impl Strategy<Value = SchedulerKind> {
    select(SchedulerKind::ALL.to_vec())
}

fn table() -> impl Strategy<Value = Table> {
    select(vec![Table::Services, Table::NextHops])
}

fn mac() -> impl Strategy<Value = MacAddress> {
    uniform6(any::<u8>()).prop_map(|[first, b, c, d, e, f]| MacAddress([first & 0xfc | 2, b, c, d, e, f]))
}

fn timeouts() -> impl Strategy<Value = Timeouts> {
    uniform12(1..=Timeouts::MAX_SECONDS).prop_map(Timeouts::from_seconds)
}

fn real() -> impl Strategy<Value = RealServer> {
    let phase = select(&Phase::ALL[..]);
    let check_address = option::of(host());
    (server(), method(), 0..=RealServer::MAX_WEIGHT, any::<(u32, u32)>(), phase, check_address).prop_map(
        |(address, method, weight, (a, b), phase, check_address)| RealServer {
            upper_threshold: a.max(b),
            lower_threshold: a.min(b),
            phase,
            check_address,
            ..RealServer::new(address, method, if phase == Phase::Serving { weight } else { 0 })
        },
    )
}

fn settings() -> impl Strategy<Value = Settings> {
    any::<[u32; 15]>().prop_map(|values| {
        let mut values = values;
        for (value, setting) in values.iter_mut().zip(&Settings::ALL) {
            *value = setting.least + *value % (setting.most - setting.least + 1);
        }
        Settings::from_values(values)
    })
}

fn service_endpoint() -> impl Strategy<Value = ServiceEndpoint> {
    (protocol(), server()).prop_map(|(protocol, address)| ServiceEndpoint { protocol, address })
}

fn key() -> impl Strategy<Value = ServiceKey> {
    prop_oneof![service_endpoint().prop_map(ServiceKey::Endpoint), (1..=u32::MAX).prop_map(ServiceKey::Group)]
}

/// Without timeouts of its own, which travel apart.
fn options() -> impl Strategy<Value = ServiceOptions> {
    let persistence = (1..=Timeouts::MAX_SECONDS, 1..=u32::MAX)
        .prop_map(|(timeout, netmask)| Persistence { timeout, netmask: Ipv4Addr::from_bits(netmask) });
    (scheduler(), 0..=SchedulerFlags::MASK, option::of(persistence), any::<bool>(), any::<bool>()).prop_map(
        |(scheduler, flags, persistence, clamp_mss, has_helper)| ServiceOptions {
            flags: SchedulerFlags(flags),
            persistence,
            clamp_mss,
            helper: has_helper.then_some(Helper::Ftp),
            ..ServiceOptions::new(scheduler)
        },
    )
}

fn overrides() -> impl Strategy<Value = TimeoutOverrides> {
    uniform12(prop_oneof![Just(0), 1..=Timeouts::MAX_SECONDS]).prop_map(|mut seconds| {
        seconds[1] = seconds[1].max(1);
        TimeoutOverrides(seconds)
    })
}

fn route() -> impl Strategy<Value = Route> {
    let prefix = (address(), 0u8..=32).prop_filter_map("length", |(address, length)| Prefix::of(address, length));
    (prefix, any::<u16>(), option::of(host()), option::of(host())).prop_map(|(prefix, port, via, source)| Route {
        prefix,
        port,
        via,
        source,
    })
}

fn neighbor() -> impl Strategy<Value = Neighbor> {
    (host(), any::<u16>(), mac()).prop_map(|(address, port, mac)| Neighbor { address, port, mac })
}

fn filter() -> impl Strategy<Value = ConnectionFilter> {
    (option::of(protocol()), option::of(address()), option::of(endpoint()), option::of(endpoint()), any::<u32>())
        .prop_map(|(protocol, client, service, real, limit)| ConnectionFilter {
            protocol,
            client,
            service,
            real,
            limit,
        })
}

/// Any request that control may send.
pub(crate) fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        (1..=u32::MAX).prop_map(|pid| Request::Hello { pid }),
        (table(), 1..=u64::MAX, any::<u32>()).prop_map(|(table, generation, rows)| Request::Begin {
            table,
            generation,
            rows
        }),
        timeouts().prop_map(Request::Timeouts),
        settings().prop_map(Request::Settings),
        (1..=u32::MAX, service_endpoint()).prop_map(|(group, endpoint)| Request::GroupEndpoint { group, endpoint }),
        (key(), options(), any::<u32>()).prop_map(|(key, options, reals)| Request::Service { key, options, reals }),
        overrides().prop_map(Request::ServiceTimeouts),
        real().prop_map(Request::Real),
        route().prop_map(Request::Route),
        neighbor().prop_map(Request::Neighbor),
        (1..=u64::MAX, any::<u64>()).prop_map(|(generation, checksum)| Request::Commit { generation, checksum }),
        filter().prop_map(Request::Connections),
        filter().prop_map(Request::Count),
        filter().prop_map(Request::Flush),
        (protocol(), endpoint(), endpoint()).prop_map(|(protocol, source, destination)| Request::Explain(Flow {
            protocol,
            source,
            destination
        })),
        filter_part().prop_map(Request::CaptureFilter),
        capture_options().prop_map(Request::CaptureStart),
        Just(Request::CaptureStop),
    ]
}

fn filter_part() -> impl Strategy<Value = FilterPart> {
    let instruction = any::<(u16, u8, u8, u32)>().prop_map(|(code, jt, jf, k)| Instruction { code, jt, jf, k });
    (0..MAX_INSTRUCTIONS as u16, vec(instruction, 1..=FilterPart::MOST)).prop_map(|(first, given)| FilterPart {
        first,
        count: given.len() as u8,
        instructions: std::array::from_fn(|place| given.get(place).copied().unwrap_or_default()),
    })
}

fn capture_options() -> impl Strategy<Value = CaptureOptions> {
    let numbers = (1..=u32::MAX, 1..=MAX_INSTRUCTIONS as u16, 1..=MAX_SNAPLEN, any::<u64>(), 1..=3_600_000u32);
    (numbers, any::<[bool; 4]>(), option::of(any::<u16>())).prop_map(
        |((ticket, instructions, snaplen, packets, milliseconds), flags, worker)| {
            let [incoming, outgoing, drops_only, hand_offs] = flags;
            CaptureOptions {
                ticket,
                instructions,
                snaplen,
                incoming,
                outgoing,
                drops_only,
                hand_offs,
                worker,
                packets,
                milliseconds,
            }
        },
    )
}

/// Any decision about a packet.
pub(crate) fn decision() -> impl Strategy<Value = Decision> {
    let reason = || select(DropReason::ALL.to_vec());
    let verdict = prop_oneof![
        any::<u16>().prop_map(|port| PacketVerdict::Forwarded { port }),
        (option::of(reason()), any::<u16>()).prop_map(|(reason, port)| PacketVerdict::Answered { reason, port }),
        Just(PacketVerdict::Kernel),
        Just(PacketVerdict::Held),
        any::<u16>().prop_map(|worker| PacketVerdict::HandedOff { worker }),
        reason().prop_map(PacketVerdict::Dropped),
    ];
    let connection = (protocol(), method(), endpoint(), endpoint(), endpoint()).prop_map(
        |(protocol, method, client, service, real)| PacketConnection { protocol, method, client, service, real },
    );
    let state = || option::of((select(ConnectionState::ALL.to_vec()), any::<u32>()));
    let choice = option::of(select(Choice::ALL.to_vec()));
    (verdict, any::<bool>(), option::of(0..u32::MAX), option::of(connection), state(), state(), choice).prop_map(
        |(verdict, outbound, service, connection, before, after, choice)| Decision {
            verdict,
            outbound,
            service,
            connection,
            before,
            after,
            choice,
        },
    )
}

fn explanation() -> impl Strategy<Value = Explanation> {
    let reason = || select(DropReason::ALL.to_vec());
    let outcome = prop_oneof![
        Just(Outcome::Forwarded),
        Just(Outcome::Kernel),
        reason().prop_map(Outcome::Answered),
        reason().prop_map(Outcome::Dropped)
    ];
    let hop = (any::<u16>(), address(), uniform6(any::<u8>())).prop_map(|(port, address, mac)| Hop {
        port,
        address,
        mac: MacAddress(mac),
    });
    let connection = (select(ConnectionState::ALL.to_vec()), any::<u32>());
    (
        outcome,
        any::<u16>(),
        option::of(key()),
        option::of(connection),
        any::<(bool, bool)>(),
        option::of((endpoint(), method())),
        option::of(hop),
    )
        .prop_map(|(outcome, worker, service, connection, (outbound, template), real, next_hop)| Explanation {
            outcome,
            worker,
            service,
            template,
            connection,
            outbound,
            real,
            next_hop,
        })
}

fn connection() -> impl Strategy<Value = ConnectionRow> {
    let ends = (endpoint(), endpoint(), endpoint());
    let kind = prop_oneof![
        protocol().prop_map(|protocol| (Some(protocol), None)),
        (option::of(protocol()), select(vec![Template::Fresh, Template::Assured]))
            .prop_map(|(protocol, template)| (protocol, Some(template))),
    ];
    (kind, ends, method(), select(ConnectionState::ALL.to_vec()), any::<u32>(), any::<u16>()).prop_map(
        |((protocol, template), (client, service, real), method, state, expires_in, worker)| ConnectionRow {
            protocol,
            template,
            client,
            service,
            real,
            method,
            state,
            expires_in,
            worker,
        },
    )
}

/// Any reply that the dataplane may send.
pub(crate) fn reply() -> impl Strategy<Value = Reply> {
    prop_oneof![
        any::<(u64, u64)>().prop_map(|(services_generation, next_hops_generation)| Reply::Welcome {
            services_generation,
            next_hops_generation
        }),
        (table(), any::<u64>(), any::<u32>()).prop_map(|(table, generation, microseconds)| Reply::Applied {
            table,
            generation,
            microseconds
        }),
        (table(), any::<u64>(), select(Refusal::ALL.to_vec()), any::<u32>())
            .prop_map(|(table, generation, reason, row)| Reply::Refused { table, generation, reason, row }),
        connection().prop_map(Reply::Connection),
        any::<u64>().prop_map(|count| Reply::End { count }),
        explanation().prop_map(Reply::Explanation),
        option::of(select(CaptureRefusal::ALL.to_vec())).prop_map(|refused| Reply::Capturing { refused }),
        (any::<u16>(), address()).prop_map(|(port, address)| Reply::NeighborWanted { port, address }),
    ]
}

/// A table that a dataplane with room for it accepts.
pub(crate) fn service_table() -> impl Strategy<Value = ServiceTable> {
    let reals = btree_map((host(), 1..=u16::MAX), (method(), 0..=RealServer::MAX_WEIGHT), 0..6);
    let services = btree_map((protocol(), server()), (options(), option::of(overrides()), reals), 0..8);
    let groups = btree_map((protocol(), server()), 1..4u32, 0..6).prop_map(groups_of);
    (timeouts(), settings(), groups, services).prop_map(|(timeouts, settings, groups, services)| ServiceTable {
        timeouts,
        settings,
        groups,
        services: services
            .into_iter()
            .map(|((protocol, address), (options, own, reals))| Service {
                key: ServiceKey::new(protocol, address),
                options: ServiceOptions { timeouts: own.unwrap_or_default(), ..options },
                reals: reals
                    .into_iter()
                    .map(|(end, (method, weight))| real_of(address.port(), end, method, weight))
                    .collect(),
            })
            .collect(),
    })
}

fn groups_of(endpoints: std::collections::BTreeMap<(Protocol, SocketAddrV4), u32>) -> Vec<Group> {
    let mut groups = std::collections::BTreeMap::<u32, Vec<ServiceEndpoint>>::new();
    for ((protocol, address), number) in endpoints {
        groups.entry(number).or_default().push(ServiceEndpoint { protocol, address });
    }
    groups.into_iter().map(|(number, endpoints)| Group { number, endpoints }).collect()
}

/// With the service's port where the method keeps the packet's; then the address alone makes it unique.
fn real_of(service_port: u16, (host, port): (Ipv4Addr, u16), method: ForwardMethod, weight: u32) -> RealServer {
    let method = if port == service_port { method } else { ForwardMethod::Nat };
    RealServer::new(SocketAddrV4::new(host, port), method, weight)
}

/// Routes and neighbours on the ports below `ports`.
pub(crate) fn next_hop_table(ports: u16) -> impl Strategy<Value = crate::model::NextHopTable> {
    let routes = vec((route(), 0..ports).prop_map(|(route, port)| Route { port, ..route }), 0..8);
    let neighbors = vec((neighbor(), 0..ports).prop_map(|(neighbor, port)| Neighbor { port, ..neighbor }), 0..8);
    (routes, neighbors).prop_map(|(routes, neighbors)| crate::model::NextHopTable { routes, neighbors })
}
