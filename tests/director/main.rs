//! The director as its users meet it: the three programs of this build in network namespaces, with real clients and
//! real servers. A file is one behaviour, named after the requirement that it shows. Needs root, and the binaries of the
//! workspace (`cargo build --workspace --bins`).

#[path = "../../control/tests/support/browser.rs"]
mod browser;
mod support;

mod app_1;
mod captures;
mod card_2_end;
mod card_2_no_kernel_path;
mod card_2_ports_that_do_not_start;
mod card_2_two_workers;
mod card_5_both_die;
mod card_5_control_dies;
mod card_5_dataplane_dies;
mod card_5_garbage;
mod card_5_large_table;
mod card_5_one_of_each;
mod card_6_changes;
mod card_6_looks;
mod card_7_bgp;
mod card_7_doctor;
mod card_7_vrrp;
mod con_1;
mod con_2;
mod con_4;
mod con_5;
mod dr_1;
mod dr_2;
mod nat_1;
mod nat_2;
mod nat_3;
mod nat_5;
mod nat_6;
mod ops_1;
mod ops_1_health;
mod ops_1_rolling;
mod ops_1_vip_checks;
mod ops_2;
mod ops_4;
mod page;
mod sch_1;
mod tun_1;
mod tun_2;
mod tun_3;
