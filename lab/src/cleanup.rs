//! What a laboratory leaves on the machine, and its removal whatever happens to the process that made it.
//!
//! All of it can be found by name: `sl<pid>.<number>` names the laboratory, `sl<pid>.<number>-<node>` its network
//! namespaces, `/tmp/sl<pid>.<number>` its folder `/dev/shm/sl<pid>.<number>.link` the director's shared memory and
//! `/run/dpdk/sl<pid>.<number>` its EAL files. So what a killed process left can be told from what a running one uses.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::command::{COMMAND_LIMIT, capture, run};
use crate::process::send;
use crate::{LabError, Result, hugepages, wait_until};

const NAMESPACES: &str = "/run/netns";
const SHARED_MEMORY: &str = "/dev/shm";
const DPDK: &str = "/run/dpdk";
/// In the folder of a laboratory that outlives its process on purpose.
const KEEP_MARK: &str = "keep";

/// The laboratories of this process that are to be removed when it ends.
static LIVE: Mutex<Vec<Footprint>> = Mutex::new(Vec::new());

/// Held by whoever adds to the machine or removes from it, so that a removal at a signal misses nothing and is not cut
/// short by the end of the main thread. True once this process ends: nothing may be added any more.
static ENDING: Mutex<bool> = Mutex::new(false);

/// Adds something to the machine that is to be removed later.
pub(crate) fn add<T>(addition: impl FnOnce() -> Result<T>) -> Result<T> {
    let ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    if *ending { Err(LabError::Ending) } else { addition() }
}

/// The name of one laboratory, and so of all it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Footprint {
    name: String,
}

impl Footprint {
    /// A new name, with an empty folder; registered for removal at a signal.
    pub(crate) fn create() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        static GUARDS: Once = Once::new();
        GUARDS.call_once(guard);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let footprint = Self { name: format!("sl{}.{number}", std::process::id()) };
        let folder = footprint.folder();
        add(|| {
            fs::create_dir(&folder).map_err(LabError::io(format!("making {}", folder.display())))?;
            live().push(footprint.clone());
            Ok(())
        })?;
        Ok(footprint)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(&self.name)
    }

    pub(crate) fn link(&self) -> PathBuf {
        Path::new(SHARED_MEMORY).join(format!("{}.link", self.name))
    }

    /// Where EAL keeps its run-time files, given the laboratory's name as file prefix.
    fn dpdk_folder(&self) -> PathBuf {
        Path::new(DPDK).join(&self.name)
    }

    pub(crate) fn namespace(&self, node: &str) -> String {
        format!("{}-{node}", self.name)
    }

    /// Leaves the laboratory on the machine after the end of this process, until [`end_all`].
    pub(crate) fn keep(&self) -> Result<()> {
        let mark = self.folder().join(KEEP_MARK);
        fs::write(&mark, "").map_err(LabError::io(format!("writing {}", mark.display())))?;
        live().retain(|other| other != self);
        Ok(())
    }

    /// Ends the laboratory's processes and removes all that carries its name. Another process may do so at the same
    /// time: what is gone already is no error.
    pub(crate) fn remove(&self) -> Result<()> {
        let _other_removals_are_over = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        self.remove_now()
    }

    fn remove_now(&self) -> Result<()> {
        live().retain(|other| other != self);
        let namespaces = self.namespaces();
        let ended = end_processes(&namespaces);
        for namespace in &namespaces {
            let deleted = run(ip(["netns", "delete", namespace]), "", COMMAND_LIMIT);
            if Path::new(NAMESPACES).join(namespace).exists() {
                deleted?;
            }
        }
        hugepages::give_back(&self.folder())?;
        gone(&self.link(), fs::remove_file(self.link()))?;
        gone(&self.dpdk_folder(), fs::remove_dir_all(self.dpdk_folder()))?;
        // EAL makes this folder too; another DPDK process's files in it keep it.
        drop(fs::remove_dir(DPDK));
        gone(&self.folder(), fs::remove_dir_all(self.folder()))?;
        ended
    }

    fn namespaces(&self) -> Vec<String> {
        let prefix = format!("{}-", self.name);
        names_in(Path::new(NAMESPACES)).into_iter().filter(|name| name.starts_with(&prefix)).collect()
    }

    fn is_kept(&self) -> bool {
        self.folder().join(KEEP_MARK).exists()
    }

    /// Whether the process that made it still runs.
    fn is_in_use(&self) -> bool {
        owner(&self.name).is_some_and(|pid| Path::new("/proc").join(pid.to_string()).exists())
    }
}

/// Removes what laboratories of processes that were killed have left. Kept ones stay. Gives the names of those removed.
///
/// # Errors
/// Something could not be removed; the message names it.
pub fn sweep() -> Result<Vec<String>> {
    remove_where(|footprint| !footprint.is_in_use() && !footprint.is_kept())
}

