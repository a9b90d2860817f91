//! CARD-7: a director takes part in routing. BIRD or FRR runs over the kernel interface, with conf/bird.conf or
//! conf/frr.conf as they are shipped: a VIP is announced while one of its services has a usable real, and withdrawn when
//! none has.

use std::net::Ipv4Addr;

use lab::{Lab, Node, Process, ROUTER_WAN, Result, wait_until};

use crate::support::{LIMIT, ask, service, url};

/// On no link of the laboratory: only BGP tells the way to it.
const VIP: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 80);

#[test]
fn a_vip_is_announced_while_its_service_has_a_usable_real() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let machine = lab.machine().to_string().replace("[control]", "[control]\nvips = \"served\"");
    lab.start_director(&machine, &service("web", "tcp", VIP, 80, "nat"))?;
    // The director's default route is to come from the router.
    lab.director().ip("route del default\n")?;
    let _daemons = [start_bird(&lab, lab.director(), &shipped())?, start_bird(&lab, lab.router(), &neighbours())?];

    wait_for_route(&lab, true)?;
    wait_until("the default route on the director", LIMIT, || {
        let routes = lab.director().run("ip", ["route", "show", "default"])?.stdout;
        Ok(routes.contains(&format!("via {ROUTER_WAN} dev sluice-wan proto bird")).then_some(()))
    })?;
    lab.client().wait_for_answer(&url(VIP), LIMIT)?;

    // While one real is left it stays.
    for real in ["172.16.0.2:80", "172.16.0.3:80"] {
        lab.sluice_ok(["real", "set", "web", real, "--weight", "0"])?;
    }
    lab.client().wait_for_answer(&url(VIP), LIMIT)?;
    assert!(has_route(&lab)?);

    lab.sluice_ok(["real", "set", "web", "172.16.0.4:80", "--weight", "0"])?;
    wait_for_route(&lab, false)?;
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "1"])?;
    wait_for_route(&lab, true)?;
    lab.client().wait_for_answer(&url(VIP), LIMIT)?;

    // A dataplane that ends takes its interfaces with it, and so the announcement.
    lab.dataplane().expect("it was started").signal(lab::Signal::TERM)?;
    wait_for_route(&lab, false)
}

#[test]
fn a_vip_is_withdrawn_while_checks_leave_its_service_without_quorum() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let machine = lab.machine().to_string().replace("[control]", "[control]\nvips = \"served\"");
    let check = "quorum = 2\n[service.check]\ntype = \"http\"\ninterval = \"200ms\"\ntimeout = \"150ms\"\n";
    let services =
        service("web", "tcp", VIP, 80, "nat").replacen("[[service.real]]", &format!("{check}[[service.real]]"), 1);
    lab.start_director(&machine, &services)?;
    let _daemons = [start_bird(&lab, lab.director(), &shipped())?, start_bird(&lab, lab.router(), &neighbours())?];
    wait_for_route(&lab, true)?;
    lab.client().wait_for_answer(&url(VIP), LIMIT)?;

    // Two of three make the quorum; one does not, although it goes on serving who is there.
    let signal = |real: usize, name: &str| -> Result<()> {
        let pid = lab.folder().join(format!("real{real}/nginx.pid"));
        lab.require_real(real)?.shell(&format!("kill -{name} $(cat {})", pid.display())).map(drop)
    };
    signal(1, "STOP")?;
    wait_for_in_pool(&lab, 2)?;
    assert!(has_route(&lab)?);
    signal(2, "STOP")?;
    wait_for_in_pool(&lab, 1)?;
    wait_for_route(&lab, false)?;
    signal(1, "CONT")?;
    wait_for_route(&lab, true)?;
    lab.client().wait_for_answer(&url(VIP), LIMIT)?;
    signal(2, "CONT")?;
    wait_for_in_pool(&lab, 3)
}

