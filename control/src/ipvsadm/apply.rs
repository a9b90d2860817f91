//! What a change does to the services, by the rules and in the words of the reference.

use crate::protocol::{LvsChange, LvsPersistence, LvsReal, LvsServiceOptions, LvsTimeouts};
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
        LvsChange::AddServer { service, real } => return add_real(find_for_real(services, *service)?, real),
        LvsChange::EditServer { service, real } => return edit_real(find_for_real(services, *service)?, real),
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

/// The real with this address. In the service of a group one that keeps the packet's port is known by any port.
fn place_of(service: &Service, address: SocketAddrV4) -> Option<usize> {
    let place = |wanted| service.reals.iter().position(|real| real.address == wanted);
    let keeps = || place(without_port(address)).filter(|_| service.key.endpoint().is_none());
    place(address).or_else(keeps)
}

fn without_port(address: SocketAddrV4) -> SocketAddrV4 {
    SocketAddrV4::new(*address.ip(), 0)
}

fn add_service(services: &mut Services, key: ServiceKey, given: &LvsServiceOptions) -> Result<(), Refusal> {
    if find(services, key).is_some() {
        return Err(Refusal::ServiceExists);
    }
    let options = options(&ServiceOptions { helper: Helper::by_port(&key), ..DEFAULT }, given)?;
    check(&key, &options)?;
    let name = free_name(services, &key);
    let service = Service { key, options, reals: Vec::new() };
    services.services.push(NamedService { name, method: ForwardMethod::Nat, service });
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

fn add_real(service: &mut Service, given: &LvsReal) -> Result<(), Refusal> {
    let real = real(&service.key, given)?;
    if service.reals.iter().any(|known| known.address == real.address) {
        return Err(Refusal::RealExists);
    }
    check_real(&service.key, &real)?;
    service.reals.push(real);
    Ok(())
}

fn edit_real(service: &mut Service, given: &LvsReal) -> Result<(), Refusal> {
    let mut real = real(&service.key, given)?;
    let place = place_of(service, given.address).ok_or(Refusal::NoSuchReal)?;
    let known = service.reals.get(place).ok_or(Refusal::NoSuchReal)?.address;
    // With NAT it goes by the port it has; without, in the service of a group, it has none.
    if real.method == ForwardMethod::Nat {
        real.address = known;
    }
    if real.address != known && service.reals.iter().any(|other| other.address == real.address) {
        return Err(Refusal::RealExists);
    }
    check_real(&service.key, &real)?;
    service.reals[place] = real;
    Ok(())
}

fn real(key: &ServiceKey, given: &LvsReal) -> Result<RealServer, Refusal> {
    let LvsReal { address, method, weight, upper_threshold, lower_threshold } = *given;
    if lower_threshold > upper_threshold {
        return Err(Refusal::OutOfRange);
    }
    // Without NAT the packet keeps its port, whatever the real was given.
    let keeps_port = key.endpoint().is_none() && method != ForwardMethod::Nat;
    let address = if keeps_port { without_port(address) } else { address };
    Ok(RealServer { upper_threshold, lower_threshold, ..RealServer::new(address, method, weight) })
}

fn check_real(key: &ServiceKey, real: &RealServer) -> Result<(), Refusal> {
    if !rules::is_host(*real.address.ip()) {
        return Err(Refusal::NotUnicast);
    }
    rules::check_real(key, real).map_err(|broken| Refusal::Invalid(broken.to_string()))
}
