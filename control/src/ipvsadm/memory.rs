//! A table in memory: a services file that command lines change and list.

use super::{Backend, Connection, apply};
use crate::protocol::{LvsChange, LvsPersistence, LvsReal, LvsServer, LvsService, LvsTimeouts};
use config::Services;
use link::model::{RealServer, Service};
use std::io;

/// Services, and what is counted of them.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// The table.
    pub services: Services,
    /// What [`Backend::connections`] hands out.
    pub connections: Vec<Connection>,
    /// Fills in what is counted, of each service that is listed; without it all is 0.
    pub counts: Option<fn(&mut LvsService)>,
}

impl Memory {
    /// A table with these services and nothing counted.
    pub fn new(services: Services) -> Self {
        Self { services, ..Self::default() }
    }
}

impl Backend for Memory {
    fn change(&mut self, changes: &[LvsChange]) -> Result<Vec<Option<String>>, String> {
        let done = changes.iter().map(|change| apply(&mut self.services, change));
        Ok(done.map(|outcome| outcome.err().map(|refusal| refusal.to_string())).collect())
    }

    fn services(&mut self) -> Result<Vec<LvsService>, String> {
        let mut services: Vec<_> = self.services.services.iter().rev().map(|named| listed(&named.service)).collect();
        if let Some(counts) = self.counts {
            services.iter_mut().for_each(counts);
        }
        Ok(services)
    }

    fn timeouts(&mut self) -> Result<LvsTimeouts, String> {
        Ok(timeouts(&self.services))
    }

    fn connections(&mut self, each: &mut dyn FnMut(&Connection) -> io::Result<()>) -> Result<(), String> {
        self.connections.iter().try_for_each(each).map_err(|error| error.to_string())
    }
}

/// The three timeouts that ipvsadm knows.
pub(crate) fn timeouts(services: &Services) -> LvsTimeouts {
    let timeouts = &services.timeouts;
    LvsTimeouts { tcp: timeouts.tcp_established, tcp_fin: timeouts.tcp_fin_wait, udp: timeouts.udp }
}

/// A service as it is listed, nothing counted.
pub(crate) fn listed(service: &Service) -> LvsService {
    let options = &service.options;
    LvsService {
        key: service.key,
        scheduler: options.scheduler,
        flags: options.flags.0,
        persistence: options
            .persistence
            .map(|persistence| LvsPersistence { timeout: persistence.timeout, netmask: persistence.netmask }),
        one_packet: options.one_packet,
        traffic: Default::default(),
        rates: Default::default(),
        reals: service.reals.iter().rev().map(server).collect(),
    }
}

fn server(real: &RealServer) -> LvsServer {
    let RealServer { address, method, weight, upper_threshold, lower_threshold, .. } = *real;
    LvsServer {
        real: LvsReal { address, method, weight, upper_threshold, lower_threshold },
        active: 0,
        inactive: 0,
        persistent: 0,
        traffic: Default::default(),
        rates: Default::default(),
    }
}
