//! One machine of a laboratory: a network namespace and what runs in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::cleanup::{self, Footprint};
use crate::command::{self, COMMAND_LIMIT};
use crate::{LabError, Output, Process, Result, wait_until};

/// What a fresh namespace is set to: no IPv6 noise, and paths that differ between there and back (as in direct routing)
/// are allowed.
const SETTINGS: &str = "cd /proc/sys/net
for interface in all default; do
  echo 1 > ipv6/conf/$interface/disable_ipv6
  echo 0 > ipv4/conf/$interface/rp_filter
done 2> /dev/null
ip link set lo up";

/// One machine of a laboratory. A clone is another handle to the same machine.
#[derive(Clone, Debug)]
pub struct Node {
    name: String,
    namespace: String,
    folder: PathBuf,
    keep: Arc<AtomicBool>,
}

impl Node {
    /// Makes the namespace.
    pub(crate) fn create(footprint: &Footprint, name: &str, keep: Arc<AtomicBool>) -> Result<Self> {
        let namespace = footprint.namespace(name);
        let mut add = Command::new("ip");
        add.args(["netns", "add", &namespace]);
        cleanup::add(|| command::run(add, "", COMMAND_LIMIT))?;
        let node = Self { name: name.into(), namespace, folder: footprint.folder(), keep };
        node.shell(SETTINGS)?;
        Ok(node)
    }

    /// `client`, `router`, `director`, `real1` ...
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The network namespace, as `ip netns` lists it.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The laboratory's folder: logs, configuration files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs a program here and waits for its end, 30 s at most. Any exit code is an `Ok`.
    ///
    /// # Errors
    /// The program is missing, or did not end.
    pub fn capture<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        command::capture(self.command(program, arguments), "", COMMAND_LIMIT)
    }

    /// As [`Node::capture`], with text for its standard input and a limit.
    ///
    /// # Errors
    /// The program is missing, or did not end within `limit`.
    pub fn capture_with<S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
        input: &str,
        limit: Duration,
    ) -> Result<Output> {
        command::capture(self.command(program, arguments), input, limit)
    }

    /// As [`Node::capture`]; an exit code other than 0 is an error.
    ///
    /// # Errors
    /// The program is missing, failed, or did not end.
    pub fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        command::run(self.command(program, arguments), "", COMMAND_LIMIT)
    }

    /// Runs a shell script here; it ends at the first command that fails.
    ///
    /// # Errors
    /// A command failed.
    pub fn shell(&self, script: &str) -> Result<Output> {
        command::run(self.command("sh", ["-ec", script]), "", COMMAND_LIMIT)
    }

    /// Runs the lines of an `ip -batch` here (`addr add 10.0.0.1/24 dev lan0`).
    ///
    /// # Errors
    /// A line was refused.
    pub fn ip(&self, batch: &str) -> Result<()> {
        let mut ip = Command::new("ip");
        ip.args(["-n", &self.namespace, "-batch", "-"]);
        command::run(ip, batch, COMMAND_LIMIT).map(drop)
    }

    /// Starts a program here in the background; its output goes to `<folder>/<node>-<label>.log`.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn spawn<S: AsRef<OsStr>>(
        &self,
        label: &str,
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<Process> {
        let log = self.folder.join(format!("{}-{label}.log", self.name));
        let label = format!("{label} on {}", self.name);
        Process::start(self.command(program, arguments), label, log, Arc::clone(&self.keep))
    }

    /// Whether an interface is there, and up.
    pub fn has_interface_up(&self, interface: &str) -> bool {
        let show = self.capture("cat", [format!("/sys/class/net/{interface}/flags")]);
        let flags = show.ok().and_then(|out| u32::from_str_radix(out.stdout.trim().trim_start_matches("0x"), 16).ok());
        flags.is_some_and(|flags| flags & 1 == 1)
    }

    /// Waits until an interface is there and up.
    ///
    /// # Errors
    /// It is not within `limit`.
    pub fn wait_for_interface(&self, interface: &str, limit: Duration) -> Result<()> {
        let what = format!("interface {interface} up on {}", self.name);
        wait_until(what, limit, || Ok(self.has_interface_up(interface).then_some(())))
    }

    /// Waits until `process`, which runs here, has a socket of `kind` (`tcp`, `udp` or `raw`) on `port`: a listening
    /// one for TCP; the protocol number for raw.
    ///
    /// # Errors
    /// It ended, or has none after 10 s.
    pub fn wait_for_socket(&self, process: &mut Process, kind: &str, port: u16) -> Result<()> {
        const LISTEN: &str = "0A";
        let table = format!("/proc/{}/net/{kind}", process.pid());
        let what = format!("{kind} port {port} of {}", process.log_path().display());
        wait_until(what, Duration::from_secs(10), || {
            process.check_running()?;
            let text = fs::read_to_string(&table).map_err(LabError::io(format!("reading {table}")))?;
            let found = text.lines().skip(1).any(|line| {
                let mut fields = line.split_whitespace().skip(1);
                let local = fields.next().unwrap_or_default();
                let state = fields.nth(1).unwrap_or_default();
                local.ends_with(&format!(":{port:04X}")) && (kind != "tcp" || state == LISTEN)
            });
            Ok(found.then_some(()))
        })
    }

    /// `ip netns exec` replaces itself by the program: the child is the program.
    fn command<S: AsRef<OsStr>>(&self, program: &str, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace, program]).args(arguments);
        command
    }
}
