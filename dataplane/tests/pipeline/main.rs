//! Properties of the packet path, over real tables and mbufs.

mod bursts;
mod captures;
mod conservation;
mod drains;
mod flood;
mod fragments;
mod helpers;
mod persistence;
mod reasons;
mod resets;
mod rig;
mod shares;
mod shown;
mod traffic;
mod vip_checks;
mod workers;
