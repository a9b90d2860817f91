//! Instructions a packet on the hit paths, counted under callgrind: they do not depend on the machine's load or speed, so
//! a few more are seen. Compared with instructions.json of this folder, by build profile and target-cpu.
//!
//! RECORD=1 writes what was counted there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Bursts of a run; the program runs them twice, once to warm up.
const BURSTS: u64 = 400;
/// Bursts before that run, and before the one by stage, whose own are not counted.
const MORE: u64 = 200;
const PACKETS: u64 = 2 * (BURSTS + MORE) * 32;
/// Growth that is a mistake, in percent.
const TOLERATED: f64 = 3.0;
const PATHS: [(&str, &[&str]); 5] = [
    ("nat-in udp", &["--method", "nat-in"]),
    ("nat-in tcp", &["--method", "nat-in", "--tcp"]),
    ("nat-out udp", &["--method", "nat-out"]),
    ("tunnel udp", &["--method", "tunnel"]),
    ("direct udp", &["--method", "direct"]),
];

/// By build, then by path.
type Recorded = BTreeMap<String, BTreeMap<String, f64>>;

/// What the count depends on: the profile, and the target-cpu.
fn build() -> String {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let cpu = if cfg!(target_feature = "avx2") { "x86-64-v3" } else { "x86-64" };
    format!("{profile} {cpu}")
}

fn count(arguments: &[&str]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("callgrind.out");
    let bursts = BURSTS.to_string();
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--toggle-collect=*timed_batch*"]);
    command.arg(format!("--callgrind-out-file={}", output.display())).arg(env!("CARGO_BIN_EXE_bench"));
    command.args(["stages", "--flows", "1000", "--runs", "1", "--hits-only", "--bursts", &bursts]);
    // One run, whoever uses the core meanwhile: instructions are counted, not time.
    command.args(["--patience", "0"]).args(arguments);
    let output = command.output().expect("valgrind is there: setup.sh installs it");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = text.lines().find_map(|line| line.split("Collected :").nth(1)?.trim().parse::<u64>().ok());
    let instructions = collected.filter(|_| output.status.success());
    instructions.unwrap_or_else(|| panic!("callgrind says nothing: {text}")) as f64 / PACKETS as f64
}

#[test]
fn hit_paths_take_no_more_instructions_than_recorded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instructions.json");
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "{}".to_owned());
    let mut recorded: Recorded = serde_json::from_str(&text).expect("instructions.json");
    let counted = PATHS.map(|(name, arguments)| (name.to_owned(), (count(arguments) * 10.0).round() / 10.0));
    if std::env::var_os("RECORD").is_some() {
        recorded.insert(build(), BTreeMap::from(counted));
        let text = serde_json::to_string_pretty(&recorded).expect("numbers") + "\n";
        fs::write(&path, text).expect("instructions.json can be written");
        return;
    }
    let Some(recorded) = recorded.get(&build()) else {
        panic!("{} has nothing for {:?}: run this with RECORD=1 once", path.display(), build());
    };
    for (name, now) in counted {
        let then = recorded.get(&name).copied().unwrap_or_else(|| panic!("{name} is not recorded: RECORD=1"));
        let growth = (now / then - 1.0) * 100.0;
        println!("{name}: {now} instructions a packet, recorded {then} ({growth:+.1} %)");
        assert!(
            growth <= TOLERATED,
            "{name}: {now} instructions a packet, recorded {then}: {growth:+.1} %, allowed {TOLERATED} %. \
             If that is right, or the compiler is another, record it again with RECORD=1"
        );
    }
}
