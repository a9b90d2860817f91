//! What is checked: a real of a service, with its check.

use config::Services;
use config::health::{Check, Via};
use link::model::{ForwardMethod, RealServer, ServiceKey};
use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;

/// Which real of which service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RealKey {
    /// The service.
    pub service: ServiceKey,
    /// The real's address and port.
    pub real: SocketAddrV4,
}

/// A real and its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which real.
    pub key: RealKey,
    /// The service's name.
    pub service: String,
    /// How it is checked.
    pub check: Check,
    /// Its way, where that is the clients' one; `None`: to the real itself.
    pub by_vip: Option<ByVip>,
}

/// The way of a check that goes as clients' packets do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByVip {
    /// What the socket speaks to; it stands for the real.
    pub address: Ipv4Addr,
    /// What clients speak to.
    pub vip: Ipv4Addr,
}

/// Which check address stands for which real, as long as there is one: 198.18.0.0/15, the network for benchmarks (RFC 2544
/// section C.2.2), of which no host is.
#[derive(Clone, Debug)]
pub struct CheckAddresses {
    numbers: HashMap<RealKey, u32>,
    taken: HashSet<u32>,
    last: u32,
}

impl Default for CheckAddresses {
    /// None is given. The first will be anywhere in the network: a dataplane that still has those of an earlier sluiced
    /// knows nothing of it, rather than another real by it.
    fn default() -> Self {
        Self { numbers: HashMap::new(), taken: HashSet::new(), last: fastrand::u32(..Self::MOST) }
    }
}

impl CheckAddresses {
    const NETWORK: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 0);
    /// So many can be given.
    pub const MOST: u32 = (1 << 17) - 2;

    /// Gives an address to each real of these services that is checked so, and has none. Beyond the last one reals are
    /// checked at their own addresses: so many.
    pub fn assign(&mut self, services: &Services) -> usize {
        let mut without = 0;
        for key in wanted(services) {
            if self.numbers.contains_key(&key) {
                continue;
            }
            if self.taken.len() >= Self::MOST as usize {
                without += 1;
                continue;
            }
            // The next one that is free, so that one that was given back rests.
            let number = loop {
                self.last = self.last % Self::MOST + 1;
                if self.taken.insert(self.last) {
                    break self.last;
                }
            };
            self.numbers.insert(key, number);
        }
        without
    }

    /// Takes back those of reals that are not in these services.
    pub fn retain(&mut self, services: &Services) {
        let live: HashSet<_> = wanted(services).collect();
        self.numbers.retain(|key, _| live.contains(key));
        self.taken = self.numbers.values().copied().collect();
    }

    /// The one of a real.
    pub fn of(&self, key: &RealKey) -> Option<Ipv4Addr> {
        self.numbers.get(key).map(|number| Ipv4Addr::from_bits(Self::NETWORK.to_bits() + number))
    }
}

/// The reals that are checked the way of clients.
fn wanted(services: &Services) -> impl Iterator<Item = RealKey> {
    services.services.iter().flat_map(|named| {
        let service = named.service.key;
        let goes_by_vip = move |real: &&RealServer| {
            let check = named.health.check_of(real.address);
            real.method != ForwardMethod::Nat && matches!(check, Ok(Some(Check { via: Via::Vip, .. })))
        };
        named.service.reals.iter().filter(goes_by_vip).map(move |real| RealKey { service, real: real.address })
    })
}

impl Target {
    /// What is checked, on the check's port: the real, or the VIP.
    pub fn address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(self.by_vip.map_or(*self.key.real.ip(), |way| way.vip), self.check.port)
    }

    /// The real's address.
    pub fn ip(&self) -> Ipv4Addr {
        *self.key.real.ip()
    }

    /// What programs are told, as environment.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("SLUICE_SERVICE", self.service.clone()),
            ("SLUICE_VIRTUAL", self.key.service.to_string()),
            ("SLUICE_REAL", self.key.real.to_string()),
            ("SLUICE_ADDRESS", self.key.real.ip().to_string()),
            ("SLUICE_PORT", self.key.real.port().to_string()),
        ]
    }
}

/// Everything that is checked, by its real.
pub type Targets = HashMap<RealKey, Arc<Target>>;

