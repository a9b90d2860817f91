//! A bench that is interrupted leaves no worker that polls and no hugepages behind.

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// How long the processes may take to end by themselves.
const GRACE: Duration = Duration::from_secs(5);

/// From now on a signal that ends this process ends those that it started before, gives the hugepages back that are noted
/// in `folder`, and removes it.
///
/// # Errors
/// Signals can't be waited for.
pub(crate) fn clean_up_when_interrupted(folder: &Path) -> io::Result<()> {
    let folder = folder.to_owned();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            end(&folder);
            // As a shell tells it.
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

fn end(folder: &Path) {
    let children = children();
    children.iter().for_each(|&child| {
        let _ = kill_process(child, Signal::TERM);
    });
    let start = Instant::now();
    while start.elapsed() < GRACE && children.iter().any(|&child| is_alive(child)) {
        thread::sleep(Duration::from_millis(20));
    }
    children.iter().for_each(|&child| {
        let _ = kill_process(child, Signal::KILL);
    });
    // Pages come back when those that had them are gone.
    thread::sleep(Duration::from_millis(100));
    if let Err(error) = lab::give_back(folder) {
        eprintln!("bench: {error}");
    }
    drop(fs::remove_dir_all(folder));
}

/// The processes that this one started and has not waited for.
fn children() -> Vec<Pid> {
    let own = std::process::id().to_string();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(Pid::from_raw);
    // The state comes behind the name, the parent behind the state.
    ids.filter(|&id| state(id).is_some_and(|state| state.split_whitespace().nth(1) == Some(&own))).collect()
}

/// What /proc tells of a process behind its name.
fn state(process: Pid) -> Option<String> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())).ok()?;
    Some(stat.rsplit_once(") ")?.1.to_owned())
}

/// Whether it has not ended; one that nobody has waited for has.
fn is_alive(process: Pid) -> bool {
    state(process).is_some_and(|state| !state.starts_with('Z'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn who_was_started_and_runs_is_found_and_who_ended_is_not_alive() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = Pid::from_child(&child);
        assert!(children().contains(&id) && is_alive(id));
        kill_process(id, Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(!children().contains(&id) && !is_alive(id));
    }
}
