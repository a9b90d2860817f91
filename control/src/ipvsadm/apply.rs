//! What a change does to the services, by the rules and in the words of the reference.

use crate::protocol::{LvsChange, LvsPersistence, LvsReal, LvsServiceOptions, LvsTimeouts};
use config::health::Health;
use config::{NamedService, Services, rules};
use link::model::{
    ForwardMethod, Helper, Persistence, RealServer, SchedulerFlags, Service, ServiceKey, ServiceOptions,
};
use std::net::SocketAddrV4;

/// Why a change was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A service to add is there.
    #[error("Service already exists")]
    ServiceExists,
    /// A service to change, remove or zero is not there.
    #[error("No such service")]
    NoSuchService,
    /// The service of a real is not there.
    #[error("Service not defined")]
    ServiceNotDefined,
    /// A real to add is there.
    #[error("Destination already exists")]
    RealExists,
    /// A real to change or remove is not there.
    #[error("No such destination")]
    NoSuchReal,
    /// No scheduler or persistence engine has this name.
    #[error("Scheduler or persistence engine not found")]
    NoScheduler,
    /// The lower threshold is above the upper one.
    #[error("Numerical result out of range")]
    OutOfRange,
    /// It breaks a rule that the reference does not have, or words in one way only; which.
    #[error("Invalid operation.  Possibly wrong module version, address not unicast, ...: {0}")]
    Invalid(String),
    /// An address that no host has.
    #[error("Invalid operation.  Possibly wrong module version, address not unicast, ...")]
    NotUnicast,
}

/// Does one change to `services`. Zeroing only looks whether the service is there: counters are not part of them.
///
/// # Errors
/// Refused; nothing changed.
pub fn apply(services: &mut Services, change: &LvsChange) -> Result<(), Refusal> {
    match change {
        LvsChange::Clear => services.services.clear(),
        LvsChange::AddService { service, options } => return add_service(services, *service, options),
        LvsChange::EditService { service, options } => return edit_service(services, *service, options),
        LvsChange::DeleteService { service } => {
            let place = services.services.iter().position(|named| named.service.key == *service);
            services.services.remove(place.ok_or(Refusal::NoSuchService)?);
        }
        LvsChange::AddServer { service, real } => return add_real(services, *service, real),
        LvsChange::EditServer { service, real } => return edit_real(services, *service, real),
        LvsChange::DeleteServer { service, address } => {
            let service = find_for_real(services, *service)?;
            let place = place_of(service, *address).ok_or(Refusal::NoSuchReal)?;
            service.reals.remove(place);
        }
        LvsChange::SetTimeouts(given) => return set_timeouts(services, given),
        LvsChange::Zero { service: Some(service) } => drop(find(services, *service).ok_or(Refusal::NoSuchService)?),
        LvsChange::Zero { service: None } => {}
    }
    Ok(())
}

fn set_timeouts(services: &mut Services, given: &LvsTimeouts) -> Result<(), Refusal> {
    let LvsTimeouts { tcp, tcp_fin, udp } = *given;
    for (key, seconds) in [("tcp_established", tcp), ("tcp_fin_wait", tcp_fin), ("udp", udp)] {
        if seconds != 0 {
            rules::check_timeout(key, seconds.into()).map_err(|broken| Refusal::Invalid(broken.to_string()))?;
        }
    }
    let timeouts = &mut services.timeouts;
    let values =
        [(&mut timeouts.tcp_established, tcp), (&mut timeouts.tcp_fin_wait, tcp_fin), (&mut timeouts.udp, udp)];
    values.into_iter().filter(|(_, seconds)| *seconds != 0).for_each(|(timeout, seconds)| *timeout = seconds);
    Ok(())
}

/// The service with this key. The newest are looked at first: a restore speaks of the one that it has just added.
fn find(services: &mut Services, key: ServiceKey) -> Option<&mut Service> {
    services.services.iter_mut().rev().map(|named| &mut named.service).find(|service| service.key == key)
}

fn find_for_real(services: &mut Services, key: ServiceKey) -> Result<&mut Service, Refusal> {
    find(services, key).ok_or(Refusal::ServiceNotDefined)
}

fn place_of(service: &Service, address: SocketAddrV4) -> Option<usize> {
    service.reals.iter().position(|real| real.address == address)
}

fn add_service(services: &mut Services, key: ServiceKey, given: &LvsServiceOptions) -> Result<(), Refusal> {
    if find(services, key).is_some() {
        return Err(Refusal::ServiceExists);
    }
    let options = options(&ServiceOptions { helper: Helper::by_port(&key), ..DEFAULT }, given)?;
    check(&key, &options)?;
    let name = free_name(services, &key);
    let service = Service { key, options, reals: Vec::new() };
    services.services.push(NamedService { name, method: ForwardMethod::Nat, service, health: Health::default() });
    Ok(())
}

