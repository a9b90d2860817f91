//! Sluice on the director: its three programs and the cables that its dataplane brings.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use crate::command::{self, COMMAND_LIMIT};
use crate::machine::{LAN_CABLE, LAN_KERNEL_INTERFACE, WAN_CABLE, WAN_KERNEL_INTERFACE};
use crate::paper::ROUTER_WAN;
use crate::{Lab, LabError, Node, Output, Process, Result, wait_until};

/// How long the dataplane may take to open its ports (EAL, memory, taps).
const DATAPLANE_START: Duration = Duration::from_secs(30);
/// How long control may take until it answers on its socket.
const CONTROL_START: Duration = Duration::from_secs(15);

/// The running programs.
#[derive(Debug, Default)]
pub(crate) struct Director {
    control: Option<Process>,
    dataplane: Option<Process>,
}

impl Lab {
    /// Starts the director with these two configuration files and waits until it answers. Its cables are in place, and
    /// its default route is the router.
    ///
    /// # Errors
    /// A program is not built, ended, or is not ready in time; the message ends with its log.
    pub fn start_director(&mut self, machine: &str, services: &str) -> Result<()> {
        self.write("sluice.toml", machine)?;
        self.write("services.toml", services)?;
        self.start_dataplane()?;
        self.start_control()
    }

    /// Replaces the services file; control reads it at its next start or reload.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_services(&self, services: &str) -> Result<()> {
        self.write("services.toml", services)
    }

    /// Starts the dataplane with the configuration written before and plugs its cables in.
    ///
    /// # Errors
    /// It is not built, ended, or its ports are not there in time.
    pub fn start_dataplane(&mut self) -> Result<()> {
        let program = program("sluice-dataplane")?;
        let config = self.folder().join("sluice.toml");
        let arguments = [OsStr::new("--config"), config.as_os_str()];
        let mut process = self.director.spawn("dataplane", &program.to_string_lossy(), arguments)?;
        let kernel_path = [WAN_KERNEL_INTERFACE, LAN_KERNEL_INTERFACE];
        let kernel_path = kernel_path.into_iter().filter(|_| self.has_kernel_path());
        for cable in [WAN_CABLE, LAN_CABLE].into_iter().chain(kernel_path) {
            wait_until(format!("interface {cable} of the dataplane"), DATAPLANE_START, || {
                process.check_running()?;
                Ok(self.director.has_interface_up(cable).then_some(()))
            })?;
        }
        self.director_state.dataplane = Some(process);
        self.plug_in_cables()?;
        // Routes through the kernel interfaces went with the dataplane that had them before.
        if self.director_state.control.as_mut().is_some_and(Process::is_running) {
            self.set_default_route()
        } else {
            Ok(())
        }
    }

    /// Starts control with the configuration written before and waits until it answers.
    ///
    /// # Errors
    /// It is not built, ended, or does not answer in time.
    pub fn start_control(&mut self) -> Result<()> {
        let program = program("sluiced")?;
        let (config, services) = (self.folder().join("sluice.toml"), self.folder().join("services.toml"));
        let arguments = [OsStr::new("--config"), config.as_os_str(), OsStr::new("--services"), services.as_os_str()];
        let mut process = self.director.spawn("control", &program.to_string_lossy(), arguments)?;
        let with_dataplane = self.director_state.dataplane.is_some();
        wait_until("sluiced to answer and to have the tables in force", CONTROL_START, || {
            process.check_running()?;
            let status = self.sluice(["--format", "json", "status"])?;
            Ok((status.success() && (!with_dataplane || has_tables_in_force(&status.stdout))).then_some(()))
        })?;
        self.director_state.control = Some(process);
        self.set_default_route()
    }

    /// The dataplane process, if it was started.
    pub fn dataplane(&mut self) -> Option<&mut Process> {
        self.director_state.dataplane.as_mut()
    }

    /// The control process, if it was started.
    pub fn control(&mut self) -> Option<&mut Process> {
        self.director_state.control.as_mut()
    }

    /// Runs the command line against this laboratory's control. Any exit code is an `Ok`.
    ///
    /// # Errors
    /// It is not built, or did not end in 30 s.
    pub fn sluice<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Output> {
        command::capture(self.sluice_command(arguments)?, "", COMMAND_LIMIT)
    }

    /// As [`Lab::sluice`]; an exit code other than 0 is an error.
    ///
    /// # Errors
    /// As [`Lab::sluice`], and what it refused.
    pub fn sluice_ok<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<String> {
        Ok(command::run(self.sluice_command(arguments)?, "", COMMAND_LIMIT)?.stdout)
    }

    fn sluice_command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<Command> {
        let mut command = Command::new(program("sluice")?);
        command.arg("--socket").arg(self.folder().join("control.sock")).args(arguments);
        Ok(command)
    }

    /// The kernel ends of the director's ports become the router's interface and a port of the segment. They get a MAC
    /// address of their own: net_tap gives both ends the same one, and a bridge would keep the director's frames.
    fn plug_in_cables(&self) -> Result<()> {
        self.hand_over(WAN_CABLE, &self.router)?;
        self.router.ip(&format!(
            "link set {WAN_CABLE} address 02:00:00:00:02:01\naddr add {ROUTER_WAN}/24 dev {WAN_CABLE}\n\
             link set {WAN_CABLE} up\n"
        ))?;
        self.hand_over(LAN_CABLE, &self.segment)?;
        self.segment.ip(&format!(
            "link set {LAN_CABLE} address 02:00:00:00:02:02\nlink set {LAN_CABLE} master bridge0\n\
             link set {LAN_CABLE} up\n"
        ))
    }

    fn hand_over(&self, interface: &str, to: &Node) -> Result<()> {
        self.director.ip(&format!("link set {interface} netns {}\n", to.namespace()))
    }

    /// Possible once control has put the WAN address on the kernel's interface.
    fn set_default_route(&self) -> Result<()> {
        if !self.has_kernel_path() {
            return Ok(());
        }
        wait_until("the director's default route", CONTROL_START, || {
            Ok(self.director.ip(&format!("route replace default via {ROUTER_WAN}\n")).ok())
        })
    }

    /// Whether the configuration written before gives the ports kernel interfaces.
    fn has_kernel_path(&self) -> bool {
        let machine = fs::read_to_string(self.folder().join("sluice.toml")).unwrap_or_default();
        machine.contains(WAN_KERNEL_INTERFACE)
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let path = self.folder().join(name);
        fs::write(&path, text).map_err(LabError::io(format!("writing {}", path.display())))
    }
}

