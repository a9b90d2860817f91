//! Sluice: see the README. The integration tests of the whole director live in `tests/`.
