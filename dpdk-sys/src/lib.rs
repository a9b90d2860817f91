//! Raw bindings to the part of DPDK (22.11 to 24.11) that `rte-rs` wraps. Use that crate; this one is not safe.
//!
//! What differs between the DPDK versions is behind the functions and structures of `shim.h`, and nowhere else: Rust
//! sees no DPDK structure from the inside. The one exception is the head of an mbuf, [`sluice_mbuf`], which Rust reads
//! and writes in place; `shim.c` asserts, field by field, that it lies where `struct rte_mbuf` has it.

#![allow(missing_docs, reason = "the contracts are in shim.h and in DPDK's own documentation")]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals, reason = "C names")]
#![allow(
    unreachable_pub,
    clippy::undocumented_unsafe_blocks,
    clippy::multiple_unsafe_ops_per_block,
    reason = "generated"
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
