//! The program `sluiced`: command line, start, signals.

use super::health::{self, Keeper};
use super::kernel;
use super::mirror::{Mirror, MirrorPort};
use super::observe;
use super::rates;
use super::server::{ServeError, Server};
use super::state::Daemon;
use super::supervise;
use super::vitals;
use crate::health::probe::Exit;
use crate::web::{self, Web, WebError};
use clap::{CommandFactory, Parser};
use config::{ConfigError, Machine, Services};
use link::model::NextHopTable;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

/// The control process of the Sluice director: tells the dataplane what to balance, mirrors the kernel's routes and
/// neighbours, and serves `sluice` on a Unix socket. SIGHUP reloads the services file; SIGTERM and SIGINT end it, and
/// the dataplane goes on forwarding as it is.
#[derive(Debug, Parser)]
#[command(name = "sluiced", version)]
struct Arguments {
    /// The machine: ports, routes, the control socket.
    #[arg(long, value_name = "FILE", default_value = "/etc/sluice/sluice.toml")]
    config: PathBuf,
    /// What is balanced.
    #[arg(long, value_name = "FILE", default_value = "/etc/sluice/services.toml")]
    services: PathBuf,
    /// Only check both files; change nothing.
    #[arg(long)]
    check: bool,
}

/// Why sluiced did not start, or ended.
#[derive(Debug, thiserror::Error)]
enum ProgramError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Web(#[from] WebError),
    #[error("{0}")]
    System(#[from] io::Error),
}

/// The command line, for its manual page.
pub fn command() -> clap::Command {
    Arguments::command()
}

/// Runs the program. Exit status: 0 ended by a signal, or the files are right; 1 a file or the socket is refused; 2 the
/// command line is.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    host::log::start();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            host::log::failure("sluiced", &error);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), ProgramError> {
    let machine = Machine::load(&arguments.config)?;
    let services = Services::load(&arguments.services)?;
    if arguments.check {
        let reals: usize = services.services.iter().map(|named| named.service.reals.len()).sum();
        let (ports, services) = (machine.ports.len(), services.services.len());
        let (machine_file, services_file) = (arguments.config.display(), arguments.services.display());
        let mut out = io::stdout();
        writeln!(out, "{machine_file}: {ports} ports. {services_file}: {services} services, {reals} reals.")?;
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    LocalSet::new().block_on(&runtime, live(machine, &arguments.config, services, &arguments.services))
}

async fn live(
    machine: Machine,
    machine_file: &Path,
    services: Services,
    services_file: &Path,
) -> Result<(), ProgramError> {
    let server = Server::bind(&machine.control.socket)?;
    let web = machine.control.http.map(Web::bind).transpose()?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let kernel = kernel::spawn(Mirror::new(mirror_ports(&machine), statics(&machine)));
    let socket = machine.control.socket.clone();
    let health = Keeper::start(&socket, exits(&machine))?;
    let daemon = Rc::new(Daemon::new(machine, machine_file, services, services_file, kernel, health));
    tokio::task::spawn_local(health::run(Rc::clone(&daemon)));
    tokio::task::spawn_local(supervise::run(Rc::clone(&daemon)));
    tokio::task::spawn_local(rates::run(Rc::clone(&daemon)));
    tokio::task::spawn_local(server.serve(Rc::clone(&daemon)));
    let mut pulse = None;
    if let Some(web) = web {
        let (sender, questions) = web::questions();
        tokio::task::spawn_local(observe::run(Rc::clone(&daemon), questions));
        log::info!("metrics and a page at http://{}/", web.address());
        pulse = Some(web.start(sender, daemon.machine.control.http_reals)?);
    }
    log::info!("sluiced {} serves {}", env!("CARGO_PKG_VERSION"), socket.display());
    tokio::task::spawn_local(vitals::run(pulse));
    host::notify::ready(&format!("serves {}", socket.display()));

    loop {
        tokio::select! {
            _ = hang_up.recv() => drop(tokio::task::spawn_local(reload(Rc::clone(&daemon)))),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    host::notify::stopping();
    log::info!("sluiced ends; the dataplane goes on as it is");
    Ok(())
}

async fn reload(daemon: Rc<Daemon>) {
    log::info!("SIGHUP: reloading {}", daemon.services_file.display());
    if let Err(failure) = daemon.reload(false).await {
        log::error!("{failure}; the running services stay");
    }
}

/// The director's own addresses on kernel interfaces.
fn exits(machine: &Machine) -> Vec<Exit> {
    let of_port = |port: &config::Port| -> Vec<Exit> {
        let interfaces = port.kernel_interface.iter();
        let exit = |interface: &String| {
            let own = port.addresses.iter();
            own.map(|own| Exit { address: own.address, interface: interface.clone() }).collect::<Vec<_>>()
        };
        interfaces.flat_map(exit).collect()
    };
    machine.ports.iter().flat_map(of_port).collect()
}

fn mirror_ports(machine: &Machine) -> Vec<MirrorPort> {
    let ports = machine.ports.iter().map(|port| MirrorPort {
        kernel_interface: port.kernel_interface.clone(),
        addresses: port.addresses.iter().map(|own| (own.address, own.length)).collect(),
    });
    ports.collect()
}

fn statics(machine: &Machine) -> NextHopTable {
    NextHopTable { routes: machine.routes.clone(), neighbors: machine.neighbors.clone() }
}
