//! `sluice ports`.

use crate::client::table::{Table, bytes};
use crate::protocol::{PortOfWorker, PortRow};
use std::io::{self, Write};

pub(in crate::client) fn ports(ports: &[PortRow], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&["PORT", "DEVICE", "DRIVER", "MAC", ">MTU", "KERNEL INTERFACE", "ADDRESSES"]);
    for port in ports {
        table.row([
            port.name.clone(),
            port.device.clone(),
            port.driver.clone(),
            port.mac.to_string(),
            port.mtu.to_string(),
            port.kernel_interface.clone().unwrap_or_else(|| "-".to_owned()),
            if port.addresses.is_empty() { "-".to_owned() } else { port.addresses.join(" ") },
        ]);
    }
    table.print(out)?;
    writeln!(out)?;
    let mut table = Table::new(&[
        "PORT",
        ">RX PACKETS",
        ">RX BYTES",
        ">RX MISSED",
        ">RX ERRORS",
        ">TX PACKETS",
        ">TX BYTES",
        ">TX UNSENT",
        ">TX ERRORS",
        ">TO KERNEL",
        ">FROM KERNEL",
    ]);
    for port in ports {
        table.row([
            port.name.clone(),
            port.rx_packets.to_string(),
            bytes(port.rx_bytes),
            port.rx_missed.to_string(),
            port.rx_errors.to_string(),
            port.tx_packets.to_string(),
            bytes(port.tx_bytes),
            port.tx_unsent.to_string(),
            port.tx_errors.to_string(),
            port.to_kernel.to_string(),
            port.from_kernel.to_string(),
        ]);
    }
    table.print(out)?;
    writeln!(out)?;
    steering(ports, out)
}

/// How packets get to the worker that owns their connection, and how many had to be handed over.
fn steering(ports: &[PortRow], out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        "PORT",
        ">RX QUEUES",
        ">TX QUEUES",
        "STEERING",
        ">WORKER",
        ">RX PACKETS",
        ">HANDED OFF",
        ">SHARE",
    ]);
    for port in ports {
        let of_worker = |worker: &PortOfWorker| {
            [
                port.name.clone(),
                port.rx_queues.to_string(),
                port.tx_queues.to_string(),
                port.steering.clone(),
                worker.worker.to_string(),
                worker.rx_packets.to_string(),
                worker.handed_off.to_string(),
                percent(worker.handed_off, worker.rx_packets),
            ]
        };
        port.workers.iter().for_each(|worker| table.row(of_worker(worker)));
    }
    table.print(out)
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}%", part as f64 * 100.0 / whole as f64) }
}
