//! Looks for DPDK before anything is compiled against it, and says in one line what to install where it is missing.

use std::process::{Command, exit};

/// The oldest DPDK that the wrappers are built against; Debian 12 has it.
const OLDEST: &str = "libdpdk >= 22.11";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=PKG_CONFIG_PATH");
    let found = Command::new("pkg-config").args(["--exists", OLDEST]).status();
    if !found.is_ok_and(|status| status.success()) {
        println!(
            "cargo::error={OLDEST} is missing: run ./setup.sh, or apt-get install libdpdk-dev libclang-dev pkg-config"
        );
        exit(1);
    }
}
