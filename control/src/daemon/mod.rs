//! The control process `sluiced`.
