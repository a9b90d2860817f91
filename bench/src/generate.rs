//! The generator by hand, and as a process of its own.

use bench::generator::commands;
use bench::generator::outcome::Outcome;
use bench::generator::plan::{Kind, Method, Popularity, Rate, Run, Side, Size, Stream, Until, Verify};
use bench::generator::search::{Found, Search};
use bench::generator::{Generator, GeneratorError};
use bench::network::{VIP, network};
use clap::{Args, ValueEnum};
use rte_rs::{Eal, EalOptions};
use std::error::Error;
use std::io;
use std::net::SocketAddrV4;
use std::process::ExitCode;
use std::time::Duration;

/// The ports, and where they are polled.
#[derive(Args)]
pub(crate) struct Ports {
    /// The clients' port, then the reals' port: PCI addresses or DPDK vdevs, such as
    /// net_memif0,role=server,id=0,socket=/tmp/bench.sock,socket-abstract=no
    #[arg(long, num_args = 2, required = true, value_names = ["CLIENTS", "REALS"])]
    device: Vec<String>,
    /// The CPU that sends and receives
    #[arg(long, default_value_t = 0)]
    core: u32,
    /// How many real servers there are
    #[arg(long, default_value_t = 2)]
    reals: u8,
    /// A further argument of DPDK's EAL, such as --eal=--no-huge; may be repeated
    #[arg(long = "eal", allow_hyphen_values = true)]
    eal: Vec<String>,
}

/// What is sent.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    ports: Ports,
    /// What the packets pass through
    #[arg(long, value_enum, default_value = "nat")]
    method: MethodName,
    /// What the packets are
    #[arg(long, value_enum, default_value = "udp")]
    kind: KindName,
    /// The frames of a capture file instead, counted and not checked
    #[arg(long, conflicts_with = "kind")]
    pcap: Option<std::path::PathBuf>,
    /// Where clients send to
    #[arg(long, default_value_t = SocketAddrV4::new(VIP, 53))]
    to: SocketAddrV4,
    /// How many flows
    #[arg(long, default_value_t = 1000)]
    flows: u64,
    /// How uneven the flows' shares are: the exponent of Zipf's law (default: all in turn)
    #[arg(long)]
    zipf: Option<f64>,
    /// Bytes of a frame without its checksum, 60 to 1514, or "imix"
    #[arg(long, default_value = "60", value_parser = size)]
    size: Size,
    /// Packets a second, or "most" (what the port does not take is sent again), or "search" (the highest without loss)
    #[arg(long, default_value = "most", value_parser = rate)]
    rate: RateName,
    /// How long
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Check each packet that comes back, not one of each burst
    #[arg(long)]
    check_all: bool,
    /// Measure how long packets take
    #[arg(long)]
    latency: bool,
    /// Send the replies of the reals instead, after each flow was sent once by its client (NAT)
    #[arg(long)]
    replies: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    Nat,
    Tunnel,
    Direct,
    Macswap,
    Any,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindName {
    Udp,
    Tcp,
    Syn,
    Life,
}

#[derive(Clone, Copy)]
enum RateName {
    Exactly(Rate),
    Search,
}

fn size(word: &str) -> Result<Size, String> {
    if word == "imix" {
        return Ok(Size::Imix);
    }
    word.parse().map(Size::Fixed).map_err(|_| format!("{word:?}: allowed 60 to 1514, or imix"))
}

fn rate(word: &str) -> Result<RateName, String> {
    match word {
        "most" => Ok(RateName::Exactly(Rate::Most)),
        "search" => Ok(RateName::Search),
        _ => word
            .parse()
            .map(|rate| RateName::Exactly(Rate::PerSecond(rate)))
            .map_err(|_| format!("{word:?}: allowed packets a second, most, or search")),
    }
}

impl Ports {
    fn start(&self) -> Result<Generator, Box<dyn Error>> {
        let options =
            EalOptions { program: "bench".into(), main_lcore: self.core, workers: vec![], arguments: self.eal.clone() };
        Eal::start(&options)?;
        let [clients, reals] = self.device.as_slice() else { return Err("two devices are needed".into()) };
        Ok(Generator::start([clients, reals], network(self.reals))?)
    }
}

