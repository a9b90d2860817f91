//! Crafted machines: each has its /proc, /sys and /dev below a folder.

use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// A machine on which everything is as it should be, with a card bound to vfio-pci, and a configuration for it.
struct Crafted(TempDir);

impl Crafted {
    fn new() -> Self {
        let machine = Self(tempfile::tempdir().expect("a folder"));
        machine.write("proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sse4_2 avx2 constant_tsc nonstop_tsc\n");
        machine.write("proc/self/status", "Name:\tsluice\nCapEff:\t000001ffffffffff\n");
        machine.write("proc/mounts", "none / ext4 rw 0 0\nnone /dev/hugepages hugetlbfs rw 0 0\n");
        machine.write("proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable: 8192000 kB\n");
        machine.write("proc/sys/net/ipv4/ip_forward", "1\n");
        machine.write("proc/sys/net/ipv4/conf/all/rp_filter", "0\n");
        machine.write("proc/sys/net/ipv4/conf/sluice-wan/rp_filter", "0\n");
        machine.write("dev/net/tun", "");
        machine.write("dev/vfio/vfio", "");
        machine.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
        let pool = "sys/kernel/mm/hugepages/hugepages-1048576kB";
        machine.write(&format!("{pool}/nr_hugepages"), "4\n");
        machine.write(&format!("{pool}/free_hugepages"), "4\n");
        for (file, text) in [("online", "0-3"), ("isolated", "2-3"), ("nohz_full", "2-3")] {
            machine.write(&format!("sys/devices/system/cpu/{file}"), text);
        }
        for cpu in 0..4 {
            machine.write(&format!("sys/devices/system/cpu/cpu{cpu}/node0/cpulist"), "0-3");
            machine.write(&format!("sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"), &cpu.to_string());
        }
        machine.write("sys/class/iommu/dmar0/x", "");
        machine.write("sys/bus/pci/devices/0000:01:00.0/numa_node", "0\n");
        machine.bind("vfio-pci");
        machine.write("sluice.toml", "[dataplane]\nworkers = [2, 3]\n[[port]]\nname = \"wan\"\ndevice = \"0000:01:00.0\"\nkernel_interface = \"sluice-wan\"\n");
        let service = "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:80\"\n[[service.real]]\naddress = \"10.1.0.1:80\"\n";
        machine.write("services.toml", service);
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.expect("removed");
    }

    /// The card has this driver.
    fn bind(&self, driver: &str) {
        self.link("sys/bus/pci/devices/0000:01:00.0/driver", &format!("../../drivers/{driver}"));
    }

    fn link(&self, name: &str, to: &str) {
        let link = self.path(name);
        fs::create_dir_all(link.parent().expect("a folder")).expect("made");
        let _ = fs::remove_file(&link);
        symlink(to, link).expect("linked");
    }

    /// The card shares its IOMMU group with another function, which has this driver.
    fn share_group(&self, driver: &str) {
        const DEVICES: &str = "sys/bus/pci/devices";
        self.link(&format!("{DEVICES}/0000:01:00.0/iommu_group"), "../../kernel/iommu_groups/7");
        self.link(&format!("{DEVICES}/0000:01:00.1/driver"), &format!("../../drivers/{driver}"));
        for address in ["0000:01:00.0", "0000:01:00.1"] {
            self.write(&format!("sys/kernel/iommu_groups/7/devices/{address}"), "");
        }
    }

    /// A line of [control] in sluice.toml.
    fn control(&self, line: &str) {
        let text = fs::read_to_string(self.path("sluice.toml")).expect("written");
        self.write("sluice.toml", &format!("{text}[control]\n{line}\n"));
    }

    fn options(&self) -> Options {
        Options {
            config: self.path("sluice.toml"),
            services: self.path("services.toml"),
            no_probe: false,
            real: None,
            vip: None,
            root: self.0.path().to_owned(),
        }
    }

    fn examine(&self) -> Vec<Finding> {
        examine(&self.options())
    }

