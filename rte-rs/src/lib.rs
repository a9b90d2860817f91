//! rte-rs
