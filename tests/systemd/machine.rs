//! A machine with a systemd of its own: namespaces in which it is process 1 and Sluice's units are all it has. The
//! dataplane's ports are TAP interfaces, without hugepages.

use lab::{LabError, Result, wait_until};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// Long enough for a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

const MACHINE: &str = r#"
[dataplane]
workers = [1]
eal = ["--no-huge", "--no-pci", "--in-memory", "--lcores=0@0,1@0"]
connections = 1000
idle = "sleep"

[[port]]
name = "wan"
device = "net_tap0,iface=wan0"
addresses = ["10.0.1.1/24"]
kernel_interface = "sluice-wan"

[control]
socket = "/run/sluice/control.sock"
http = "127.0.0.1:9106"
"#;

const SERVICES: &str = r#"
[[service]]
name = "web"
protocol = "tcp"
address = "202.103.106.5:80"
[[service.real]]
address = "172.16.0.2:80"
weight = 1
"#;

/// A running one; all of it ends when dropped.
pub(crate) struct Machine {
    folder: TempDir,
    outer: Child,
    /// The process id of its systemd, as seen from here.
    systemd: i32,
}

impl Machine {
    /// Boots; the units are not started.
    pub(crate) fn boot() -> Result<Self> {
        let folder = tempfile::tempdir().map_err(io("making a folder"))?;
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).map_err(io("writing a file"));
        write("sluice.toml", MACHINE)?;
        write("services.toml", SERVICES)?;
        let config = "--config /opt/etc/sluice.toml";
        write("sluice-dataplane.conf", &drop_in(&format!("sluice-dataplane {config}"), ""))?;
        let control = format!("sluiced {config} --services /opt/etc/services.toml");
        write("sluiced.conf", &drop_in(&control, "ExecReload=\nExecReload=/opt/bin/sluice reload\n"))?;
        let log = File::create(folder.path().join("systemd.log")).map_err(io("making a log"))?;
        let binaries = lab::program("sluice-dataplane")?;
        let mut command = Command::new("unshare");
        command.args(["--pid", "--mount", "--cgroup", "--net", "--ipc", "--fork", "--mount-proc", "--kill-child"]);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/systemd/boot.sh"));
        command.arg(folder.path()).arg(binaries.parent().unwrap_or(Path::new("/")));
        command.stdin(Stdio::null()).stderr(log.try_clone().map_err(io("making a log"))?).stdout(log);
        let outer = command.spawn().map_err(io("starting unshare"))?;
        let mut machine = Self { folder, outer, systemd: 0 };
        wait_until("systemd to be up", LIMIT, || {
            if machine.outer.try_wait().is_ok_and(|status| status.is_some()) {
                return Err(machine.failed("unshare", "an end", &machine.systemd_log()));
            }
            let pid = machine.outer.id();
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            machine.systemd = children.trim().parse().unwrap_or(0);
            let is_up = machine.systemd != 0 && machine.systemctl(&["is-active", "laboratory.target"]).is_ok();
            Ok(is_up.then_some(()))
        })?;
        machine.systemctl(&["start", "systemd-journald.service"])?;
        Ok(machine)
    }

    /// Starts both units and waits until control has its tables in the dataplane.
    pub(crate) fn start_both(&self) -> Result<()> {
        self.systemctl(&["start", "sluice-dataplane", "sluiced"]).inspect_err(|_| eprintln!("{}", self.log()))?;
        self.wait_for_tables()
    }

    /// Waits until a dataplane has the services.
    pub(crate) fn wait_for_tables(&self) -> Result<()> {
        wait_until("the services to be in force", LIMIT, || {
            let status = self.run(&["/opt/bin/sluice", "--format", "json", "status"]).unwrap_or_default();
            let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
            let dataplane = &status["dataplane"];
            let generation = dataplane["services_generation"].as_u64().unwrap_or(0);
            Ok((dataplane["connected"] == true && generation > 0).then_some(()))
        })
        .inspect_err(|_| eprintln!("{}", self.log()))
    }

    /// Runs `systemctl`.
    pub(crate) fn systemctl(&self, arguments: &[&str]) -> Result<String> {
        self.run(&[&["systemctl", "--no-pager"], arguments].concat())
    }

    /// A property of a unit.
    pub(crate) fn show(&self, unit: &str, property: &str) -> Result<String> {
        let value = self.systemctl(&["show", "--value", "--property", property, unit])?;
        Ok(value.trim().to_owned())
    }

    /// The process id of a unit's main process, as seen from here.
    pub(crate) fn pid_of(&self, unit: &str) -> Result<i32> {
        let inner = self.show(unit, "MainPID")?;
        let is_it = |pid: &i32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            // First the number here, then the one within.
            numbers.split_whitespace().nth(1) == Some(&inner)
        };
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.systemd)).unwrap_or_default();
        let found = children.split_whitespace().filter_map(|pid| pid.parse().ok()).find(is_it);
        found.ok_or_else(|| self.failed(unit, &format!("no process {inner}"), &self.log()))
    }

    /// Everything that the journal has, and systemd's own lines.
    pub(crate) fn log(&self) -> String {
        let journal = self.run(&["journalctl", "--no-pager", "--quiet"]).unwrap_or_default();
        self.systemd_log() + &journal
    }

    /// Runs a command within; its standard output.
    pub(crate) fn run(&self, words: &[&str]) -> Result<String> {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.systemd.to_string(), "--pid", "--mount", "--net", "--ipc", "--"]);
        // systemctl needs no bus here.
        let output = command.args(words).env("SYSTEMD_BUS_TIMEOUT", "60").output().map_err(io("starting nsenter"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            return Ok(text(&output.stdout));
        }
        Err(self.failed(&words.join(" "), &output.status.to_string(), &(text(&output.stdout) + &text(&output.stderr))))
    }

    /// What is balanced at the start.
    pub(crate) fn services(&self) -> &'static str {
        SERVICES
    }

    /// Replaces the services file.
    pub(crate) fn write_services(&self, text: &str) {
        fs::write(self.path("services.toml"), text).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn systemd_log(&self) -> String {
        fs::read_to_string(self.path("systemd.log")).unwrap_or_default()
    }

    fn failed(&self, command: &str, status: &str, said: &str) -> LabError {
        LabError::Failed { command: command.to_owned(), status: status.to_owned(), said: said.to_owned() }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        // Process 1 takes all of its namespace with it (unshare --kill-child).
        let _ = self.outer.kill();
        let _ = self.outer.wait();
    }
}

fn drop_in(command: &str, more: &str) -> String {
    format!(
        "[Unit]\nWants=\n[Service]\nExecStart=\nExecStart=/opt/bin/{command}\n{more}WatchdogSec=3\nTimeoutAbortSec=1\n\
         LimitCORE=0\n"
    )
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> LabError {
    let what = what.to_owned();
    move |source| LabError::Io { what, source }
}