    /// The findings that are not ok: topic and verdict.
    fn complaints(&self) -> Vec<(&'static str, Verdict)> {
        let findings = self.examine();
        for finding in findings.iter().filter(|finding| finding.verdict != Verdict::Ok) {
            assert!(finding.advice.is_some(), "what to do about it is missing: {finding:?}");
        }
        complaints_among(&findings)
    }
}

fn complaints_among(findings: &[Finding]) -> Vec<(&'static str, Verdict)> {
    findings.iter().filter(|f| f.verdict != Verdict::Ok).map(|f| (f.topic, f.verdict)).collect()
}

#[test]
fn a_machine_that_is_right_has_no_complaint() {
    let machine = Crafted::new();
    let findings = machine.examine();
    assert!(findings.iter().all(|finding| finding.verdict == Verdict::Ok), "{findings:#?}");
    let topics: Vec<&str> = findings.iter().map(|finding| finding.topic).collect();
    for topic in [
        "config",
        "cpu",
        "clock",
        "hugepages",
        "memory",
        "driver",
        "iommu",
        "numa",
        "isolation",
        "tap",
        "rights",
        "sysctl",
    ] {
        assert!(topics.contains(&topic), "{topic} is not among {topics:?}");
    }
    assert!(is_fit(&findings));
}

#[test]
fn each_thing_that_is_wrong_is_said_and_nothing_else() {
    type Spoil = fn(&Crafted);
    let cases: &[(Spoil, &str, Verdict)] = &[
        (|m| m.write("proc/cpuinfo", "flags : fpu constant_tsc nonstop_tsc\n"), "cpu", Verdict::Fail),
        (|m| m.write("sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages", "0"), "hugepages", Verdict::Fail),
        (|m| m.write("sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages", "0"), "hugepages", Verdict::Warn),
        (|m| m.write("proc/mounts", ""), "hugepages", Verdict::Fail),
        (|m| m.write("proc/meminfo", "MemAvailable: 102400 kB\n"), "memory", Verdict::Fail),
        (|m| m.remove("sys/class/iommu"), "iommu", Verdict::Fail),
        (|m| m.bind("uio_pci_generic"), "driver", Verdict::Warn),
        (|m| m.bind("ixgbe"), "driver", Verdict::Fail),
        (|m| m.remove("sys/bus/pci/devices/0000:01:00.0"), "driver", Verdict::Fail),
        (|m| m.write("sys/bus/pci/devices/0000:01:00.0/numa_node", "1"), "numa", Verdict::Warn),
        (|m| m.write("sys/devices/system/cpu/online", "0-1"), "cores", Verdict::Fail),
        (|m| m.write("sys/devices/system/cpu/isolated", ""), "isolation", Verdict::Warn),
        (|m| m.write("sys/devices/system/cpu/nohz_full", ""), "isolation", Verdict::Warn),
        (|m| m.write("sys/devices/system/cpu/cpu2/topology/thread_siblings_list", "2-3"), "cores", Verdict::Warn),
        (|m| m.write("sys/devices/system/cpu/cpu3/cpufreq/scaling_governor", "powersave"), "frequency", Verdict::Warn),
        (|m| m.remove("dev/vfio/vfio"), "driver", Verdict::Fail),
        (|m| m.share_group("ixgbe"), "iommu", Verdict::Fail),
        (|m| m.remove("dev/net/tun"), "tap", Verdict::Fail),
        (
            |m| {
                m.remove("dev/net/tun");
                m.write("dev/net/tun/folder", "")
            },
            "tap",
            Verdict::Fail,
        ),
        (|m| m.write("proc/self/status", "CapEff:\t0000000000000000\n"), "rights", Verdict::Warn),
        (|m| m.write("proc/sys/net/ipv4/ip_forward", "0"), "sysctl", Verdict::Warn),
        (|m| m.write("proc/sys/net/ipv4/conf/sluice-wan/rp_filter", "1"), "sysctl", Verdict::Warn),
        (|m| m.write("proc/net/ip_vs", "IP Virtual Server\nTCP  0A000001:0050 rr\n"), "ipvs", Verdict::Warn),
        (|m| m.write("services.toml", "[[service]]\nname = 1\n"), "config", Verdict::Fail),
        (|m| m.write("services.toml", &tunnelled("")), "mtu", Verdict::Warn),
        (|m| m.write("proc/17/comm", "bird\n"), "vips", Verdict::Warn),
        (|m| m.write("proc/17/comm", "bgpd\n"), "vips", Verdict::Warn),
        (|m| m.write("proc/17/comm", "keepalived\n"), "vips", Verdict::Warn),
    ];
    for (spoil, topic, verdict) in cases {
        let machine = Crafted::new();
        spoil(&machine);
        assert_eq!(machine.complaints(), [(*topic, *verdict)], "{:#?}", machine.examine());
    }
}

