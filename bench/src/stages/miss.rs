//! Finding the service of a packet that has no connection.

use super::Setting;
use super::report::{Figure, TableFigures};
use super::rig::Rig;
use link::model::Protocol;
use rte_rs::cycles::tsc;
use std::fmt::Write;
use std::hint::black_box;

const LOOK_UPS: u32 = 200_000;
/// Services to an address.
const PORTS: u32 = 50;
/// The first address: 203.0.0.1.
const FIRST: u32 = 0xcb00_0001;

/// The look-up among 1, 1,000 and 10,000 services.
pub(super) fn measure_all(setting: &mut Setting<'_>) -> Result<Vec<TableFigures>, String> {
    [1, 1_000, 10_000].into_iter().map(|services| measure(services, setting)).collect()
}

/// Address and port of a service.
fn endpoint(service: u32) -> (u32, u16) {
    (FIRST + service / PORTS, (1_000 + service % PORTS) as u16)
}

fn measure(services: u32, setting: &mut Setting<'_>) -> Result<TableFigures, String> {
    let mut text = String::new();
    for service in 0..services {
        let (address, port) = endpoint(service);
        let [a, b, c, d] = address.to_be_bytes();
        let _ = write!(
            text,
            "[[service]]\nname = \"s{service}\"\nprotocol = \"tcp\"\naddress = \"{a}.{b}.{c}.{d}:{port}\"\n\
             scheduler = \"rr\"\nmethod = \"nat\"\n[[service.real]]\naddress = \"172.16.1.1:80\"\n"
        );
    }
    let rig = Rig::new(&text, 1_024)?;
    let tables = rig.pipeline.tables();
    let look_ups = || {
        let (mut service, mut found) = (0u32, 0u32);
        let begin = tsc();
        for step in 0..LOOK_UPS {
            let (address, port) = endpoint(service);
            let is_virtual = tables.services.is_virtual(address);
            let slot = tables.services.lookup(Protocol::Tcp, address, port).map_or(u32::MAX, |entry| entry.slot);
            found += u32::from(is_virtual && slot != u32::MAX);
            // The next one waits for this one, as packets of one worker do.
            let mixed = (step ^ (slot & 1)).wrapping_mul(0x9e37_79b9);
            service = ((u64::from(mixed) * u64::from(services)) >> 32) as u32;
        }
        black_box(found);
        Ok::<_, String>(tsc().wrapping_sub(begin) as f64 / f64::from(LOOK_UPS))
    };
    let cycles = setting.neighbours.runs(setting.runs, look_ups)?;
    let name = "service look-up on a miss".to_owned();
    Ok(TableFigures { name, services, cycles: Figure::of(cycles.runs, cycles.disturbed) })
}
