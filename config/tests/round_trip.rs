//! What `to_toml` writes parses to the same, for any valid services.

use config::{NamedService, Services};
use link::model::{ForwardMethod, Protocol, RealServer, SchedulerKind, Service, ServiceKey, Timeouts};
use proptest::prelude::*;
use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddrV4};

fn vip(index: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, index), port)
}

prop_compose! {
    fn real(service_port: u16)(
        host in any::<u16>(),
        port in 1u16..,
        weight in 0..=RealServer::MAX_WEIGHT,
        method in prop::sample::select(&ForwardMethod::ALL[..]),
    ) -> RealServer {
        let [high, low] = host.to_be_bytes();
        let port = if method == ForwardMethod::Nat { port } else { service_port };
        RealServer { address: SocketAddrV4::new(Ipv4Addr::new(10, 1, high, low), port), method, weight }
    }
}

fn service() -> impl Strategy<Value = NamedService> {
    let name = "[A-Za-z0-9._-]{1,64}";
    let protocol = prop::sample::select(&[Protocol::Tcp, Protocol::Udp][..]);
    let scheduler = prop::sample::select(&SchedulerKind::ALL[..]);
    let method = prop::sample::select(&ForwardMethod::ALL[..]);
    (name, protocol, any::<u8>(), 1u16.., scheduler, method).prop_flat_map(
        |(name, protocol, host, port, scheduler, method)| {
            let key = ServiceKey { protocol, address: vip(host, port) };
            prop::collection::vec(real(port), 0..5).prop_map(move |mut reals| {
                let mut seen = HashSet::new();
                reals.retain(|real| seen.insert(real.address));
                NamedService { name: name.clone(), method, service: Service { key, scheduler, reals } }
            })
        },
    )
}

fn services() -> impl Strategy<Value = Services> {
    let seconds = prop::array::uniform12(1..=Timeouts::MAX_SECONDS);
    (seconds, prop::collection::vec(service(), 0..8)).prop_map(|(seconds, mut services)| {
        let (mut names, mut keys) = (HashSet::new(), HashSet::new());
        services.retain(|named| names.insert(named.name.clone()) && keys.insert(named.service.key));
        Services { timeouts: Timeouts::from_seconds(seconds), services }
    })
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