const DEFAULT: ServiceOptions = ServiceOptions::new(link::model::SchedulerKind::WeightedLeastConnection);

fn edit_service(services: &mut Services, key: ServiceKey, given: &LvsServiceOptions) -> Result<(), Refusal> {
    let service = find(services, key).ok_or(Refusal::NoSuchService)?;
    let options = options(&service.options, given)?;
    check(&key, &options)?;
    service.options = options;
    Ok(())
}

/// The options that were given over `old`: what ipvsadm has no words for stays.
fn options(old: &ServiceOptions, given: &LvsServiceOptions) -> Result<ServiceOptions, Refusal> {
    let scheduler = given.scheduler.parse().map_err(|_| Refusal::NoScheduler)?;
    if given.engine.is_some() {
        return Err(Refusal::NoScheduler);
    }
    let persistence = given.persistence.map(|LvsPersistence { timeout, netmask }| Persistence { timeout, netmask });
    let flags = SchedulerFlags(given.flags & SchedulerFlags::MASK);
    Ok(ServiceOptions { scheduler, flags, persistence, one_packet: given.one_packet, ..*old })
}

fn check(key: &ServiceKey, options: &ServiceOptions) -> Result<(), Refusal> {
    if rules::check_key(key).is_err() {
        return Err(Refusal::NotUnicast);
    }
    rules::check_service(key, options).map_err(|broken| Refusal::Invalid(broken.to_string()))
}

/// A name for a service that was added without one: `tcp-10.0.0.1-80`, `group-7`.
fn free_name(services: &Services, key: &ServiceKey) -> String {
    let name = key.to_string().replace([' ', ':'], "-");
    let names = std::iter::once(name.clone()).chain((2u32..).map(|number| format!("{name}-{number}")));
    let mut free = names.filter(|name| services.find(name).is_none());
    free.next().unwrap_or(name)
}

fn add_real(services: &mut Services, key: ServiceKey, given: &LvsReal) -> Result<(), Refusal> {
    let service = find_for_real(services, key)?;
    let real = real(given)?;
    if place_of(service, real.address).is_some() {
        return Err(Refusal::RealExists);
    }
    check_real(services, &key, &real)?;
    find_for_real(services, key)?.reals.push(real);
    Ok(())
}

fn edit_real(services: &mut Services, key: ServiceKey, given: &LvsReal) -> Result<(), Refusal> {
    let service = find_for_real(services, key)?;
    let real = real(given)?;
    let place = place_of(service, real.address).ok_or(Refusal::NoSuchReal)?;
    check_real(services, &key, &real)?;
    find_for_real(services, key)?.reals[place] = real;
    Ok(())
}

fn real(given: &LvsReal) -> Result<RealServer, Refusal> {
    let LvsReal { address, method, weight, upper_threshold, lower_threshold } = *given;
    if lower_threshold > upper_threshold {
        return Err(Refusal::OutOfRange);
    }
    Ok(RealServer { upper_threshold, lower_threshold, ..RealServer::new(address, method, weight) })
}

fn check_real(services: &Services, key: &ServiceKey, real: &RealServer) -> Result<(), Refusal> {
    if !rules::is_host(*real.address.ip()) {
        return Err(Refusal::NotUnicast);
    }
    services.check_real(key, real).map_err(|broken| Refusal::Invalid(broken.to_string()))
}

#[cfg(test)]
mod tests {
    use super::{Refusal, apply};
    use crate::protocol::{LvsChange, LvsReal};
    use config::Services;
    use link::model::{ForwardMethod, ServiceKey};

    #[test]
    fn a_real_of_a_group_has_no_address_of_it_and_keeps_its_port_with_any_method() {
        let text = "[[group]]\nnumber = 7\nendpoints = [\"tcp 10.9.0.1:80\"]\n[[service]]\nname = \"s\"\ngroup = 7\n";
        let mut services = Services::parse(text, "test").expect("a valid table");
        let mut add = |address: &str, method| {
            let address = address.parse().expect("an endpoint");
            let real = LvsReal { address, method, weight: 1, upper_threshold: 0, lower_threshold: 0 };
            apply(&mut services, &LvsChange::AddServer { service: ServiceKey::Group(7), real })
        };
        for (method, address) in ForwardMethod::ALL.into_iter().zip(["10.0.2.2:8080", "10.0.2.3:8080", "10.0.2.4:8080"])
        {
            assert!(matches!(add("10.9.0.1:8080", method), Err(Refusal::Invalid(_))), "{method}");
            assert_eq!(add(address, method), Ok(()), "{method}");
        }
        assert!(services.services[0].service.reals.iter().all(|real| real.address.port() == 8080));
    }
}
