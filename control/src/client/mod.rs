//! The command line `sluice`.