#[test]
fn frr_announces_it_as_bird_does() -> Result<()> {
    let mut lab = Lab::paper_example()?;
    let machine = lab.machine().to_string().replace("[control]", "[control]\nvips = \"served\"");
    lab.start_director(&machine, &service("web", "tcp", VIP, 80, "nat"))?;
    lab.director().ip("route del default\n")?;
    let _router = start_bird(&lab, lab.router(), &neighbours())?;
    let _daemons = start_frr(&lab, lab.director())?;

    wait_for_route(&lab, true)?;
    wait_until("the default route on the director", LIMIT, || {
        let routes = lab.director().run("ip", ["route", "show", "default"])?.stdout;
        Ok(routes.contains(&format!("via {ROUTER_WAN} dev sluice-wan proto bgp")).then_some(()))
    })?;
    lab.client().wait_for_answer(&url(VIP), LIMIT)?;

    for real in ["172.16.0.2:80", "172.16.0.3:80", "172.16.0.4:80"] {
        lab.sluice_ok(["real", "set", "web", real, "--weight", "0"])?;
    }
    wait_for_route(&lab, false)?;
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "1"])?;
    wait_for_route(&lab, true)?;
    lab.client().wait_for_answer(&url(VIP), LIMIT)
}

/// Waits until checks have left so many reals in the pool.
fn wait_for_in_pool(lab: &Lab, wanted: u64) -> Result<()> {
    wait_until(format!("{wanted} reals in the pool"), LIMIT, || {
        Ok((ask(lab, "service show web")?["health"]["in_pool"] == wanted).then_some(()))
    })
}

/// zebra, which tells the kernel, and bgpd, which reads the whole of conf/frr.conf.
fn start_frr(lab: &Lab, node: &Node) -> Result<[Process; 2]> {
    let folder = lab.folder().join("frr");
    std::fs::create_dir(&folder).expect("a folder of its own");
    let file = |name: &str| folder.join(name).display().to_string();
    let (sockets, zebra, configuration) =
        (folder.display().to_string(), file("zserv"), concat!(env!("CARGO_MANIFEST_DIR"), "/conf/frr.conf"));
    let start = |name: &str, configuration: &str| {
        let (program, pid) = (format!("/usr/lib/frr/{name}"), file(&format!("{name}.pid")));
        let own = ["-f", configuration, "-i", &pid, "-z", &zebra, "--vty_socket", &sockets];
        // As the user who starts it (FRR wants the group of its terminals), without a port for terminals.
        node.spawn(name, &program, own.into_iter().chain(["-u", "root", "-g", "frrvty", "-P", "0"]))
    };
    let first = start("zebra", "/dev/null")?;
    wait_until("zebra's socket", LIMIT, || Ok(folder.join("zserv").exists().then_some(())))?;
    Ok([first, start("bgpd", configuration)?])
}

fn shipped() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/bird.conf");
    std::fs::read_to_string(file).expect("conf/bird.conf")
}

/// The router's side of conf/bird.conf.
fn neighbours() -> String {
    format!(
        "log stderr all;\nrouter id {ROUTER_WAN};\nprotocol device {{ scan time 1; }}\n\
         protocol static {{ ipv4; route 0.0.0.0/0 unreachable; }}\n\
         protocol kernel {{ ipv4 {{ import none; export where source = RTS_BGP; }}; }}\n\
         protocol bgp director {{ local {ROUTER_WAN} as 65000; neighbor 202.103.106.1 as 65001; passive; direct;\n\
         hold time 9; ipv4 {{ import all; export where source = RTS_STATIC; }}; }}\n"
    )
}

fn start_bird(lab: &Lab, node: &Node, configuration: &str) -> Result<Process> {
    let file = |kind: &str| lab.folder().join(format!("{}-bird.{kind}", node.name())).display().to_string();
    std::fs::write(file("conf"), configuration).expect("written");
    node.spawn("bird", "bird", ["-f", "-c", &file("conf"), "-s", &file("ctl")])
}

fn has_route(lab: &Lab) -> Result<bool> {
    let routes = lab.router().run("ip", ["route", "show", &format!("{VIP}/32")])?.stdout;
    Ok(routes.contains("proto bird"))
}

fn wait_for_route(lab: &Lab, wanted: bool) -> Result<()> {
    let what = if wanted { "the route to the VIP on the router" } else { "the route to the VIP to go" };
    wait_until(what, LIMIT, || Ok((has_route(lab)? == wanted).then_some(())))
}