/// A service by tunnel, with a further line.
fn tunnelled(line: &str) -> String {
    format!(
        "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:80\"\nmethod = \"tunnel\"\n{line}\n\
         [[service.real]]\naddress = \"10.1.0.1:80\"\n"
    )
}

#[test]
fn a_tunnel_has_room_by_the_mtu_or_by_a_smaller_mss() {
    let machine = Crafted::new();
    machine.write("services.toml", &tunnelled("clamp_mss = true"));
    assert_eq!(machine.complaints(), []);
    machine.write("services.toml", &tunnelled(""));
    let file = fs::read_to_string(machine.path("sluice.toml")).expect("written");
    machine.write("sluice.toml", &format!("{file}mtu = 1520\n"));
    assert_eq!(machine.complaints(), []);
}

#[test]
fn who_announces_the_vips_fits_what_the_configuration_says() {
    for (program, vips) in [("bird", "served"), ("bgpd", "never"), ("keepalived", "never")] {
        let machine = Crafted::new();
        machine.write("proc/17/comm", &format!("{program}\n"));
        machine.control(&format!("vips = {vips:?}"));
        assert_eq!(machine.complaints(), [], "{program}");
        let file = fs::read_to_string(machine.path("sluice.toml")).expect("written");
        machine.write("sluice.toml", &file.replace("kernel_interface = \"sluice-wan\"\n", ""));
        assert_eq!(machine.complaints(), [("vips", Verdict::Warn)], "{program}: by no kernel interface");
    }
}

#[test]
fn a_group_of_the_iommu_whose_other_devices_are_given_out_too_is_fine() {
    for driver in ["vfio-pci", "pcieport"] {
        let machine = Crafted::new();
        machine.share_group(driver);
        assert_eq!(machine.complaints(), [], "{driver}");
    }
}

#[test]
fn a_clock_that_may_stop_is_warned_of() {
    let machine = Crafted::new();
    machine.write("sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet");
    assert_eq!(machine.complaints(), [], "the TSC is steady all the same");
    machine.write("proc/cpuinfo", "flags : sse4_2\n");
    assert_eq!(machine.complaints(), [("clock", Verdict::Warn)]);
}

#[test]
fn a_machine_without_iommu_that_says_so_is_warned_of() {
    let machine = Crafted::new();
    machine.remove("sys/class/iommu");
    machine.write("sys/module/vfio/parameters/enable_unsafe_noiommu_mode", "Y\n");
    assert_eq!(machine.complaints(), [("iommu", Verdict::Warn)]);
}

#[test]
fn a_card_of_nvidia_stays_with_its_driver_and_needs_no_iommu() {
    let machine = Crafted::new();
    machine.bind("mlx5_core");
    machine.remove("sys/class/iommu");
    assert_eq!(machine.complaints(), []);
}

#[test]
fn a_second_numa_node_needs_hugepages_too() {
    let machine = Crafted::new();
    for (node, pages) in [(0, "4"), (1, "0")] {
        let folder = format!("sys/devices/system/node/node{node}/hugepages/hugepages-1048576kB");
        machine.write(&format!("{folder}/nr_hugepages"), pages);
    }
    assert_eq!(machine.complaints(), [("numa", Verdict::Warn)]);
}

#[test]
fn a_trial_without_hugepages_cards_and_kernel_interfaces_is_fit() {
    let machine = Crafted::new();
    machine.write("sluice.toml", "[dataplane]\nworkers = [1]\nidle = \"sleep\"\neal = [\"--no-huge\", \"--no-pci\"]\n[[port]]\nname = \"wan\"\ndevice = \"net_null0\"\n");
    machine.remove("dev/net/tun");
    machine.remove("sys/kernel/mm/hugepages");
    assert_eq!(machine.complaints(), [("hugepages", Verdict::Warn)]);
}