impl Arguments {
    fn run(&self) -> Run {
        let kind = match (&self.pcap, self.kind) {
            (Some(file), _) => Kind::Capture(file.clone()),
            (None, KindName::Udp) => Kind::Udp,
            (None, KindName::Tcp) => Kind::Tcp,
            (None, KindName::Syn) => Kind::Syn,
            (None, KindName::Life) => Kind::Life,
        };
        let method = match self.method {
            MethodName::Nat => Method::Nat,
            MethodName::Tunnel => Method::Tunnel,
            MethodName::Direct => Method::Direct,
            MethodName::Macswap => Method::Macswap,
            MethodName::Any => Method::Any,
        };
        let stream = Stream {
            kind,
            side: if self.replies { Side::Real } else { Side::Client },
            to: self.to,
            first: 0,
            flows: self.flows,
            popularity: self.zipf.map_or(Popularity::Uniform, Popularity::Zipf),
            size: self.size,
            share: 1,
            method,
        };
        let mut run = Run::of(stream, Until::Seconds(self.seconds));
        run.latency = self.latency;
        if self.check_all {
            run.verify = Verify::All;
        }
        run
    }
}

/// Serves commands on standard input.
pub(crate) fn serve(ports: &Ports) -> Result<ExitCode, Box<dyn Error>> {
    commands::serve(&mut ports.start()?)?;
    Ok(ExitCode::SUCCESS)
}

/// One run as the command line says; exit code 1 if packets came back wrong.
pub(crate) fn generate(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    let mut run = arguments.run();
    run.check()?;
    let mut generator = arguments.ports.start()?;
    generator.wait_for_link(Duration::from_secs(30))?;
    let once = |run: &Run| {
        let mut clients = run.clone();
        clients.streams.iter_mut().for_each(|stream| stream.side = Side::Client);
        Run { until: Until::Packets(arguments.flows), verify: Verify::All, latency: false, ..clients }
    };
    if arguments.replies {
        generator.run(&once(&run))?;
    }
    match arguments.rate {
        RateName::Exactly(rate) => {
            run.rate = rate;
            let outcome = generator.run(&run)?;
            print(arguments.json, &outcome, || show(&outcome))?;
            Ok(if outcome.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        RateName::Search => {
            let found = search(&mut generator, run)?;
            print(arguments.json, &found, || {
                println!("{:.3} million packets a second without loss", found.rate / 1e6)
            })?;
            Ok(if found.complaint.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}

fn search(generator: &mut Generator, run: Run) -> Result<Found, GeneratorError> {
    let highest = generator.run(&run)?.rate;
    let trial = match run.until {
        Until::Seconds(seconds) => seconds,
        Until::Packets(_) => 1.0,
    };
    generator.search(&Search { run, highest, trial, trials: 8 })
}

fn print(json: bool, value: &impl serde::Serialize, table: impl FnOnce()) -> io::Result<()> {
    if json {
        serde_json::to_writer(io::stdout(), value)?;
        println!();
    } else {
        table();
    }
    Ok(())
}

fn show(outcome: &Outcome) {
    let total = outcome.total();
    println!("sent         {:>14}", total.sent);
    println!("received     {:>14}", total.received);
    println!("lost         {:>14}", total.lost());
    println!("rate         {:>14.3} million packets a second", outcome.rate / 1e6);
    println!("checked      {:>14}", outcome.checked);
    println!("reset        {:>14} of the lost, the SYN being lost before", outcome.reset);
    println!("faults       {:>14}", outcome.faults.values().sum::<u64>());
    if let Some(latency) = outcome.latency {
        println!(
            "latency      {:>14} ns p50, {} p99, {} p99.9, {} max",
            latency.p50, latency.p99, latency.p99_9, latency.max
        );
    }
    println!("blocked      {:>14.1} % of the sends, the port's ring being full", outcome.blocked * 100.0);
    println!("pause        {:>14} us, the longest of the generator itself", outcome.longest_pause);
    if let Some(complaint) = outcome.complaint(false) {
        println!("wrong: {complaint}");
    }
}
