//! The director as its users meet it: the three programs of this build in network namespaces, with real clients and
//! real servers. A file is one behaviour, named after the requirement that it shows. Needs root, and the binaries of the
//! workspace (`cargo build --workspace --bins`).

mod support;

mod con_1;
mod con_5;
mod dr_1;
mod dr_2;
mod nat_1;
mod nat_2;
mod nat_3;
mod nat_5;
mod nat_6;
mod sch_1;
mod tun_1;
mod tun_2;