#[test]
fn hugepages_are_counted_in_whole_pages_and_as_the_eal_is_told() {
    let machine = Crafted::new();
    let found = |machine: &Crafted| {
        let findings = machine.examine();
        let finding = findings.iter().find(|finding| finding.topic == "hugepages").expect("a finding");
        (finding.verdict, finding.found.clone())
    };
    let listed = "4 of 1024 MiB (4 free); about 1024 MiB are needed for packets".to_owned();
    assert_eq!(found(&machine), (Verdict::Ok, listed), "one page of 1 GiB");
    let file = fs::read_to_string(machine.path("sluice.toml")).expect("written");
    machine.write("sluice.toml", &file.replace("[dataplane]", "[dataplane]\neal = [\"-m\", \"5000\"]"));
    let listed = "4 of 1024 MiB (4 free): 4096 MiB, too little for the packets".to_owned();
    assert_eq!(found(&machine), (Verdict::Fail, listed));
}

#[test]
fn a_file_that_is_wrong_is_named_with_its_line() {
    let machine = Crafted::new();
    machine.write("sluice.toml", "[dataplane]\nworkers = [999]\n");
    let findings = machine.examine();
    let finding = findings.iter().find(|finding| finding.verdict == Verdict::Fail).expect("a failure");
    assert!(finding.found.contains("sluice.toml"), "{finding:?}");
    assert!(!is_fit(&findings));
}