/// Removes every laboratory whose process has ended, kept ones too. Gives the names of those removed.
///
/// # Errors
/// Something could not be removed; the message names it.
pub fn end_all() -> Result<Vec<String>> {
    remove_where(|footprint| !footprint.is_in_use())
}

fn remove_where(condition: impl Fn(&Footprint) -> bool) -> Result<Vec<String>> {
    let mut removed = Vec::new();
    for footprint in found().into_iter().filter(condition) {
        footprint.remove()?;
        removed.push(footprint.name);
    }
    Ok(removed)
}

/// The names of what is left on this machine of the laboratory `name`: namespaces, folders, files.
pub fn left_of(name: &str) -> Vec<String> {
    everything().filter(|entry| laboratory_of(entry).as_deref() == Some(name)).collect()
}

/// Every laboratory of which something is on this machine.
fn found() -> Vec<Footprint> {
    let mut names: Vec<String> = everything().filter_map(|entry| laboratory_of(&entry)).collect();
    names.sort();
    names.dedup();
    names.into_iter().map(|name| Footprint { name }).collect()
}

/// What is in the folders where laboratories leave something.
fn everything() -> impl Iterator<Item = String> {
    let folders = [NAMESPACES.into(), SHARED_MEMORY.into(), DPDK.into(), std::env::temp_dir()];
    folders.into_iter().flat_map(|folder: PathBuf| names_in(&folder))
}

/// The laboratory that a namespace, folder or file belongs to, by its name.
fn laboratory_of(name: &str) -> Option<String> {
    let base = name.split('-').next()?;
    let base = base.strip_suffix(".link").unwrap_or(base);
    owner(base).map(|_| base.to_owned())
}

/// The process id in `sl<pid>.<number>`.
fn owner(name: &str) -> Option<u32> {
    let (pid, number) = name.strip_prefix("sl")?.split_once('.')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn end_processes(namespaces: &[String]) -> Result<()> {
    wait_until("the end of the laboratory's processes", Duration::from_secs(10), || {
        let mut left = false;
        for namespace in namespaces {
            // A namespace that another process has just removed has no processes.
            let pids = capture(ip(["netns", "pids", namespace]), "", COMMAND_LIMIT)?.stdout;
            for pid in pids.split_whitespace().filter_map(|pid| pid.parse().ok()) {
                left = true;
                // One that has just ended by itself is no error: the next look tells.
                drop(send(pid, Signal::KILL));
            }
        }
        Ok((!left).then_some(()))
    })
}

/// Removes this process's laboratories when a signal or, where panics abort, a panic ends it.
fn guard() {
    if cfg!(panic = "abort") {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            previous(info);
            remove_live();
        }));
    }
    match Signals::new([SIGINT, SIGTERM, SIGHUP]) {
        Ok(mut signals) => drop(thread::spawn(move || {
            for signal in signals.forever() {
                remove_live();
                drop(signal_hook::low_level::emulate_default_handler(signal));
            }
        })),
        Err(error) => eprintln!("lab: signals are not caught ({error}): what is left is removed by the next run"),
    }
}

fn remove_live() {
    // A thread that panics may hold the lock itself; then its addition is what is left.
    let ending = wait_until("other changes to end", Duration::from_secs(15), || Ok(ENDING.try_lock().ok()));
    let _none_begin = ending.map(|mut ending| {
        *ending = true;
        ending
    });
    let all: Vec<Footprint> = live().drain(..).collect();
    for footprint in all {
        if let Err(error) = footprint.remove_now() {
            eprintln!("lab: {}: not all removed: {error}", footprint.name);
        }
    }
}

fn live() -> std::sync::MutexGuard<'static, Vec<Footprint>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn names_in(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect()
}

/// A removal of something that is not there has reached its aim.
fn gone(path: &Path, removal: io::Result<()>) -> Result<()> {
    match removal {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(LabError::io(format!("removing {}", path.display()))(error))
        }
        _ => Ok(()),
    }
}

fn ip<'a>(words: impl IntoIterator<Item = &'a str>) -> Command {
    let mut command = Command::new("ip");
    command.args(words);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_laboratories_are_taken_for_one() {
        let cases = [
            ("sl12.0-client", Some("sl12.0")),
            ("sl12.3", Some("sl12.3")),
            ("sl12.3.link", Some("sl12.3")),
            ("slapd.0", None),
            ("sl12", None),
            ("sluice", None),
            ("sluice.link", None),
            ("other", None),
        ];
        for (name, laboratory) in cases {
            assert_eq!(laboratory_of(name).as_deref(), laboratory, "{name}");
        }
    }
}
