//! What checks that go the way of clients speak to.

use super::slots::{Real, RealState, Slots};
use link::model::{ForwardMethod, ServiceEndpoint};
use std::collections::HashMap;

/// What a check address stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VipCheck {
    /// The real's slot.
    pub slot: u32,
    /// How packets reach it.
    pub method: ForwardMethod,
    /// The address that clients speak to (host byte order); of a group the first one.
    pub vip: u32,
}

/// By the check addresses of the reals that are in the table, reached by tunnel or direct routing; `endpoints` with the
/// slots of their services.
pub(super) fn of(slots: &Slots, endpoints: &[(ServiceEndpoint, u32)]) -> HashMap<u32, VipCheck> {
    let mut vips = HashMap::new();
    for (endpoint, service) in endpoints {
        vips.entry(*service).or_insert_with(|| endpoint.address.ip().to_bits());
    }
    let live =
        slots.reals().filter(|(_, real)| real.state == RealState::Live && real.server.method != ForwardMethod::Nat);
    let check = |(slot, real): (u32, &Real)| {
        let address = real.server.check_address?.to_bits();
        Some((address, VipCheck { slot, method: real.server.method, vip: *vips.get(&real.service)? }))
    };
    live.filter_map(check).collect()
}
