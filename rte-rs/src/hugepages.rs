//! What the machine's hugepages look like, and the command that gives more: the advice in error messages.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

const FOLDER: &str = "/sys/kernel/mm/hugepages";

/// How the EAL was told to get memory.
static WITHOUT_HUGEPAGES: OnceLock<bool> = OnceLock::new();

/// Remembers how the EAL was started, for the advice of later errors.
pub(crate) fn remember(arguments: &[String]) {
    let _ = WITHOUT_HUGEPAGES.set(disabled(arguments));
}

/// Whether the arguments tell the EAL to do without.
pub(crate) fn disabled(arguments: &[String]) -> bool {
    arguments.iter().any(|argument| argument == "--no-huge")
}

/// Pages of the smallest size the kernel offers.
struct Pages {
    kib: u64,
    total: u64,
    free: u64,
}

impl Pages {
    fn read(folder: &Path) -> Option<Self> {
        let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
        fs::read_dir(folder)
            .ok()?
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let kib = path.file_name()?.to_str()?.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse().ok()?;
                Some(Self {
                    kib,
                    total: number(&path.join("nr_hugepages"))?,
                    free: number(&path.join("free_hugepages"))?,
                })
            })
            .min_by_key(|pages| pages.kib)
    }
}

/// What to do when the EAL could not get the memory its arguments ask for.
pub(crate) fn advice_for_start(arguments: &[String]) -> String {
    let megabytes = requested_megabytes(arguments).unwrap_or(1024);
    let in_memory = arguments.iter().any(|argument| argument == "--in-memory");
    let mounted = in_memory || fs::read_to_string("/proc/mounts").is_ok_and(|mounts| has_hugetlbfs(&mounts));
    advice(Path::new(FOLDER), megabytes * 1024, mounted)
}

/// What to do when an object of about so many bytes did not fit.
pub(crate) fn advice_for(bytes: u64) -> String {
    if WITHOUT_HUGEPAGES.get().copied().unwrap_or(false) {
        return format!("it needs about {} MB: give the EAL more with -m MB", bytes.div_ceil(1 << 20));
    }
    advice(Path::new(FOLDER), bytes.div_ceil(1024), true)
}

fn advice(folder: &Path, needed_kib: u64, mounted: bool) -> String {
    let megabytes = needed_kib.div_ceil(1024);
    let without = format!("or do without: give the EAL the arguments --no-huge -m {megabytes}");
    let Some(pages) = Pages::read(folder) else {
        return format!("this kernel offers no hugepages; {without}");
    };
    let needed = needed_kib.div_ceil(pages.kib.max(1));
    let total = pages.total + needed.saturating_sub(pages.free);
    let mount = if mounted { "" } else { " && mkdir -p /dev/hugepages && mount -t hugetlbfs none /dev/hugepages" };
    let command = if total > pages.total || !mounted {
        format!("run as root: echo {total} > {FOLDER}/hugepages-{}kB/nr_hugepages{mount}", pages.kib)
    } else {
        "they may be on another NUMA node: see /sys/devices/system/node/node*/hugepages".to_owned()
    };
    format!("{needed} hugepages of {} kB are needed, {} are free; {command}; {without}", pages.kib, pages.free)
}

/// The sum that `-m` or `--socket-mem` ask for.
fn requested_megabytes(arguments: &[String]) -> Option<u64> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let value = match word {
            "-m" | "--socket-mem" => words.next(),
            _ => word.strip_prefix("--socket-mem=").or_else(|| word.strip_prefix("-m")),
        };
        if let Some(sum) = value.and_then(|list| list.split(',').map(|part| part.parse::<u64>().ok()).sum()) {
            return Some(sum);
        }
    }
    None
}

fn has_hugetlbfs(mounts: &str) -> bool {
    mounts.lines().any(|line| line.split_whitespace().nth(2) == Some("hugetlbfs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kernel_with(total: u64, free: u64) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("hugepages-{}-{total}-{free}", std::process::id()));
        let pages = folder.join("hugepages-2048kB");
        fs::create_dir_all(&pages).unwrap();
        fs::write(pages.join("nr_hugepages"), format!("{total}\n")).unwrap();
        fs::write(pages.join("free_hugepages"), format!("{free}\n")).unwrap();
        folder
    }

    #[test]
    fn advice_names_what_is_needed_what_is_free_and_the_command() {
        let folder = kernel_with(100, 10);
        let text = advice(&folder, 1024 * 1024, false);
        assert_eq!(
            text,
            "512 hugepages of 2048 kB are needed, 10 are free; run as root: echo 602 > \
             /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages && mkdir -p /dev/hugepages && mount -t hugetlbfs \
             none /dev/hugepages; or do without: give the EAL the arguments --no-huge -m 1024"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn advice_without_hugepages_in_the_kernel_says_how_to_do_without() {
        let text = advice(Path::new("/nowhere"), 64 * 1024, true);
        assert_eq!(text, "this kernel offers no hugepages; or do without: give the EAL the arguments --no-huge -m 64");
    }

    #[test]
    fn the_wanted_memory_is_read_from_each_form_of_the_arguments() {
        let words = |list: &[&str]| list.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(requested_megabytes(&words(&["--no-pci", "-m", "256"])), Some(256));
        assert_eq!(requested_megabytes(&words(&["-m256"])), Some(256));
        assert_eq!(requested_megabytes(&words(&["--socket-mem=512,256"])), Some(768));
        assert_eq!(requested_megabytes(&words(&["--match-allocations"])), None);
    }
}
