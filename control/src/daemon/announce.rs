//! Which VIPs are put on the kernel interface, as `[control] vips` says. A routing daemon announces those that are
//! there.

use config::{NamedService, Services, Vips};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The VIPs of `services` that this director answers for.
pub(super) fn virtual_addresses(services: &Services, vips: Vips) -> BTreeSet<Ipv4Addr> {
    match vips {
        Vips::Always => services.virtual_addresses().collect(),
        Vips::Never => BTreeSet::new(),
        Vips::Served => {
            let served = services.services.iter().filter(|named| is_served(named)).cloned().collect();
            Services { services: served, ..services.clone() }.virtual_addresses().collect()
        }
    }
}

/// Whether a new connection would find a real.
fn is_served(named: &NamedService) -> bool {
    named.service.reals.iter().any(|real| real.weight > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services(weights: [u32; 2]) -> Services {
        let service = |name: &str, address: &str, weight: u32| {
            format!(
                "[[service]]\nname = {name:?}\nprotocol = \"tcp\"\naddress = {address:?}\n[[service.real]]\n\
                 address = \"10.1.0.1:80\"\nweight = {weight}\n"
            )
        };
        let [one, two] = weights;
        let text = service("one", "10.0.0.1:80", one)
            + &service("two", "10.0.0.1:81", two)
            + &service("other", "10.0.0.2:80", 1)
            + "[[service]]\nname = \"empty\"\nprotocol = \"tcp\"\naddress = \"10.0.0.3:80\"\n";
        Services::parse(&text, "services.toml").expect("valid")
    }

    fn addresses(weights: [u32; 2], vips: Vips) -> Vec<String> {
        virtual_addresses(&services(weights), vips).iter().map(Ipv4Addr::to_string).collect()
    }

    #[test]
    fn a_vip_is_served_while_one_of_its_services_has_a_usable_real() {
        assert_eq!(addresses([1, 1], Vips::Served), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(addresses([0, 1], Vips::Served), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(addresses([0, 0], Vips::Served), ["10.0.0.2"]);
    }

    #[test]
    fn always_and_never_do_not_ask_for_reals() {
        assert_eq!(addresses([0, 0], Vips::Always), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
        assert_eq!(addresses([1, 1], Vips::Never), [] as [&str; 0]);
    }
}
