//! Every view over any bytes: no panic, and what `parse` promises holds.

#![no_main]

#[path = "../../tests/exercise/mod.rs"]
mod exercise;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| exercise::every_view(bytes));
