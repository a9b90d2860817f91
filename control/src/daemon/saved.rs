//! The running table on disk, so that a sluiced that was killed comes back to what the dataplane runs:
//! `<socket>.running.toml`, a services file whose first lines say which dataplane (instance) and which generation it is.
//!
//! A change is written as `<socket>.running-next.toml` before it is sent, and takes the first name once it is applied.
//! Whichever moment sluiced dies at, one of the two files is what the dataplane has. What was changed while no dataplane
//! ran is saved as [`Version::UNSENT`].
//!
//! Beside it, `<socket>.zeroed.json` keeps what `ipvsadm -Z` did.

use crate::protocol::{Traffic, service_key};
use config::Services;
use link::model::ServiceKey;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddrV4;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const INSTANCE: &str = "# instance ";
const GENERATION: &str = "# generation ";
const HEAD: &str =
    "# What the dataplane runs, kept by sluiced. Edits are overwritten: change services.toml and apply it.\n";

/// Which table of which dataplane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// The run of the dataplane.
    pub instance: u64,
    /// The generation of its service table.
    pub generation: u64,
}

impl Version {
    /// Changed while no dataplane ran: waits for the next one. No dataplane has instance 0 at generation 0.
    pub const UNSENT: Self = Self { instance: 0, generation: 0 };
}

/// What the counters of a run of the dataplane stood at when they were last zeroed, in `<socket>.zeroed.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Zeroed {
    /// The run of the dataplane.
    pub instance: u64,
    /// Services and reals; those that never were zeroed are left out.
    pub rows: Vec<ZeroedRow>,
}

/// A service, or one of its reals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ZeroedRow {
    /// The service.
    #[serde(with = "service_key")]
    pub service: ServiceKey,
    /// The real; absent: the service itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub real: Option<SocketAddrV4>,
    /// What its counters stood at.
    pub traffic: Traffic,
}

/// The files.
#[derive(Clone, Debug)]
pub struct Saved {
    socket: PathBuf,
}

impl Saved {
    /// The files of the sluiced that serves this socket, beside it.
    pub fn beside(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Notes what is about to be sent.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn announce(&self, version: Version, services: &Services) -> io::Result<()> {
        let temporary = self.path("running-next.toml.new");
        let mut file = create(&temporary)?;
        let Version { instance, generation } = version;
        write!(file, "{HEAD}{INSTANCE}{instance:016x}\n{GENERATION}{generation}\n\n{}", services.to_toml())?;
        fs::rename(temporary, self.path("running-next.toml"))
    }

    /// What was announced is in force.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn confirm(&self) -> io::Result<()> {
        fs::rename(self.path("running-next.toml"), self.path("running.toml"))
    }

    /// What was announced was refused.
    pub fn withdraw(&self) {
        // Left behind it does no harm: the next announcement overwrites it.
        let _ = fs::remove_file(self.path("running-next.toml"));
    }

    /// What is saved is not what runs: a later run must not take it for that.
    pub fn forget(&self) {
        self.withdraw();
        if let Err(error) = fs::remove_file(self.path("running.toml"))
            && error.kind() != io::ErrorKind::NotFound
        {
            let file = self.path("running.toml");
            log::warn!("{} can't be removed: {error}; remove it, or a restart of sluiced may go by it", file.display());
        }
    }

    /// The table saved as this version, if there is one that can be read. One that was only announced is confirmed by
    /// that, so that the next announcement does not overwrite it.
    pub fn find(&self, version: Version) -> Option<Services> {
        for name in ["running.toml", "running-next.toml"] {
            let Ok(text) = fs::read_to_string(self.path(name)) else { continue };
            if version_of(&text) != Some(version) {
                continue;
            }
            match Services::parse(&text, name) {
                Ok(services) => {
                    if name == "running-next.toml"
                        && let Err(error) = self.confirm()
                    {
                        log::warn!(
                            "the running table can't be saved: {error}; a restart of sluiced would load its file instead"
                        );
                    }
                    return Some(services);
                }
                Err(error) => {
                    log::warn!("the saved running table is not used: {error}; the services file counts instead")
                }
            }
        }
        None
    }