#[test]
fn what_the_dataplane_says_of_its_ports_is_judged_by_the_workers() {
    let machine = Crafted::new();
    let config = config::Machine::load(&machine.path("sluice.toml")).expect("valid");
    let judged = |port: &str| {
        let answer =
            format!(r#"{{"dpdk":"DPDK 22.11.11","error":null,"running":null,"ports":[{{"name":"wan",{port}}}]}}"#);
        let probed = Some(Ok(serde_json::from_str(&answer).expect("an answer")));
        let findings = probe::examine(&probed, &config);
        assert!(findings.iter().all(|finding| finding.advice.is_some() == (finding.verdict != Verdict::Ok)));
        complaints_among(&findings)
    };
    let queues = |rx: u16, tx: u16, steering: &str, mtu: u16| {
        judged(&format!(
            r#""error":null,"driver":"net_ice","rx_queues":{rx},"tx_queues":{tx},"steering":"{steering}","reason":"so it is","max_mtu":{mtu}"#
        ))
    };
    const AFFINE: &str = "rss client-affine";
    let (warn, fail) = (Verdict::Warn, Verdict::Fail);
    assert_eq!(queues(64, 64, AFFINE, 9000), []);
    assert_eq!(queues(1, 64, "hand-off", 9000), [("queues", warn), ("offloads", warn)]);
    assert_eq!(queues(64, 64, "hand-off", 9000), [("offloads", warn)]);
    assert_eq!(queues(64, 64, "rss, hand-off", 9000), [("offloads", warn)]);
    assert_eq!(queues(64, 1, AFFINE, 9000), [("queues", warn)]);
    assert_eq!(queues(64, 64, AFFINE, 1400), [("mtu", fail)]);
    assert_eq!(judged(r#""error":"no such device""#), [("port", fail)]);
    let gone = Some(Err("sluice-dataplane can't be started".to_owned()));
    assert_eq!(probe::examine(&gone, &config)[0].verdict, Verdict::Fail);
}

/// A real server of this method: what is wrong with it.
fn complaints_of_a_real(machine: &Crafted, method: ForwardMethod) -> Vec<(&'static str, Verdict)> {
    let options =
        Options { real: Some(method), vip: Some("10.0.0.1".parse().expect("an address")), ..machine.options() };
    complaints_among(&examine(&options))
}

#[test]
fn a_real_server_is_looked_at_by_its_method() {
    let machine = Crafted::new();
    machine.write("proc/net/route", "Iface\tDestination\tGateway\n");
    machine.write("proc/net/fib_trie", "Main:\n  |-- 127.0.0.1\n     /32 host LOCAL\n");
    machine.write("proc/sys/net/ipv4/conf/all/arp_ignore", "0");
    machine.write("proc/sys/net/ipv4/conf/all/arp_announce", "0");
    machine.write("proc/sys/net/ipv4/conf/tunl0/rp_filter", "1");
    use ForwardMethod::{Direct, Nat, Tunnel};
    let (fail, arp) = (Verdict::Fail, ("arp", Verdict::Fail));
    assert_eq!(complaints_of_a_real(&machine, Nat), [("route", fail)]);
    assert_eq!(complaints_of_a_real(&machine, Direct), [("vip", fail), arp, arp]);
    assert_eq!(complaints_of_a_real(&machine, Tunnel), [("vip", fail), ("tunnel", fail), arp, arp, ("filter", fail)]);

    machine.write("proc/net/route", "Iface\tDestination\tGateway\neth0\t00000000\t010010AC\t0003\n");
    machine.write("proc/net/fib_trie", "Main:\n  |-- 10.0.0.1\n     /32 host LOCAL\n");
    machine.write("proc/sys/net/ipv4/conf/all/arp_ignore", "1");
    machine.write("proc/sys/net/ipv4/conf/all/arp_announce", "2");
    machine.write("proc/sys/net/ipv4/conf/tunl0/rp_filter", "2");
    machine.write("sys/class/net/tunl0/flags", "0x81");
    for method in [Nat, Direct, Tunnel] {
        assert_eq!(complaints_of_a_real(&machine, method), [], "{method}");
    }
    machine.write("sys/class/net/tunl0/flags", "0x80");
    assert_eq!(complaints_of_a_real(&machine, Tunnel), [("tunnel", fail)], "tunl0 is down");
}

#[test]
fn of_a_real_server_s_interfaces_each_must_keep_silent_or_all_of_them() {
    let machine = Crafted::new();
    machine.write("proc/net/fib_trie", "Main:\n  |-- 10.0.0.1\n     /32 host LOCAL\n");
    for (interface, ignore, announce) in
        [("all", "0", "0"), ("default", "0", "0"), ("lo", "0", "0"), ("eth0", "1", "2")]
    {
        machine.write(&format!("proc/sys/net/ipv4/conf/{interface}/arp_ignore"), ignore);
        machine.write(&format!("proc/sys/net/ipv4/conf/{interface}/arp_announce"), announce);
    }
    machine.remove("proc/sys/net/ipv4/conf/sluice-wan");
    assert_eq!(complaints_of_a_real(&machine, ForwardMethod::Direct), [], "by its one interface");
    machine.write("proc/sys/net/ipv4/conf/eth1/arp_ignore", "0");
    machine.write("proc/sys/net/ipv4/conf/eth1/arp_announce", "2");
    assert_eq!(complaints_of_a_real(&machine, ForwardMethod::Direct), [("arp", Verdict::Fail)], "eth1 answers");
}

#[test]
fn lists_of_the_kernel_are_understood() {
    assert_eq!(host::parse_list("0-2,5"), [0, 1, 2, 5]);
    assert_eq!(host::parse_list(""), [] as [u64; 0]);
    assert_eq!(devices::pci_address("0000:01:00.0,dv_flow_en=0"), Some("0000:01:00.0"));
    assert_eq!(devices::pci_address("net_tap0,iface=wan0"), None);
}

#[test]
fn the_report_has_a_line_for_what_was_found_and_one_for_what_to_do() {
    let findings = [Finding::ok("tap", "is there"), Finding::fail("iommu", "off", "switch it on")];
    let mut out = Vec::new();
    show(&findings, &mut out).expect("written");
    let text = String::from_utf8(out).expect("text");
    assert_eq!(
        text,
        "ok    tap    is there\nfail  iommu  off\n             -> switch it on\n1 ok, 0 warnings, 1 failures\n"
    );
    let json = serde_json::to_value(&findings).expect("JSON");
    assert_eq!(json[1]["verdict"], "fail");
    assert_eq!(json[0]["advice"], serde_json::Value::Null);
}