/// What these services have checked. A check that breaks a rule has been refused before; it is left out here.
pub fn of(services: &Services, addresses: &CheckAddresses) -> Targets {
    let mut targets = Targets::new();
    for named in &services.services {
        if named.health.check.is_none() && named.health.reals.is_empty() {
            continue;
        }
        for real in &named.service.reals {
            let Ok(Some(check)) = named.health.check_of(real.address) else { continue };
            let key = RealKey { service: named.service.key, real: real.address };
            let vip = services.addresses_of(&named.service.key).next();
            let by_vip = addresses.of(&key).zip(vip).map(|(address, vip)| ByVip { address, vip });
            targets.insert(key, Arc::new(Target { key, service: named.name.clone(), check, by_vip }));
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two services over the same reals, the second one by NAT.
    fn services(reals: &[u8]) -> Services {
        let service = |name: &str, port: u16, method: &str| {
            let reals = reals.iter().map(|last| format!("[[service.real]]\naddress = \"10.0.0.{last}:{port}\"\n"));
            format!(
                "[[service]]\nname = \"{name}\"\nprotocol = \"tcp\"\naddress = \"192.0.2.1:{port}\"\nmethod = \"{method}\"\n\
                 [service.check]\ntype = \"tcp\"\nvia = \"vip\"\n{}",
                reals.collect::<String>()
            )
        };
        Services::parse(&(service("web", 80, "direct") + &service("mail", 25, "nat")), "f").expect("valid")
    }

    fn given(addresses: &CheckAddresses, services: &Services) -> Vec<Option<Ipv4Addr>> {
        let of = |named: &config::NamedService| {
            let service = named.service.key;
            let reals = named.service.reals.iter().map(move |real| RealKey { service, real: real.address });
            reals.map(|key| addresses.of(&key)).collect::<Vec<_>>()
        };
        services.services.iter().flat_map(of).collect()
    }

    #[test]
    fn a_real_keeps_its_check_address_while_it_is_there_and_no_other_has_it() {
        let mut addresses = CheckAddresses { last: CheckAddresses::MOST - 1, ..CheckAddresses::default() };
        let (all, fewer, other) = (services(&[1, 2, 3]), services(&[1, 3]), services(&[1, 3, 4]));
        addresses.assign(&all);
        let at = |c, d| Some(Ipv4Addr::new(198, c, 255 * u8::from(c == 19), d));
        let (first, second, third) = (at(19, 254), at(18, 1), at(18, 2));
        assert_eq!(given(&addresses, &all), [first, second, third, None, None, None], "round the end; NAT has none");
        addresses.retain(&fewer);
        assert_eq!(given(&addresses, &all)[..3], [first, None, third]);
        addresses.assign(&other);
        assert_eq!(given(&addresses, &other)[..3], [first, third, at(18, 3)], "the one given back rests");
        addresses.assign(&all);
        assert_eq!(given(&addresses, &all)[..3], [first, at(18, 4), third]);
    }

    #[test]
    fn reals_beyond_the_last_address_are_counted() {
        let taken = (1..=CheckAddresses::MOST).filter(|number| *number != 7).collect();
        let mut addresses = CheckAddresses { taken, ..CheckAddresses::default() };
        let (all, one) = (services(&[1, 2, 3]), services(&[1]));
        assert_eq!(addresses.assign(&all), 2);
        assert_eq!(given(&addresses, &all)[..3], [Some(Ipv4Addr::new(198, 18, 0, 7)), None, None]);
        assert_eq!(addresses.assign(&one), 0);
    }

    #[test]
    fn a_target_is_the_vip_where_its_check_goes_by_it() {
        let all = services(&[1]);
        let mut addresses = CheckAddresses::default();
        addresses.assign(&all);
        let mut shown: Vec<_> = of(&all, &addresses)
            .into_values()
            .map(|target| (target.ip().to_string(), target.address().to_string()))
            .collect();
        shown.sort();
        let wanted = [("10.0.0.1", "10.0.0.1:25"), ("10.0.0.1", "192.0.2.1:80")];
        assert_eq!(shown, wanted.map(|(real, to)| (real.to_owned(), to.to_owned())));
    }
}