    /// Keeps what was zeroed for the next sluiced.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn keep_zeroed(&self, zeroed: &Zeroed) -> io::Result<()> {
        let temporary = self.path("zeroed.json.new");
        create(&temporary)?.write_all(&serde_json::to_vec(zeroed)?)?;
        fs::rename(temporary, self.path("zeroed.json"))
    }

    /// What an earlier sluiced zeroed, if that can be read.
    pub fn zeroed(&self) -> Option<Zeroed> {
        let text = fs::read(self.path("zeroed.json")).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| log::warn!("what was zeroed is not known any more: {error}"))
            .ok()
    }

    fn path(&self, name: &str) -> PathBuf {
        let mut path = self.socket.clone().into_os_string();
        path.push(".");
        path.push(name);
        path.into()
    }
}

/// A new file, mode 0600; one left behind is replaced.
fn create(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

fn version_of(text: &str) -> Option<Version> {
    let head = || text.lines().take_while(|line| line.starts_with('#'));
    let instance = head().find_map(|line| u64::from_str_radix(line.strip_prefix(INSTANCE)?, 16).ok())?;
    let generation = head().find_map(|line| line.strip_prefix(GENERATION)?.parse().ok())?;
    Some(Version { instance, generation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const TEXT: &str = "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:80\"\n";

    fn directory(name: &str) -> Saved {
        let path = std::env::temp_dir().join(format!("sluice-saved-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory");
        Saved::beside(&path.join("control.sock"))
    }

    #[test]
    fn a_table_is_found_by_its_version_before_and_after_it_is_confirmed() {
        let saved = directory("version");
        let services = Services::parse(TEXT, "test").expect("a valid table");
        let version = Version { instance: 0xfeed, generation: 3 };
        assert_eq!(saved.find(version), None);
        saved.announce(version, &services).expect("written");
        assert_eq!(saved.find(version), Some(services.clone()), "killed before the dataplane's answer was read");
        saved.announce(Version { generation: 4, ..version }, &Services::default()).expect("written");
        assert_eq!(saved.find(version), Some(services.clone()), "killed before the commit was sent");
        saved.announce(version, &services).expect("written");
        saved.confirm().expect("renamed");
        assert_eq!(saved.find(version), Some(services), "the ordinary case");
        assert_eq!(saved.find(Version { instance: 1, ..version }), None, "another run of the dataplane");
        let mode = fs::metadata(saved.path("running.toml")).expect("the file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        saved.forget();
        assert_eq!(saved.find(version), None);
        fs::remove_dir_all(saved.socket.parent().expect("its directory")).expect("removed");
    }

    #[test]
    fn what_was_zeroed_comes_back() {
        let saved = directory("zeroed");
        assert_eq!(saved.zeroed(), None, "nothing was");
        let traffic = Traffic { connections: 1, in_packets: 2, in_bytes: 3, out_packets: 4, out_bytes: u64::MAX };
        let row = |service, real| ZeroedRow { service, real, traffic };
        let real = "10.0.0.2:80".parse().expect("an endpoint");
        let service = ServiceKey::new(link::model::Protocol::Udp, real);
        let rows = vec![row(service, None), row(service, Some(real)), row(ServiceKey::Group(7), Some(real))];
        let zeroed = Zeroed { instance: u64::MAX, rows };
        saved.keep_zeroed(&zeroed).expect("written");
        saved.keep_zeroed(&zeroed).expect("written again");
        assert_eq!(saved.zeroed(), Some(zeroed));
        fs::remove_dir_all(saved.socket.parent().expect("its directory")).expect("removed");
    }

    #[test]
    fn a_damaged_file_is_not_used() {
        let saved = directory("damaged");
        fs::write(saved.path("running.toml"), "# instance 1\n# generation 2\nnonsense").expect("written");
        fs::write(saved.path("zeroed.json"), "{\"instance\":1").expect("written");
        assert_eq!(saved.zeroed(), None);
        assert_eq!(saved.find(Version { instance: 1, generation: 2 }), None);
        fs::remove_dir_all(saved.socket.parent().expect("its directory")).expect("removed");
    }
}
