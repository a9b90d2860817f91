//! `sluice trace`: the next packets of a flow, both ways, with every decision about them.

use super::describe::{chosen, name, verdict};
use super::frame::{Packet, Seen, flag_names};
use super::{filter, interrupted, seconds, summary};
use crate::client::connection::Connection;
use crate::client::{Format, Stop, json, words};
use crate::protocol::{
    CaptureEnd, CaptureRequest, CaptureRow, CapturedFrame, CapturedPacket, EndedBy, PacketOutcome, Request, payload,
};
use clap::Args;
use link::capture::FramePlace;
use link::model::{MacAddress, Protocol};
use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Bytes of each frame: all headers, those of a tunnel and options included.
const SNAPLEN: u32 = 192;

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(in crate::client) struct TraceOptions {
    /// The flow as its client sends it: 'tcp 202.100.1.2:3456 > 202.103.106.5:80', or the same without the ">"
    #[arg(required = true, num_args = 1..=4, value_name = "FLOW")]
    flow: Vec<String>,
    /// Ends after so many packets; 0 = no such end
    #[arg(long, value_name = "PACKETS", default_value_t = 10)]
    count: u64,
    /// Ends after so many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
}

/// A client's packets to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Flow {
    protocol: Protocol,
    client: SocketAddrV4,
    service: SocketAddrV4,
}

impl TraceOptions {
    /// The flow that the words mean.
    fn flow(&self) -> Result<Flow, String> {
        let text = self.flow.join(" ");
        let words: Vec<&str> = text.split([' ', '>']).filter(|word| !word.is_empty()).collect();
        let end = |word: &str| word.parse().map_err(|_| format!("{word:?} is no IPv4 address and port"));
        match words.as_slice() {
            [protocol, client, service] => Ok(Flow {
                protocol: protocol.parse().map_err(|_| format!("protocol {protocol:?}, allowed: tcp, udp"))?,
                client: end(client)?,
                service: end(service)?,
            }),
            _ => Err(format!("{text:?} is no flow")),
        }
    }
}

impl Flow {
    /// What may be of this flow: all from client to service, and all to the client's end, whoever has sent it.
    fn filter(&self) -> String {
        let Self { protocol, client, service } = self;
        format!(
            "{protocol} and ((src host {} and src port {} and dst host {} and dst port {}) or (dst host {} and dst port {}))",
            client.ip(),
            client.port(),
            service.ip(),
            service.port(),
            client.ip(),
            client.port()
        )
    }

    /// Whether a packet is of it.
    fn has(&self, packet: &CapturedPacket) -> bool {
        match packet.connection {
            Some(connection) => (connection.client, connection.service) == (self.client, self.service),
            None => came(packet).and_then(|packet| packet.ends()).is_some_and(|(from, _)| from == self.client),
        }
    }
}

/// The packet as it came in.
fn came(packet: &CapturedPacket) -> Option<Packet> {
    let frame = packet.frames.iter().find(|frame| frame.place == FramePlace::In)?;
    Seen::of(&frame.bytes)?.packet
}

/// Runs `sluice trace`.
pub(in crate::client) fn run(
    socket: &Path,
    options: &TraceOptions,
    format: Format,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<(), Stop> {
    let flow = options.flow().map_err(|why| {
        crate::protocol::Failure::usage(format!("trace: {why}; as 'tcp 202.100.1.2:3456 > 202.103.106.5:80'."))
    })?;
    let request = CaptureRequest {
        filter: filter::compile(&flow.filter())?,
        snaplen: SNAPLEN,
        incoming: true,
        outgoing: true,
        drops_only: false,
        hand_offs: true,
        worker: None,
        packets: 0,
        seconds: options.seconds,
    };
    let stop = interrupted()?;
    let (mut ports, mut shown, mut began) = (Vec::new(), 0, None);
    let mut end: CaptureEnd = Connection::open(socket)?.follow(&Request::Capture(request), &stop, |row| {
        match payload::<CaptureRow>(row)? {
            CaptureRow::Begun { ports: named } => {
                ports = named;
                writeln!(errors, "Waiting for packets of {} {} > {}.", flow.protocol, flow.client, flow.service)?;
            }
            CaptureRow::Packet(packet) if flow.has(&packet) && (options.count == 0 || shown < options.count) => {
                shown += 1;
                let since = packet.time_nanoseconds.saturating_sub(*began.get_or_insert(packet.time_nanoseconds));
                match format {
                    Format::Json => json(&*packet, out)?,
                    Format::Table => show(&packet, shown, &ports, since, out)?,
                }
                out.flush()?;
            }
            CaptureRow::Packet(_) | CaptureRow::Waiting(_) => {}
        }
        if options.count != 0 && shown >= options.count {
            stop.store(true, Ordering::Relaxed);
        }
        Ok(())
    })?;
    end.packets = shown;
    if options.count != 0 && shown >= options.count {
        end.ended_by = EndedBy::Packets;
    }
    writeln!(errors, "{}", summary(&end))?;
    Ok(())
}

/// A packet with its decisions, in their order.
fn show(packet: &CapturedPacket, number: u64, ports: &[String], since: u64, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "packet {number}, {} s: {}", seconds(since), verdict(packet))?;
    for (what, decided) in decisions(packet, ports) {
        writeln!(out, "  {what:<10}  {decided}")?;
    }
    writeln!(out)
}

