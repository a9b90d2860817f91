//! Finds DPDK with pkg-config, compiles the C shim and generates the bindings.

use bindgen::callbacks::{IntKind, ParseCallbacks};
use std::env;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::{Command, exit};

/// The libraries that the bindings and the shim call. Drivers are not among them: the EAL loads those at start.
/// `rte_log` exists since DPDK 23.11; a library that pkg-config does not know is left out.
const LIBRARIES: [&str; 9] =
    ["rte_eal", "rte_ethdev", "rte_mbuf", "rte_mempool", "rte_ring", "rte_hash", "rte_rcu", "rte_net", "rte_log"];

/// Exported functions that Rust calls directly; everything else goes through `sluice_*` of the shim.
const FUNCTIONS: [&str; 33] = [
    "rte_dev_probe",
    "rte_dev_remove",
    "rte_eal_remote_launch",
    "rte_eal_wait_lcore",
    "rte_eth_allmulticast_enable",
    "rte_eth_dev_close",
    "rte_eth_dev_default_mac_addr_set",
    "rte_eth_dev_get_mtu",
    "rte_eth_dev_get_port_by_name",
    "rte_eth_dev_is_valid_port",
    "rte_eth_dev_set_mtu",
    "rte_eth_dev_start",
    "rte_eth_dev_stop",
    "rte_eth_macaddr_get",
    "rte_eth_promiscuous_disable",
    "rte_eth_promiscuous_enable",
    "rte_eth_promiscuous_get",
    "rte_get_tsc_hz",
    "rte_hash_add_key_data",
    "rte_hash_del_key",
    "rte_hash_free",
    "rte_hash_lookup_data",
    "rte_mempool_avail_count",
    "rte_mempool_in_use_count",
    "rte_pktmbuf_pool_create",
    "rte_rcu_qsbr_get_memsize",
    "rte_rcu_qsbr_init",
    "rte_rcu_qsbr_thread_register",
    "rte_rcu_qsbr_thread_unregister",
    "rte_ring_create",
    "rte_ring_free",
    "rte_strerror",
    "rte_version",
];

const CONSTANTS: [&str; 3] = ["RTE_MAX_LCORE", "RTE_MAX_ETHPORTS", "RTE_PKTMBUF_HEADROOM"];

/// Types whose inside Rust never reads: pointers to them go in and out.
const OPAQUE: [&str; 7] =
    ["rte_mbuf", "rte_mempool", "rte_ring", "rte_hash", "rte_rcu_qsbr", "rte_device", "rte_ether_addr"];

fn main() {
    for file in ["build.rs", "src/shim.c", "src/shim.h"] {
        println!("cargo::rerun-if-changed={file}");
    }
    for variable in ["PKG_CONFIG", "PKG_CONFIG_PATH", "PKG_CONFIG_LIBDIR", "PKG_CONFIG_SYSROOT_DIR"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    pkg_config(&["--atleast-version=22.11"]);
    let cflags = pkg_config(&["--cflags"]);
    link(&pkg_config(&["--libs"]));
    compile_shim(&cflags);
    generate_bindings(&cflags);
}

/// The words that `pkg-config ... libdpdk` prints; ends the build with one line if there is no DPDK to build against.
fn pkg_config(arguments: &[&str]) -> Vec<String> {
    let program = env::var("PKG_CONFIG").unwrap_or_else(|_| "pkg-config".to_owned());
    match Command::new(program).args(arguments).arg("libdpdk").output() {
        Ok(output) if output.status.success() => {
            String::from_utf8_lossy(&output.stdout).split_whitespace().map(str::to_owned).collect()
        }
        _ => fail("libdpdk 22.11 or later is not installed: apt-get install libdpdk-dev libclang-dev pkg-config"),
    }
}

fn fail(message: &str) -> ! {
    println!("cargo::error={message}");
    exit(1)
}

fn link(flags: &[String]) {
    for flag in flags {
        if let Some(folder) = flag.strip_prefix("-L") {
            println!("cargo::rustc-link-search=native={folder}");
        } else if let Some(library) = flag.strip_prefix("-l").filter(|name| LIBRARIES.contains(name)) {
            println!("cargo::rustc-link-lib={library}");
        }
    }
}

/// Always optimised: its functions are DPDK's inline fast path.
fn compile_shim(cflags: &[String]) {
    let mut build = cc::Build::new();
    build.file("src/shim.c").opt_level(3).define("_GNU_SOURCE", None).warnings(true);
    for flag in cflags {
        build.flag(flag.strip_prefix("-I").map_or_else(|| flag.clone(), |folder| format!("-isystem{folder}")));
    }
    build.compile("sluice_shim");
}

/// The shim's constants are bits of 64-bit fields.
#[derive(Debug)]
struct ConstantTypes;

impl ParseCallbacks for ConstantTypes {
    fn int_macro(&self, name: &str, _value: i64) -> Option<IntKind> {
        name.starts_with("SLUICE_").then_some(IntKind::U64)
    }
}

fn generate_bindings(cflags: &[String]) {
    let mut builder = bindgen::Builder::default()
        .header("src/shim.h")
        .clang_args(cflags)
        .clang_arg("-D_GNU_SOURCE")
        .allowlist_function("sluice_.*")
        .allowlist_type("sluice_.*")
        .allowlist_var("SLUICE_.*")
        .parse_callbacks(Box::new(ConstantTypes))
        .generate_comments(false)
        .prepend_enum_name(false)
        .wrap_unsafe_ops(true)
        .rust_edition(bindgen::RustEdition::Edition2024);
    for name in FUNCTIONS {
        builder = builder.allowlist_function(name);
    }
    for name in CONSTANTS {
        builder = builder.allowlist_var(name);
    }
    for name in OPAQUE {
        builder = builder.opaque_type(name);
    }
    // bindgen panics, with two pages of text, where there is no libclang.
    std::panic::set_hook(Box::new(|_| {}));
    let bindings = match std::panic::catch_unwind(AssertUnwindSafe(|| builder.generate())) {
        Ok(Ok(bindings)) => bindings,
        Ok(Err(error)) => fail(&format!("bindgen can't read the DPDK headers: {error}")),
        Err(_) => fail("bindgen finds no libclang: apt-get install libclang-dev"),
    };
    drop(std::panic::take_hook());
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if let Err(error) = bindings.write_to_file(folder.join("bindings.rs")) {
        fail(&format!("can't write the bindings: {error}"));
    }
}
