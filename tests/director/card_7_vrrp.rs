//! CARD-7: two directors are a VRRP pair. keepalived runs over the kernel interface of each, with conf/keepalived.conf
//! as it is shipped but for names and priority: the VIP is on one, moves when that fails, and comes back.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use lab::{Lab, Node, Process, REALS, Result, Signal, program, wait_until};

use crate::support::{LIMIT, url};

/// Of conf/keepalived.conf.
const VIP: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 100);
const INTERFACE: &str = "sluice-lan";

#[test]
fn the_vip_moves_to_the_other_director_and_back() -> Result<()> {
    let lab = Lab::paper_example()?;
    // On the segment itself: direct routing, with one port.
    let visitor = lab.add_node("visitor")?;
    lab.connect_to_segment(&visitor, "eth0")?;
    visitor.ip("addr add 172.16.0.200/24 dev eth0\n")?;
    for real in 1..=REALS.len() {
        lab.require_real(real)?.ip(&format!("addr add {VIP}/32 dev lo\n"))?;
    }
    let mut first = Director::start(&lab, 1, 150)?;
    let second = Director::start(&lab, 2, 100)?;

    first.wait_for_vip(true)?;
    second.wait_for_vip(false)?;
    visitor.wait_for_answer(&url(VIP), LIMIT)?;
    let before = first.connections()?;
    visitor.wait_for_answer(&url(VIP), LIMIT)?;
    assert!(first.connections()? > before, "the first serves");
    assert_eq!(second.connections()?, 0, "the second serves nobody");

    first.dataplane.kill()?;
    second.wait_for_vip(true)?;
    visitor.wait_for_answer(&url(VIP), LIMIT)?;
    assert!(second.connections()? > 0, "the second serves");

    first.start_dataplane()?;
    first.wait_for_vip(true)?;
    second.wait_for_vip(false)?;
    visitor.wait_for_answer(&url(VIP), LIMIT)?;

    // As asked to: the interface goes at once.
    first.dataplane.signal(Signal::TERM)?;
    second.wait_for_vip(true)?;
    visitor.wait_for_answer(&url(VIP), LIMIT)
}

/// One of the two.
struct Director<'a> {
    lab: &'a Lab,
    node: Node,
    number: u8,
    dataplane: Process,
    _control: Process,
    _keepalived: Process,
}

impl<'a> Director<'a> {
    fn start(lab: &'a Lab, number: u8, priority: u8) -> Result<Self> {
        let node = lab.add_node(&format!("vrrp{number}"))?;
        let file = |name: &str| folder(lab, &node).join(name).display().to_string();
        std::fs::create_dir_all(folder(lab, &node)).expect("a folder");
        let write = |name: &str, text: &str| std::fs::write(file(name), text).expect("written");
        write("sluice.toml", &machine(lab, &node, number));
        write("services.toml", &services());
        let dataplane = start_dataplane(lab, &node, number)?;
        let control = node.spawn(
            "control",
            &program("sluiced")?.to_string_lossy(),
            ["--config", &file("sluice.toml"), "--services", &file("services.toml")],
        )?;
        let sluice = format!("{} --socket {}", program("sluice")?.display(), file("control.sock"));
        let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/conf/keepalived.conf");
        let configuration = std::fs::read_to_string(shipped)
            .expect("conf/keepalived.conf")
            .replace("/usr/bin/sluice", &sluice)
            .replace("enable_script_security", "")
            .replace("priority 150", &format!("priority {priority}"))
            .replace("director-1", &format!("director-{number}"));
        write("keepalived.conf", &configuration);
        let (configuration, pid, vrrp) = (file("keepalived.conf"), file("keepalived.pid"), file("vrrp.pid"));
        let arguments = ["-n", "-l", "-D", "-P", "-f", &configuration, "-p", &pid, "-r", &vrrp];
        let keepalived = node.spawn("keepalived", "keepalived", arguments)?;
        Ok(Self { lab, node, number, dataplane, _control: control, _keepalived: keepalived })
    }

    fn start_dataplane(&mut self) -> Result<()> {
        self.dataplane = start_dataplane(self.lab, &self.node, self.number)?;
        Ok(())
    }

    fn wait_for_vip(&self, wanted: bool) -> Result<()> {
        let (name, what) = (self.node.name(), if wanted { "to come" } else { "to be elsewhere" });
        wait_until(format!("the VIP {what} on {name}"), LIMIT, || {
            let shown = self.node.capture("ip", ["-4", "-o", "addr", "show", "dev", INTERFACE])?.stdout;
            Ok((shown.contains(&format!("{VIP}/32")) == wanted).then_some(()))
        })
    }

    /// Connections that this one has.
    fn connections(&self) -> Result<u64> {
        let socket = folder(self.lab, &self.node).join("control.sock");
        let arguments = ["--socket", &socket.display().to_string(), "connection", "count"];
        let output = self.node.run(&program("sluice")?.to_string_lossy(), arguments)?;
        Ok(output.stdout.trim().parse().expect("a count"))
    }
}

fn folder(lab: &Lab, node: &Node) -> PathBuf {
    lab.folder().join(node.name())
}

/// Starts it and plugs its cable into the segment.
fn start_dataplane(lab: &Lab, node: &Node, number: u8) -> Result<Process> {
    let configuration = folder(lab, node).join("sluice.toml").display().to_string();
    let mut process =
        node.spawn("dataplane", &program("sluice-dataplane")?.to_string_lossy(), ["--config", &configuration])?;
    let cable = cable(number);
    for interface in [cable.as_str(), INTERFACE] {
        wait_until(format!("interface {interface}"), LIMIT, || {
            process.check_running()?;
            Ok(node.has_interface_up(interface).then_some(()))
        })?;
    }
    let segment = lab.segment();
    node.ip(&format!("link set {cable} netns {}\n", segment.namespace()))?;
    // net_tap gives both ends the same address, and a bridge would keep the director's frames.
    segment.ip(&format!(
        "link set {cable} address 02:00:00:00:03:0{number}\nlink set {cable} master bridge0\nlink set {cable} up\n"
    ))?;
    Ok(process)
}

fn cable(number: u8) -> String {
    format!("pair{number}")
}

fn machine(lab: &Lab, node: &Node, number: u8) -> String {
    let (socket, link) = (folder(lab, node).join("control.sock"), folder(lab, node).join("link"));
    format!(
        r#"[dataplane]
workers = [1]
eal = ["--no-huge", "--no-pci", "--in-memory", "--lcores=0@0,1@1"]
connections = 1000
idle = "sleep"

[[port]]
name = "lan"
device = "net_tap0,iface={}"
mac = "02:00:00:00:04:0{number}"
addresses = ["172.16.0.10{number}/24"]
kernel_interface = "{INTERFACE}"

[control]
socket = "{}"
link = "{}"
vips = "never"
"#,
        cable(number),
        socket.display(),
        link.display()
    )
}

fn services() -> String {
    crate::support::service("web", "tcp", VIP, 80, "direct")
}
