//! What `to_toml` writes parses to the same, for any valid services.

use config::health::Health;
use config::{NamedService, Services};
use link::model::{
    ForwardMethod, Group, Helper, Persistence, Protocol, RealServer, SchedulerFlags, SchedulerKind, Service,
    ServiceEndpoint, ServiceKey, ServiceOptions, Settings, TimeoutOverrides, Timeouts,
};
use proptest::prelude::*;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};

fn vip(index: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, index), port)
}

prop_compose! {
    fn real(service_port: u16)(
        host in any::<u16>(),
        port in any::<u16>(),
        weight in 0..=RealServer::MAX_WEIGHT,
        method in prop::sample::select(&ForwardMethod::ALL[..]),
        thresholds in any::<(u32, u32)>(),
    ) -> RealServer {
        let [high, low] = host.to_be_bytes();
        let port = match method {
            ForwardMethod::Nat if service_port != 0 => port.max(1),
            ForwardMethod::Nat => port,
            _ => service_port,
        };
        let address = SocketAddrV4::new(Ipv4Addr::new(10, 1, high, low), port);
        let (a, b) = thresholds;
        RealServer { upper_threshold: a.max(b), lower_threshold: a.min(b), ..RealServer::new(address, method, weight) }
    }
}

prop_compose! {
    fn options()(
        scheduler in prop::sample::select(&SchedulerKind::ALL[..]),
        flags in 0..=SchedulerFlags::MASK,
        timeout in 1..=Timeouts::MAX_SECONDS,
        netmask in 1u32..,
        is_persistent in any::<bool>(),
        clamp_mss in any::<bool>(),
        own in prop::option::of(prop::array::uniform12(0..=Timeouts::MAX_SECONDS)),
    ) -> ServiceOptions {
        ServiceOptions {
            flags: SchedulerFlags(flags),
            persistence: is_persistent.then_some(Persistence { timeout, netmask: Ipv4Addr::from_bits(netmask) }),
            clamp_mss,
            timeouts: TimeoutOverrides(own.unwrap_or_default()),
            ..ServiceOptions::new(scheduler)
        }
    }
}

/// A key, and the options with those that only some keys allow.
fn keyed() -> impl Strategy<Value = (ServiceKey, ServiceOptions)> {
    let protocol = prop::sample::select(&[Protocol::Tcp, Protocol::Udp][..]);
    let endpoint = (protocol, any::<u8>(), any::<u16>())
        .prop_map(|(protocol, host, port)| ServiceKey::new(protocol, vip(host, port)));
    let key = prop_oneof![endpoint, (1u32..).prop_map(ServiceKey::Group)];
    (key, options(), any::<bool>(), any::<bool>()).prop_map(|(key, mut options, one_packet, has_helper)| {
        options.one_packet = one_packet && key.protocol() != Some(Protocol::Tcp);
        options.helper = (has_helper && key.protocol() == Some(Protocol::Tcp)).then_some(Helper::Ftp);
        if key.endpoint().is_some() && key.port() == 0 {
            let always = Persistence { timeout: Persistence::DEFAULT_TIMEOUT, netmask: Ipv4Addr::BROADCAST };
            options.persistence = Some(options.persistence.unwrap_or(always));
        }
        (key, options)
    })
}

fn service() -> impl Strategy<Value = NamedService> {
    let name = "[A-Za-z0-9._-]{1,64}";
    let method = prop::sample::select(&ForwardMethod::ALL[..]);
    (name, keyed(), method).prop_flat_map(|(name, (key, options), method)| {
        prop::collection::vec(real(key.port()), 0..5).prop_map(move |mut reals| {
            let mut seen = HashSet::new();
            reals.retain(|real| seen.insert(real.address));
            NamedService {
                name: name.clone(),
                method,
                service: Service { key, options, reals },
                health: Health::default(),
            }
        })
    })
}

fn groups() -> impl Strategy<Value = Vec<Group>> {
    let endpoint = (prop::sample::select(&[Protocol::Tcp, Protocol::Udp][..]), any::<u8>(), any::<u16>())
        .prop_map(|(protocol, host, port)| ServiceEndpoint { protocol, address: vip(host, port) });
    let groups = prop::collection::btree_map(1u32.., prop::collection::vec(endpoint, 0..4), 0..4);
    groups.prop_map(|groups| {
        let mut seen = HashSet::new();
        let keep = |(number, mut endpoints): (u32, Vec<_>)| {
            endpoints.retain(|endpoint| seen.insert(*endpoint));
            Group { number, endpoints }
        };
        groups.into_iter().map(keep).collect()
    })
}

fn settings() -> impl Strategy<Value = Settings> {
    prop::array::uniform15(any::<u32>()).prop_map(|mut values| {
        for (value, setting) in values.iter_mut().zip(&Settings::ALL) {
            *value = setting.least + *value % (setting.most - setting.least + 1);
        }
        Settings::from_values(values)
    })
}

fn services() -> impl Strategy<Value = Services> {
    let seconds = prop::array::uniform12(1..=Timeouts::MAX_SECONDS);
    (seconds, settings(), groups(), prop::collection::vec(service(), 0..8)).prop_map(
        |(seconds, settings, groups, mut services)| {
            let (mut names, mut keys) = (HashSet::new(), HashSet::new());
            services.retain(|named| names.insert(named.name.clone()) && keys.insert(named.service.key));
            Services { timeouts: Timeouts::from_seconds(seconds), settings, groups, services }
        },
    )
}

proptest! {
    #[test]
    fn written_services_parse_to_the_same(services in services()) {
        let text = services.to_toml();
        let again = Services::parse(&text, "services.toml").map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(again, services);
    }

    #[test]
    fn any_text_is_parsed_or_refused_with_a_line(text in "(\\[\\[?[a-z.]{0,8}\\]?\\]?|[a-z_]{1,8} = [0-9\"a-z.:{}\\[\\]]{0,9}|.{0,9}|\n){0,9}") {
        for error in [config::Machine::parse(&text, "f").err(), Services::parse(&text, "f").err()].into_iter().flatten() {
            prop_assert!(error.line().is_some_and(|line| (1..=text.lines().count() + 1).contains(&line)));
        }
    }
}
