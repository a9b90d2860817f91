//! Goes round the templates, on the main lcore: for those whose time is up and nobody looked at, and for those that the
//! settings let go before.
//!
//! As in the reference, only templates without connections go early: with `drop_entry` those that are not assured; with
//! `expire_nodest_conn` those whose real is not in its service any more.

use crate::clock::Milliseconds;
use crate::connection::template::{TemplateReal, Templates};
use crate::pipeline::is_on;
use crate::service::ServiceTable;
use link::model::Settings;

/// Where it is.
#[derive(Debug, Default)]
pub struct Sweeper {
    /// The bucket looked at last.
    swept: usize,
}

impl Sweeper {
    /// Looks at the next so many buckets. `pressure`: some worker is under it.
    pub fn step(
        &mut self,
        templates: &Templates,
        services: &ServiceTable,
        pressure: bool,
        buckets: usize,
        now: Milliseconds,
    ) {
        if templates.is_empty() {
            return;
        }
        let settings = services.settings();
        let (thins, leaves) = (is_on(settings.drop_entry, pressure), settings.expire_nodest_conn != 0);
        let early = |real: &TemplateReal, assured: bool| (thins && !assured) || (leaves && has_left(services, real));
        for _ in 0..buckets {
            self.swept = (self.swept + 1) % templates.buckets();
            templates.sweep(self.swept, now, early);
        }
    }

    /// Whether templates may go before their time.
    pub fn goes_early(settings: &Settings) -> bool {
        settings.drop_entry != 0 || settings.expire_nodest_conn != 0
    }
}

fn has_left(services: &ServiceTable, real: &TemplateReal) -> bool {
    !services.real(real.slot, real.generation).is_some_and(|real| real.available)
}
