//! What becomes the running services.

use super::{Daemon, Sent, Version, kernel};
use crate::daemon::announce;
use config::Services;
use std::rc::Rc;

impl Daemon {
    /// They are what runs, or will run.
    pub(super) fn adopt(&self, services: Services) {
        self.health.adopted(&services);
        *self.running.borrow_mut() = Rc::new(services);
        self.publish_needs();
    }

    /// Tells the kernel's side what the running services need, now that they are what runs or will run.
    pub(super) fn publish_needs(&self) {
        let mut needs = kernel::Needs::default();
        let running = self.running();
        let served = self.health.as_announced(&running);
        needs.vips = announce::virtual_addresses(&served, self.machine.control.vips);
        for named in &running.services {
            let reals = named.service.reals.iter().chain(&named.health.sorry);
            needs.reals.extend(reals.map(|real| *real.address.ip()));
        }
        let needs = Some(needs);
        self.kernel.needs.send_if_modified(|known| {
            let changed = *known != needs;
            *known = needs;
            changed
        });
    }

    /// Makes `services` the running ones although no dataplane runs.
    pub(super) fn keep(&self, services: Services) -> Sent {
        if let Err(error) = self.saved.announce(Version::UNSENT, &services).and_then(|()| self.saved.confirm()) {
            log::warn!(
                "the change can't be saved ({error}): it is lost if sluiced is restarted before the dataplane starts"
            );
        }
        self.unsent.set(true);
        self.adopt(services);
        Sent::Waiting
    }
}
