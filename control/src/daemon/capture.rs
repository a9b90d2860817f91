//! Captures: one at a time, from the workers' rings to the client that asked.

use super::server::Output;
use super::session::SessionError;
use super::state::Daemon;
use crate::protocol::{
    CaptureCounts, CaptureEnd, CaptureRequest, CaptureRow, CapturedConnection, CapturedFrame, CapturedPacket, ChosenBy,
    EndedBy, ExplainedConnection, ExplainedService, Failure, PacketOutcome,
};
use link::capture::{
    self, CaptureClock, CaptureOptions, CaptureReader, CaptureTotals, Choice, MAX_CAPTURE, MAX_SNAPLEN, PacketVerdict,
};
use link::message::{ConnectionState, FilterPart, Reply, Request};
use link::model::ServiceKey;
use std::cell::Cell;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{Instant, sleep};

/// Between two looks at the rings.
const PAUSE: Duration = Duration::from_millis(2);
/// Packets taken from one ring before others have their turn.
const STEP: usize = 256;
/// How long a client hears nothing at most.
const STILL: Duration = Duration::from_secs(1);
/// The workers end it by themselves when its time is up, the main lcore's next round included.
const LAST_PACKETS: Duration = Duration::from_millis(700);

/// Does a capture and writes its answer.
///
/// # Errors
/// The client has gone.
pub(super) async fn capture(daemon: &Daemon, request: &CaptureRequest, out: &mut Output) -> io::Result<()> {
    let Some(_turn) = Turn::take(&daemon.capturing) else {
        let text = "A capture or trace is running already, and there is one at a time; end that one and try again.";
        return out.end::<()>(Err(Failure::refused(text))).await;
    };
    let mut capture = match Capture::begin(daemon, request).await {
        Ok(capture) => capture,
        Err(failure) => return out.end::<()>(Err(failure)).await,
    };
    let shown = capture.show(out).await;
    // Whatever became of the client.
    let stopped = daemon.session.ask(Request::CaptureStop).await;
    match shown? {
        Ok(ended_by) if stopped.is_ok() => out.end(Ok(capture.end(ended_by))).await,
        Ok(_) => out.end::<()>(Err(SessionError::Ended.into())).await,
        Err(error) => out.end::<()>(Err(error.into())).await,
    }
}

/// The one that may capture.
struct Turn<'a>(&'a Cell<bool>);

impl<'a> Turn<'a> {
    fn take(taken: &'a Cell<bool>) -> Option<Self> {
        (!taken.replace(true)).then_some(Self(taken))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

struct Capture<'a> {
    daemon: &'a Daemon,
    ticket: u32,
    /// The run of the dataplane.
    instance: u64,
    /// Each with what its worker had counted before.
    readers: Vec<(CaptureReader, CaptureTotals)>,
    /// Packets to be shown.
    most: u64,
    shown: u64,
    ends: Instant,
}

impl<'a> Capture<'a> {
    async fn begin(daemon: &'a Daemon, request: &CaptureRequest) -> Result<Self, Failure> {
        let program = check(request)?;
        let instance = daemon.session.view(|view| view.identity().instance)?;
        let readers = daemon.session.capture_readers()?;
        if let Some(worker) = request.worker.filter(|worker| usize::from(*worker) >= readers.len()) {
            let text = format!("worker {worker} does not exist, allowed: 0 to {}.", readers.len() - 1);
            return Err(Failure::not_found(text));
        }
        // Another one than that of any sluiced before.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let ticket = (now.as_millis() as u32).max(1);
        let options = CaptureOptions {
            ticket,
            instructions: program.instructions().len() as u16,
            snaplen: request.snaplen,
            incoming: request.incoming,
            outgoing: request.outgoing,
            drops_only: request.drops_only,
            hand_offs: request.hand_offs,
            worker: request.worker,
            packets: request.packets,
            milliseconds: request.seconds * 1000,
        };
        let parts = FilterPart::of(&program).map(Request::CaptureFilter);
        match daemon.session.ask_after(parts, Request::CaptureStart(options)).await? {
            Reply::Capturing { refused: None } => {}
            Reply::Capturing { refused: Some(why) } => {
                return Err(Failure::refused(format!("The dataplane does not capture: {}.", why.help())));
            }
            _ => return Err(SessionError::Silent.into()),
        }
        log::info!("capture {ticket} begins, for {} s at most", request.seconds);
        let readers = readers.into_iter().map(|reader| {
            let before = reader.totals();
            (reader, before)
        });
        Ok(Self {
            daemon,
            ticket,
            instance,
            readers: readers.collect(),
            most: if request.packets == 0 { u64::MAX } else { request.packets },
            shown: 0,
            ends: Instant::now() + Duration::from_secs(request.seconds.into()),
        })
    }

    /// Passes packets on until something ends it. The outer error: the client has gone.
    async fn show(&mut self, out: &mut Output) -> io::Result<Result<EndedBy, SessionError>> {
        let ports = self.daemon.machine.ports.iter().map(|port| port.name.clone()).collect();
        out.row(&CaptureRow::Begun { ports }).await?;
        out.flush().await?;
        let mut spoken = Instant::now();
        loop {
            let is_late = Instant::now() >= self.ends + LAST_PACKETS;
            let packets = match self.take() {
                Ok(packets) => packets,
                Err(error) => return Ok(Err(error)),
            };
            let is_idle = packets.is_empty();
            for packet in packets {
                out.row(&CaptureRow::Packet(Box::new(packet))).await?;
            }
            if !is_idle || spoken.elapsed() >= STILL {
                if is_idle {
                    out.row(&CaptureRow::Waiting(self.counts())).await?;
                }
                out.flush().await?;
                spoken = Instant::now();
            }
            if self.shown >= self.most {
                return Ok(Ok(EndedBy::Packets));
            }
            if is_late {
                return Ok(Ok(EndedBy::Seconds));
            }
            if out.client_is_done().await {
                return Ok(Ok(EndedBy::Client));
            }
            if is_idle { sleep(PAUSE).await } else { tokio::task::yield_now().await }
        }
    }