/// Whether a status in JSON tells of a dataplane that has taken both tables.
pub fn has_tables_in_force(status: &str) -> bool {
    let Ok(status) = serde_json::from_str::<serde_json::Value>(status) else { return false };
    let dataplane = &status["dataplane"];
    let generation = |table: &str| dataplane[table].as_u64().unwrap_or(0);
    dataplane["connected"] == true && generation("services_generation") > 0 && generation("next_hops_generation") > 0
}

/// A binary of this workspace: in `$SLUICE_BIN_DIR`, else beside the running one (a test's is one folder below).
///
/// # Errors
/// It is not there; the message says how to build it.
pub fn program(name: &str) -> Result<PathBuf> {
    let folder = match env::var_os("SLUICE_BIN_DIR") {
        Some(folder) => PathBuf::from(folder),
        None => {
            let mut folder = env::current_exe().map_err(LabError::io("finding the running program"))?;
            folder.pop();
            if folder.ends_with("deps") {
                folder.pop();
            }
            folder
        }
    };
    let path = folder.join(name);
    if path.is_file() { Ok(path) } else { Err(LabError::NotBuilt { name: name.into(), folder }) }
}

#[cfg(test)]
mod tests {
    use super::has_tables_in_force;

    #[test]
    fn a_dataplane_is_ready_once_it_has_both_tables() {
        let status = |connected: bool, services: u32, hops: u32| {
            format!(
                r#"{{"dataplane":{{"connected":{connected},"services_generation":{services},"next_hops_generation":{hops}}}}}"#
            )
        };
        assert!(has_tables_in_force(&status(true, 1, 3)));
        for not_yet in [status(false, 1, 1), status(true, 0, 1), status(true, 1, 0), r#"{"dataplane":null}"#.into()] {
            assert!(!has_tables_in_force(&not_yet), "{not_yet}");
        }
    }
}