/// What was decided, each with its stage.
fn decisions(packet: &CapturedPacket, ports: &[String]) -> Vec<(&'static str, String)> {
    let frames = |place: FramePlace| packet.frames.iter().filter(move |frame| frame.place == place);
    let came = frames(FramePlace::In).next();
    let mut rows = Vec::new();
    if let Some(frame) = came {
        rows.push(("came in", format!("{}, on worker {}", on(frame, ports), packet.worker)));
    }
    rows.push(("owner", owner(packet)));
    if let Some(service) = &packet.service {
        let scheduler = service.scheduler.map_or_else(String::new, |scheduler| format!(", scheduler {scheduler}"));
        rows.push(("service", format!("{}{scheduler}", name(service))));
    } else if packet.outcome != PacketOutcome::HandedOff {
        rows.push(("service", "none has this address, protocol and port".to_owned()));
    }
    rows.extend(connection(packet).map(|row| ("connection", row)));
    if let Some(connection) = packet.connection {
        let chosen = packet.chosen_by.map_or_else(|| words::HAS_CONNECTION.to_owned(), |by| chosen(packet, by));
        rows.push(("real", format!("{}, {}: {chosen}", connection.real, connection.method)));
    }
    for left in packet.frames.iter().filter(|frame| frame.place != FramePlace::In) {
        let what = if left.place == FramePlace::Kernel { "to kernel" } else { "left" };
        rows.push((what, on(left, ports)));
        let changed = came.and_then(|came| changes(came, left));
        rows.extend(changed.map(|changed| ("changed", changed)));
        if let (FramePlace::Out, Some(seen)) = (left.place, Seen::of(&left.bytes)) {
            rows.push(("next hop", MacAddress(seen.to_mac).to_string()));
        }
    }
    rows
}

/// A frame and its port.
fn on(frame: &CapturedFrame, ports: &[String]) -> String {
    let port = ports.get(usize::from(frame.port)).map_or("?", String::as_str);
    let seen = Seen::of(&frame.bytes).map_or_else(|| "a cut frame".to_owned(), |seen| seen.to_string());
    format!("port {port}: {seen}, {} bytes", frame.length)
}

fn owner(packet: &CapturedPacket) -> String {
    match packet.to_worker {
        Some(worker) => format!("worker {worker}: handed off to it"),
        None => format!("worker {}: this one", packet.worker),
    }
}

/// The connection before and after, with the timers.
fn connection(packet: &CapturedPacket) -> Option<String> {
    let state = |known: crate::protocol::ExplainedConnection| {
        format!("{}, {}", known.state.name(), words::lifetime(known.expires_in_milliseconds))
    };
    match (packet.before, packet.after) {
        (None, None) => packet.service.is_some().then(|| "none, and none was made".to_owned()),
        (None, Some(made)) => Some(format!("none: a new one was made, {}", state(made))),
        (Some(gone), None) => Some(format!("{}, which has ended", gone.state.name())),
        (Some(before), Some(after)) if before.state == after.state => Some(format!("stays {}", state(after))),
        (Some(before), Some(after)) => Some(format!("{} -> {}", before.state.name(), state(after))),
    }
}

/// What is other in the frame that left.
fn changes(came: &CapturedFrame, left: &CapturedFrame) -> Option<String> {
    let (came, left) = (Seen::of(&came.bytes)?.packet?, Seen::of(&left.bytes)?.packet?);
    let mut changed = Vec::new();
    if let (Some(before), Some(after)) = (came.ends(), left.ends()) {
        if before.0 != after.0 {
            changed.push(format!("source {} -> {}", before.0, after.0));
        }
        if before.1 != after.1 {
            changed.push(format!("destination {} -> {}", before.1, after.1));
        }
    }
    if let (None, Some((from, to))) = (came.tunnel, left.tunnel) {
        changed.push(format!("into a tunnel {from} > {to}"));
    }
    if came.time_to_live != left.time_to_live {
        changed.push(format!("time to live {} -> {}", came.time_to_live, left.time_to_live));
    }
    if let (Some(before), Some(after)) = (came.flags, left.flags)
        && before != after
    {
        changed.push(format!("flags {} -> {}", flag_names(before), flag_names(after)));
    }
    (!changed.is_empty()).then(|| changed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Flow, TraceOptions, filter};

    fn flow(words: &[&str]) -> Result<Flow, String> {
        let flow = words.iter().map(|word| (*word).to_owned()).collect();
        TraceOptions { flow, count: 1, seconds: 1 }.flow()
    }

    #[test]
    fn a_flow_is_one_word_or_several_with_or_without_an_arrow() {
        let wanted = flow(&["tcp 202.100.1.2:3456 > 202.103.106.5:80"]).expect("a flow");
        assert_eq!(wanted.client.to_string(), "202.100.1.2:3456");
        for words in [
            &["tcp", "202.100.1.2:3456", "202.103.106.5:80"][..],
            &["tcp", "202.100.1.2:3456", ">", "202.103.106.5:80"],
            &["tcp 202.100.1.2:3456>202.103.106.5:80"],
        ] {
            assert_eq!(flow(words).as_ref(), Ok(&wanted));
        }
        assert_eq!(flow(&["tcp", "202.100.1.2:3456"]), Err("\"tcp 202.100.1.2:3456\" is no flow".to_owned()));
        assert_eq!(flow(&["sctp", "1.2.3.4:5", "1.2.3.4:6"]), Err("protocol \"sctp\", allowed: tcp, udp".to_owned()));
        assert_eq!(flow(&["tcp", "1.2.3.4", "1.2.3.4:6"]), Err("\"1.2.3.4\" is no IPv4 address and port".to_owned()));
        assert!(filter::compile(&wanted.filter()).is_ok());
    }
}
