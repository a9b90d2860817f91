//! The packet path logs nothing and prints nothing: a line a packet would be a system call a packet.

use std::fs;
use std::path::Path;

/// What a worker runs once it polls.
const PACKET_PATH: [&str; 18] = [
    "arp.rs",
    "capture/filter.rs",
    "capture/mod.rs",
    "capture/request.rs",
    "capture/tap.rs",
    "connection",
    "counters.rs",
    "forward",
    "fragment",
    "icmp.rs",
    "limiter.rs",
    "nexthop.rs",
    "pipeline",
    "reject.rs",
    "scheduler",
    "steer.rs",
    "stopwatch.rs",
    "worker",
];
const LOUD: [&str; 9] =
    ["log::", "info!(", "warn!(", "error!(", "debug!(", "trace!(", "println!(", "eprintln!(", "dbg!("];

#[test]
fn no_file_of_the_packet_path_logs_or_prints() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = 0;
    for part in PACKET_PATH {
        visit(&source.join(part), &mut files);
    }
    assert!(files > 25, "only {files} files looked at");
}

fn visit(path: &Path, files: &mut usize) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder of the source") {
            visit(&entry.expect("an entry").path(), files);
        }
        return;
    }
    let text = fs::read_to_string(path).expect("a file of the source");
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    for (number, line) in (1..).zip(code.lines()) {
        let line = line.split("//").next().unwrap_or_default();
        assert!(!LOUD.iter().any(|word| line.contains(word)), "{}:{number}: {line}", path.display());
    }
    *files += 1;
}