    /// Some of the packets that wait.
    fn take(&mut self) -> Result<Vec<CapturedPacket>, SessionError> {
        let (instance, clock) = self.daemon.session.view(|view| (view.identity().instance, view.capture_clock()))?;
        if instance != self.instance {
            return Err(SessionError::Ended);
        }
        let mut packets = Vec::new();
        let Some(clock) = clock else { return Ok(packets) };
        for (worker, (reader, _)) in (0u16..).zip(&mut self.readers) {
            for _ in 0..STEP {
                if self.shown >= self.most {
                    return Ok(packets);
                }
                let Some(packet) = reader.next(self.ticket) else { break };
                self.shown += 1;
                packets.push(described(self.daemon, worker, packet, &clock));
            }
        }
        Ok(packets)
    }

    fn counts(&self) -> CaptureCounts {
        let mut sum = CaptureCounts::default();
        for (reader, before) in &self.readers {
            let now = reader.totals();
            sum.seen += now.seen.wrapping_sub(before.seen);
            sum.matched += now.matched.wrapping_sub(before.matched);
            sum.missed += now.missed.wrapping_sub(before.missed);
        }
        sum
    }

    fn end(&self, ended_by: EndedBy) -> CaptureEnd {
        let garbage: u64 = self.readers.iter().map(|(reader, _)| reader.garbage()).sum();
        if garbage > 0 {
            log::warn!(
                "capture {}: the dataplane wrote {garbage} times what is no packet; are sluiced and sluice-dataplane of the same version?",
                self.ticket
            );
        }
        log::info!("capture {} has ended, {} packets", self.ticket, self.shown);
        CaptureEnd { packets: self.shown, counts: self.counts(), ended_by }
    }
}

/// The numbers of a request, and its filter.
fn check(request: &CaptureRequest) -> Result<capture::Program, Failure> {
    let longest = MAX_CAPTURE.as_secs();
    let within = |what, value, most: u64| match (1..=most).contains(&u64::from(value)) {
        true => Ok(()),
        false => Err(Failure::usage(format!("capture: {what} {value}, allowed 1 to {most}."))),
    };
    within("snaplen", request.snaplen, MAX_SNAPLEN.into())?;
    within("seconds", request.seconds, longest)?;
    request.program().map_err(|error| Failure::usage(format!("capture: {error}.")))
}

/// A packet with the names of its service and port.
fn described(daemon: &Daemon, worker: u16, packet: capture::CapturedPacket, clock: &CaptureClock) -> CapturedPacket {
    let decision = packet.decision;
    let key = decision.service.and_then(|slot| daemon.session.view(|view| view.service_key(slot)).ok().flatten());
    let state = |(state, expires_in_milliseconds): (ConnectionState, u32)| ExplainedConnection {
        state,
        expires_in_milliseconds,
    };
    let (outcome, port, to_worker) = match decision.verdict {
        PacketVerdict::Forwarded { port } => (PacketOutcome::Forwarded, Some(port), None),
        PacketVerdict::Answered { port, .. } => (PacketOutcome::Answered, Some(port), None),
        PacketVerdict::Kernel => (PacketOutcome::Kernel, None, None),
        PacketVerdict::Held => (PacketOutcome::Held, None, None),
        PacketVerdict::HandedOff { worker } => (PacketOutcome::HandedOff, None, Some(worker)),
        PacketVerdict::Dropped(_) => (PacketOutcome::Dropped, None, None),
    };
    let port_name = |index: u16| match daemon.machine.ports.get(usize::from(index)) {
        Some(port) => port.name.clone(),
        None => format!("port {index}"),
    };
    CapturedPacket {
        worker,
        number: packet.number,
        time_nanoseconds: clock.at(packet.tsc),
        outcome,
        reason: decision.verdict.reason().map(|reason| reason.name().to_owned()),
        port: port.map(port_name),
        to_worker,
        outbound: decision.outbound,
        service: key.map(|key| service(daemon, key)),
        connection: decision.connection.map(|it| CapturedConnection {
            protocol: it.protocol,
            client: it.client,
            service: it.service,
            real: it.real,
            method: it.method,
        }),
        before: decision.before.map(state),
        after: decision.after.map(state),
        chosen_by: decision.choice.map(|choice| match choice {
            Choice::Scheduler => ChosenBy::Scheduler,
            Choice::Template => ChosenBy::Template,
            Choice::Announced => ChosenBy::Announced,
        }),
        frames: packet
            .frames
            .into_iter()
            .map(|frame| CapturedFrame {
                place: frame.place,
                port: frame.port,
                length: frame.length,
                bytes: frame.bytes,
            })
            .collect(),
    }
}

fn service(daemon: &Daemon, key: ServiceKey) -> ExplainedService {
    let running = daemon.running();
    let named = running.services.iter().find(|named| named.service.key == key);
    ExplainedService {
        name: named.map(|named| named.name.clone()),
        address: key.address(),
        group: key.group(),
        scheduler: named.map(|named| named.service.options.scheduler),
    }
}
