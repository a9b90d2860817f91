//! The machine as it shows itself in /proc, /sys and /dev.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A machine's files, from a root on.
#[derive(Clone, Debug)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The machine whose files are below `root`; `/` is this one.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether it is this machine.
    pub(super) fn is_this(&self) -> bool {
        self.root == Path::new("/")
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// A file's text without white space around it; `None` if it can't be read.
    pub(super) fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.path(path)).ok().map(|text| text.trim().to_owned())
    }

    /// A file's number.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.text(path)?.parse().ok()
    }

    /// Whether there is something of this name.
    pub(super) fn has(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// Why this process can't open it to read and write, if it can't.
    pub(super) fn refuses(&self, path: &str) -> Option<io::Error> {
        fs::File::options().read(true).write(true).open(self.path(path)).err()
    }

    /// The names in a folder, sorted; none if there is no such folder.
    pub(super) fn names(&self, path: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(path)).into_iter().flatten();
        let mut names: Vec<String> = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        names
    }

    /// The last part of what a symbolic link leads to.
    pub(super) fn link_name(&self, path: &str) -> Option<String> {
        let target = fs::read_link(self.path(path)).ok()?;
        Some(target.file_name()?.to_str()?.to_owned())
    }

    /// The programs that run, by the names that the kernel has for them.
    pub(super) fn programs(&self) -> BTreeSet<String> {
        let is_process = |name: &String| name.bytes().all(|byte| byte.is_ascii_digit());
        let processes = self.names("/proc").into_iter().filter(is_process);
        processes.filter_map(|process| self.text(&format!("/proc/{process}/comm"))).collect()
    }

    /// The numbers of a list as the kernel writes it, `0-3,8`.
    pub(super) fn list(&self, path: &str) -> Option<Vec<u64>> {
        Some(parse_list(&self.text(path)?))
    }
}

/// `0-3,8` as numbers; what is not understood is left out.
pub(super) fn parse_list(text: &str) -> Vec<u64> {
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some(first.trim().parse().ok()?..=last.trim().parse().ok()?),
        None => part.trim().parse().ok().map(|number| number..=number),
    };
    text.split(',').filter_map(range).flatten().collect()
}
