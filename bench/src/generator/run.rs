//! The loop: receive, check, send at the rate that was asked for.

use super::outcome::Outcome;
use super::plan::{Network, OutOfRange, Rate, Run, Side, Until};
use super::traffic::{Memories, Traffic};
use rte_rs::cycles::{tsc, tsc_hz};
use rte_rs::{Burst, EthPort, Mempool, MempoolOptions, PortError, PortOptions, StartedPort};
use std::time::{Duration, Instant};

/// After so long without a packet none is expected any more.
const QUIET: Duration = Duration::from_millis(100);
/// The same in a run in which nothing is to be lost, whatever else the machine does.
const PATIENCE: Duration = Duration::from_secs(3);
/// Nothing is waited for longer after the last packet was sent.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);
/// The longest run that ends by a number of packets.
const LONGEST_RUN: Duration = Duration::from_secs(60);
/// Mbufs: what can be in two rings each way, and as much again.
const MBUFS: u32 = 16_383;
/// A generator that is so far behind its rate sends no more than its due from now on.
const FORGIVEN: Duration = Duration::from_micros(200);

/// Why a run was not possible.
#[derive(Debug, thiserror::Error)]
pub enum GeneratorError {
    /// A port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// No memory for packets.
    #[error(transparent)]
    Memory(#[from] rte_rs::Error),
    /// A number in the run.
    #[error(transparent)]
    Run(#[from] OutOfRange),
    /// A capture file.
    #[error("capture {0}")]
    Capture(std::io::Error),
    /// Nobody is at the other end.
    #[error("device {device}: no link after {seconds} s; start what is to be measured, with its end of the cable")]
    NoLink {
        /// Which.
        device: String,
        /// How long it was waited for.
        seconds: u64,
    },
}

/// The generator: two ports, the clients' and the reals', and what it remembers of flows.
pub struct Generator {
    network: Network,
    ports: [StartedPort; 2],
    pool: Mempool,
    memories: Memories,
    /// Number of the next packet.
    sequence: u64,
}

/// What the loop keeps from round to round.
struct Pace {
    start: u64,
    end: u64,
    /// Cycles from a burst to the next; 0 = as fast as possible.
    interval: f64,
    due: f64,
    last_round: u64,
    longest_round: u64,
    /// How often a burst was given to a port, and how often the port did not take all of it.
    sends: u64,
    blocked: u64,
    /// Packets that may be on their way; those given up for lost do not count.
    outstanding: u64,
    given_up: u64,
    /// How many were missing at the last look, and when that last changed.
    missing: u64,
    changed: u64,
}

impl Generator {
    /// Starts both ports. The EAL runs.
    ///
    /// # Errors
    /// A port that can't be started, or too little memory.
    pub fn start(devices: [&str; 2], network: Network) -> Result<Self, GeneratorError> {
        let pool = Mempool::new("generator", MempoolOptions { mbufs: MBUFS, cache: 512, ..MempoolOptions::default() })?;
        let options = PortOptions { promiscuous: true, ..PortOptions::default() };
        let start = |device| EthPort::probe(device).and_then(|port| port.start(&options, &pool));
        let ports = [start(devices[0])?, start(devices[1])?];
        Ok(Self { network, ports, pool, memories: Memories::default(), sequence: 1 })
    }

    /// Waits until both ports have a link.
    ///
    /// # Errors
    /// [`GeneratorError::NoLink`] after `limit`.
    pub fn wait_for_link(&self, limit: Duration) -> Result<(), GeneratorError> {
        let start = Instant::now();
        for port in &self.ports {
            while !port.port.link_is_up() {
                if start.elapsed() > limit {
                    let device = port.port.device().to_owned();
                    return Err(GeneratorError::NoLink { device, seconds: limit.as_secs() });
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }

    /// Forgets which real each flow goes to: the director is another one, or has forgotten its connections.
    pub fn forget(&mut self) {
        self.memories.clear();
    }

    /// Sends, receives and checks what `run` says. What is still in the ports from before is thrown away first.
    ///
    /// # Errors
    /// A run that is not possible. Losses and faults are no error: see [`Outcome`].
    pub fn run(&mut self, run: &Run) -> Result<Outcome, GeneratorError> {
        run.check()?;
        self.throw_away();
        let network = self.network.clone();
        let mut traffic =
            Traffic::new(run, &network, &mut self.memories, self.sequence).map_err(GeneratorError::Capture)?;
        let mut pace = Pace::new(run);
        let packets = match run.until {
            Until::Packets(packets) => packets,
            Until::Seconds(_) => u64::MAX,
        };
        self.send_and_receive(run, &mut traffic, &mut pace, packets);
        let (stopped, returned) = (tsc(), traffic.returned());
        self.drain(&mut traffic, if matches!(run.rate, Rate::Outstanding(_)) { PATIENCE } else { QUIET });
        let (mut outcome, sequence) = traffic.finish(&mut self.memories);
        self.sequence = sequence;
        outcome.seconds = stopped.wrapping_sub(pace.start) as f64 / tsc_hz() as f64;
        outcome.rate = returned as f64 / outcome.seconds.max(1e-9);
        outcome.blocked = pace.blocked as f64 / pace.sends.max(1) as f64;
        outcome.longest_pause = pace.longest_round * 1_000_000 / tsc_hz();
        Ok(outcome)
    }

    fn send_and_receive(&mut self, run: &Run, traffic: &mut Traffic<'_>, pace: &mut Pace, packets: u64) {
        let mut waiting = Burst::new();
        let mut of = (0, Side::Client);
        loop {
            let now = pace.round();
            for port in &mut self.ports {
                receive(port, traffic);
            }
            if waiting.is_empty() {
                let left = packets.saturating_sub(traffic.made());
                if now >= pace.end || left == 0 {
                    return;
                }
                if !pace.has_room(now, traffic.missing()) || !pace.is_due(now) {
                    continue;
                }
                match traffic.make(&self.pool, &mut waiting, run.burst.min(left as usize)) {
                    Some(stream) => of = stream,
                    None => continue,
                }
            } else if now >= pace.end {
                // What is blocked at the end was never sent.
                return;
            }
            let [wan, lan] = &mut self.ports;
            let port = if of.1 == Side::Client { wan } else { lan };
            let taken = port.tx.first_mut().map_or(0, |queue| queue.send(&mut waiting));
            pace.sends += 1;
            pace.blocked += u64::from(!waiting.is_empty());
            let given_up = if pace.interval > 0.0 { waiting.len() } else { 0 };
            traffic.sent(of.0, taken, given_up);
            if given_up > 0 {
                waiting.clear();
            }
        }
    }

    fn drain(&mut self, traffic: &mut Traffic<'_>, quiet: Duration) {
        let (start, mut heard) = (Instant::now(), Instant::now());
        let mut missing = traffic.missing();
        while missing > 0 && heard.elapsed() < quiet && start.elapsed() < LONGEST_DRAIN {
            for port in &mut self.ports {
                receive(port, traffic);
            }
            if traffic.missing() != missing {
                missing = traffic.missing();
                heard = Instant::now();
            }
        }
    }

    fn throw_away(&mut self) {
        for port in &mut self.ports {
            let Some(queue) = port.rx.first_mut() else { continue };
            let mut burst = Burst::new();
            while queue.receive(&mut burst) > 0 {
                burst.clear();
            }
        }
    }
}

#[inline]
fn receive(port: &mut StartedPort, traffic: &mut Traffic<'_>) {
    let Some(queue) = port.rx.first_mut() else { return };
    let mut burst = Burst::new();
    // As much as is sent in a round, and more, so that what comes back never waits for what goes out.
    for _ in 0..2 {
        let count = queue.receive(&mut burst);
        if count == 0 {
            return;
        }
        traffic.received(&burst);
        burst.clear();
        if count < Burst::CAPACITY {
            return;
        }
    }
}

impl Pace {
    fn new(run: &Run) -> Self {
        let hz = tsc_hz() as f64;
        let interval = match run.rate {
            Rate::Most | Rate::Outstanding(_) => 0.0,
            Rate::PerSecond(rate) => hz * run.burst as f64 / rate,
        };
        let seconds = match run.until {
            Until::Seconds(seconds) => seconds,
            Until::Packets(_) => LONGEST_RUN.as_secs_f64(),
        };
        let start = tsc();
        let end = start + (seconds * hz) as u64;
        let outstanding = if let Rate::Outstanding(count) = run.rate { count.max(1) } else { u64::MAX };
        Self {
            start,
            end,
            interval,
            due: 0.0,
            last_round: start,
            longest_round: 0,
            sends: 0,
            blocked: 0,
            outstanding,
            given_up: 0,
            missing: 0,
            changed: start,
        }
    }

    /// Whether fewer packets are on their way than may be.
    #[inline]
    fn has_room(&mut self, now: u64, missing: u64) -> bool {
        if self.outstanding == u64::MAX {
            return true;
        }
        if missing != self.missing {
            (self.missing, self.changed) = (missing, now);
        } else if now.saturating_sub(self.changed) > tsc_hz() * PATIENCE.as_secs() {
            // Those will not come.
            (self.given_up, self.changed) = (missing, now);
        }
        missing.saturating_sub(self.given_up) < self.outstanding
    }

    /// Begins a round; returns the time.
    #[inline]
    fn round(&mut self) -> u64 {
        let now = tsc();
        self.longest_round = self.longest_round.max(now.saturating_sub(self.last_round));
        self.last_round = now;
        now
    }

    /// Whether it is time for the next burst, and if so, that it is sent.
    #[inline]
    fn is_due(&mut self, now: u64) -> bool {
        let elapsed = now.saturating_sub(self.start) as f64;
        if elapsed < self.due {
            return false;
        }
        let behind = tsc_hz() as f64 * FORGIVEN.as_secs_f64();
        self.due = (self.due + self.interval).max(elapsed - behind);
        true
    }
}
