//! CARD-5: a table of 10,000 services with 10 reals each is applied under traffic without a lost packet.

use std::fmt::Write;
use std::fs;
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use lab::{NAT_VIP, PAPER_SERVICES, Result};

use crate::support::{ask, assert_served, next_answers, paper, url};

const VIPS: usize = 100;
const PORTS: usize = 100;
const REALS: usize = 10;

#[test]
fn ten_thousand_services_of_ten_reals_come_and_go_without_a_lost_packet() -> Result<()> {
    let mut lab = paper()?;
    let file = lab.folder().join("large.toml");
    fs::write(&file, large_table()).expect("the laboratory's folder can be written");
    let mut tcp = lab.client().load(&url(NAT_VIP), 50)?;
    let mut udp = lab.client().udp_load(SocketAddrV4::new(NAT_VIP, 7), Duration::from_millis(2))?;
    next_answers(&mut udp, 50)?;

    for file in [file, lab.folder().join("services.toml")] {
        let answered = udp.answers()?.len();
        let start = Instant::now();
        lab.sluice_ok(["apply".as_ref(), file.as_os_str()])?;
        let took = start.elapsed();
        let said = lab.control().map(|control| control.log()).unwrap_or_default();
        let in_force = said.lines().rev().find(|line| line.contains("is in force after")).unwrap_or_default();
        let answered = udp.answers()?.len() - answered;
        println!("{}: `sluice apply` took {took:?}, {answered} datagrams answered meanwhile", file.display());
        println!("sluiced: {in_force}");
        let status = ask(&lab, "status")?;
        println!("now {} services, {} reals", status["services"], status["reals"]);
        next_answers(&mut udp, 50)?;
        next_answers(&mut tcp, 10)?;
    }
    assert_served(&tcp.answers()?);
    assert_served(&udp.answers()?);
    Ok(())
}

/// The paper's services, and these.
fn large_table() -> String {
    let mut text = PAPER_SERVICES.to_owned();
    for vip in 0..VIPS {
        for port in 0..PORTS {
            let address = format!("203.0.113.{}:{}", vip + 1, 1000 + port);
            let name = format!("s{vip}-{port}");
            let service = format!(
                "[[service]]\nname = \"{name}\"\nprotocol = \"tcp\"\naddress = \"{address}\"\nscheduler = \"wrr\"\n\
                 method = \"nat\"\n"
            );
            text.push_str(&service);
            for real in 0..REALS {
                let real =
                    format!("[[service.real]]\naddress = \"10.50.{vip}.{}:80\"\nweight = {}\n", real + 1, real + 1);
                text.write_str(&real).expect("a string takes all");
            }
        }
    }
    text
}
