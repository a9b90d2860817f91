//! Ports and their queues, over virtual devices: what was sent is not ours any more, what was not still is.

mod common;

use common::{burst, numbers, own_network, pool, start};
use rte_rs::port::rss;
use rte_rs::{Burst, EthPort, Mempool, PortError, PortOptions, RssOptions, Tap};
use std::process::Command;
use std::time::{Duration, Instant};

/// Receives until `count` packets have come, or for three seconds.
fn receive(rx: &mut rte_rs::RxQueue, count: usize) -> Burst {
    let mut burst = Burst::new();
    let end = Instant::now() + Duration::from_secs(3);
    while burst.len() < count && Instant::now() < end {
        rx.receive(&mut burst);
        std::thread::sleep(Duration::from_millis(1));
    }
    burst
}

#[test]
fn sent_packets_leave_the_burst_and_the_driver_frees_them() {
    common::eal();
    let pool = pool(255);
    let mut port = start("net_null0,no-rx=1", &PortOptions::default(), &pool);
    let before = pool.in_use();
    let mut nothing = Burst::new();
    assert_eq!(port.tx[0].send(&mut nothing), 0);
    let mut packets = burst(&pool, 0, 32);
    assert_eq!(pool.in_use(), before + 32);
    assert_eq!(port.tx[0].send(&mut packets), 32);
    assert!(packets.is_empty());
    drop(packets);
    assert_eq!(pool.in_use(), before);
    let statistics = port.port.statistics().unwrap();
    assert_eq!((statistics.tx_packets, statistics.rx_packets), (32, 0));
}

#[test]
fn unsent_packets_stay_in_order_and_are_freed_once() {
    common::eal();
    let pool = pool(4095);
    // A device that receives what it sends, from a ring: it takes as many as fit.
    let mut port = start("net_ring0", &PortOptions::default(), &pool);
    let before = pool.in_use();
    let mut packets = burst(&pool, 0, 20);
    assert_eq!(port.tx[0].send(&mut packets), 20);
    let mut sent = 20;
    let last = loop {
        let mut packets = burst(&pool, 0, 32);
        let count = port.tx[0].send(&mut packets);
        sent += count;
        assert_eq!(numbers(&packets), (count as u8..32).collect::<Vec<_>>());
        if count < 32 {
            break packets;
        }
    };
    assert!(!last.is_empty() && last.len() < 32, "some were sent and some not: {}", last.len());
    assert_eq!(pool.in_use() as usize, before as usize + sent + last.len());
    drop(last);
    assert_eq!(pool.in_use() as usize, before as usize + sent);
    let mut none = burst(&pool, 0, 5);
    assert_eq!(port.tx[0].send(&mut none), 0);
    assert_eq!(numbers(&none), [0, 1, 2, 3, 4]);
    drop(none);
    let first = receive(&mut port.rx[0], 32);
    assert_eq!(numbers(&first), (0..20).chain(0..12).collect::<Vec<u8>>());
    drop(first);
    let mut received = 32;
    loop {
        let mut burst = Burst::new();
        match port.rx[0].receive(&mut burst) {
            0 => break,
            count => received += count,
        }
    }
    assert_eq!((received, pool.in_use()), (sent, before));
}

#[test]
fn a_receive_fills_only_what_is_free_of_the_burst() {
    common::eal();
    let pool = pool(255);
    let mut port = start("net_ring0", &PortOptions::default(), &pool);
    port.tx[0].send(&mut burst(&pool, 0, 10));
    let mut packets = burst(&pool, 50, 30);
    assert_eq!(port.rx[0].receive(&mut packets), 2);
    assert_eq!(packets.len(), 32);
    assert_eq!(numbers(&packets)[29..], [79, 0, 1]);
    assert_eq!(port.rx[0].receive(&mut packets), 0);
    packets.clear();
    assert_eq!(port.rx[0].receive(&mut packets), 8);
}

#[test]
fn frames_go_to_a_capture_file_and_come_from_one() {
    common::eal();
    let pool = pool(2047);
    let file = std::env::temp_dir().join(format!("rte-rs-{}.pcap", std::process::id()));
    let mut writer = start(&format!("net_pcap0,tx_pcap={}", file.display()), &PortOptions::default(), &pool);
    assert_eq!(writer.tx[0].send(&mut burst(&pool, 7, 9)), 9);
    drop(writer);
    let mut reader = start(&format!("net_pcap1,rx_pcap={}", file.display()), &PortOptions::default(), &pool);
    let packets = receive(&mut reader.rx[0], 9);
    assert_eq!(numbers(&packets), (7..16).collect::<Vec<_>>());
    assert_eq!(packets.as_slice()[0].data(), common::frame(7));
    assert_eq!(packets.as_slice()[0].port(), reader.port.id());
    std::fs::remove_file(file).unwrap();
}

#[test]
fn a_tap_device_exchanges_frames_with_the_kernel() {
    own_network();
    common::eal();
    let pool = pool(4095);
    let mac = [2, 0, 0, 0, 7, 1];
    let options = PortOptions { mac: Some(mac), mtu: 1400, ..PortOptions::default() };
    let mut port = start("net_tap0,iface=rtetest0", &options, &pool);
    assert_eq!(port.warnings, Vec::<String>::new());
    assert_eq!((port.port.mac(), port.port.mtu(), port.port.link_is_up()), (mac, 1400, true));
    let shown = Command::new("ip").args(["link", "show", "rtetest0"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("mtu 1400") && shown.contains("02:00:00:00:07:01"), "{shown}");
    // The kernel announces itself on a new interface (IPv6, multicast): frames come without our doing.
    let packets = receive(&mut port.rx[0], 1);
    assert!(!packets.is_empty(), "no frame from the kernel");
    assert_eq!(port.tx[0].send(&mut burst(&pool, 0, 4)), 4);
    let statistics = port.port.statistics().unwrap();
    assert_eq!(statistics.tx_packets, 4);
}

#[test]
fn a_port_is_stopped_and_gone_after_its_last_handle_or_queue() {
    common::eal();
    let pool = pool(1023);
    let port = start("net_ring0", &PortOptions::default(), &pool);
    let handle = port.port.clone();
    let (mut rx, mut tx) = (port.rx, port.tx);
    drop(port.port);
    drop(handle);
    assert_eq!(tx[0].send(&mut burst(&pool, 0, 2)), 2);
    drop(tx);
    assert_eq!(receive(&mut rx[0], 2).len(), 2);
    assert!(matches!(EthPort::probe("net_ring0"), Err(PortError::InUse { .. })));
    drop(rx);
    drop(start("net_ring0", &PortOptions::default(), &pool));
    drop(EthPort::probe("net_null3").unwrap());
    drop(EthPort::probe("net_null3").unwrap());
}

#[test]
fn a_device_that_can_not_be_is_refused_with_the_next_step() {
    common::eal();
    let refused = |device: &str| EthPort::probe(device).unwrap_err().to_string();
    let unknown = refused("net_nosuch0");
    assert!(unknown.starts_with("device net_nosuch0: "), "{unknown}");
    assert!(unknown.contains("as net_tap0,iface=tap0"), "{unknown}");
    let absent = refused("0000:99:00.0");
    assert!(absent.contains("dpdk-devbind.py --bind=vfio-pci 0000:99:00.0"), "{absent}");
    assert!(refused("").contains("a device is a PCI address"));
    let _open = EthPort::probe("net_null0").unwrap();
    assert_eq!(refused("net_null0"), "device net_null0: this process uses it already; name each device once");
}

#[test]
fn capabilities_tell_the_driver_and_its_limits() {
    common::eal();
    let port = EthPort::probe("net_null0").unwrap();
    let capabilities = port.capabilities().unwrap();
    assert_eq!((capabilities.driver.as_str(), capabilities.max_mtu), ("net_null", u16::MAX));
    let wanted = PortOptions { rx_queues: capabilities.max_rx_queues + 1, ..PortOptions::default() };
    let error = port.start(&wanted, &pool(1023)).unwrap_err();
    assert!(matches!(error, PortError::TooManyQueues { direction: "receive", .. }), "{error}");
}

#[test]
fn frames_larger_than_an_mbuf_are_refused_at_the_start() {
    common::eal();
    let pool = pool(1023);
    let jumbo = PortOptions { mtu: 9000, ..PortOptions::default() };
    let error = EthPort::probe("net_null0").unwrap().start(&jumbo, &pool).unwrap_err();
    assert_eq!(
        error.to_string(),
        "device net_null0: MTU 9000 needs mbufs of 9026 bytes, those of the pool have 2048; raise the pool's data room \
         or lower the MTU"
    );
    start("net_null0", &PortOptions::default(), &pool);
}

#[test]
fn what_a_driver_lacks_is_a_warning_not_a_refusal() {
    common::eal();
    let pool = pool(1023);
    let wanted = RssOptions { types: rss::IPV4_TCP | rss::L3_SOURCE_ONLY, ..RssOptions::default() };
    let options = PortOptions { mac: Some([2, 0, 0, 0, 0, 5]), mtu: 1400, rss: Some(wanted), ..PortOptions::default() };
    for device in ["net_ring0", "net_pcap0,tx_pcap=/dev/null"] {
        let port = start(device, &options, &pool);
        assert_eq!((port.rss_types, port.port.mac()), (0, [2, 0, 0, 0, 0, 5]));
        assert!(port.warnings.iter().any(|text| text.contains("RSS types")), "{:?}", port.warnings);
    }
    let plain = start("net_null0", &PortOptions::default(), &pool);
    assert_eq!(plain.warnings, Vec::<String>::new());
}

#[test]
fn queues_of_one_port_work_on_different_lcores() {
    let eal = common::eal();
    let pool: Mempool = pool(2047);
    let two = PortOptions { rx_queues: 2, tx_queues: 2, ..PortOptions::default() };
    let mut port = start("net_ring0", &two, &pool);
    let (mut rx, mut tx) = (port.rx.pop().unwrap(), port.tx.pop().unwrap());
    assert_eq!((rx.queue(), tx.queue(), rx.port()), (1, 1, port.port.id()));
    let theirs = pool.clone();
    let task = eal.launch(1, move || {
        tx.send(&mut burst(&theirs, 100, 3));
        numbers(&receive(&mut rx, 3))
    });
    port.tx[0].send(&mut burst(&pool, 0, 2));
    assert_eq!(numbers(&receive(&mut port.rx[0], 2)), [0, 1]);
    assert_eq!(task.unwrap().join(), [100, 101, 102]);
}

#[test]
fn a_tap_interface_of_our_own_speaks_to_the_kernel() {
    own_network();
    let mut tap = Tap::open("rtetest1", Some([2, 0, 0, 0, 8, 1]), 1300).unwrap();
    assert_eq!(tap.name(), "rtetest1");
    let shown = Command::new("ip").args(["link", "show", "rtetest1"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains("mtu 1300") && shown.contains("02:00:00:00:08:01") && shown.contains("UP"), "{shown}");
    let added = Command::new("ip").args(["address", "add", "10.77.0.1/24", "dev", "rtetest1"]).status().unwrap();
    assert!(added.success());
    // Who has 10.77.0.1? The kernel answers on the same interface.
    let mut request = [0u8; 42];
    request[..6].fill(0xff);
    request[6..12].copy_from_slice(&[2, 0, 0, 0, 8, 2]);
    request[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    request[22..28].copy_from_slice(&[2, 0, 0, 0, 8, 2]);
    request[28..32].copy_from_slice(&[10, 77, 0, 2]);
    request[38..42].copy_from_slice(&[10, 77, 0, 1]);
    assert!(tap.write(&request).unwrap());
    let end = Instant::now() + Duration::from_secs(3);
    let mut frame = [0u8; 2048];
    let answered = loop {
        match tap.read(&mut frame).unwrap() {
            Some(length) if length >= 42 && frame[12..14] == [8, 6] && frame[21] == 2 => break true,
            None if Instant::now() > end => break false,
            _ => std::thread::sleep(Duration::from_millis(1)),
        }
    };
    assert!(answered && frame[22..28] == [2, 0, 0, 0, 8, 1], "no ARP answer");
    let taken = Tap::open("rtetest1", None, 1500).unwrap_err().to_string();
    assert!(taken.contains("interface \"rtetest1\": the name is taken"), "{taken}");
    drop(tap);
    assert!(Tap::open("rtetest1", None, 1500).is_ok());
}

#[test]
fn an_interface_that_can_not_be_is_refused_with_the_reason() {
    own_network();
    let refused = |name: &str, mtu| Tap::open(name, None, mtu).unwrap_err().to_string();
    assert!(refused("sixteen-bytes-it", 1500).contains("a name has 1 to 15 bytes"));
    assert!(refused("rte/1", 1500).contains("none of / : % space NUL"));
    assert!(refused("lo", 1500).contains("interface \"lo\": the name is taken"));
    assert!(refused("rtetest2", 20).contains("MTU 20 can't be set, allowed 68 to 65521"));
    assert!(Tap::open("rtetest2", None, 1500).is_ok());
}

#[test]
fn a_tap_interface_outlives_a_crash_with_its_addresses_and_the_next_process_takes_it_over() {
    const NAME: &str = "rtetest3";
    const CRASH: &str = "RTE_TEST_CRASH";
    if std::env::var_os(CRASH).is_some() {
        let _tap = Tap::open(NAME, None, 1500).unwrap();
        std::process::abort();
    }
    own_network();
    let test = "a_tap_interface_outlives_a_crash_with_its_addresses_and_the_next_process_takes_it_over";
    let program = std::env::current_exe().unwrap();
    let crashed = Command::new(program).args(["--exact", test]).env(CRASH, "1").output().unwrap();
    assert!(!crashed.status.success());
    let ip = |arguments: &[&str]| Command::new("ip").args(arguments).output().unwrap();
    assert!(ip(&["addr", "add", "10.99.0.1/24", "dev", NAME]).status.success());
    let tap = Tap::open(NAME, Some([2, 0, 0, 0, 8, 3]), 1400).unwrap();
    let shown = String::from_utf8(ip(&["addr", "show", "dev", NAME]).stdout).unwrap();
    assert!(shown.contains("10.99.0.1/24") && shown.contains("mtu 1400"), "{shown}");
    drop(tap);
    assert!(!ip(&["link", "show", "dev", NAME]).status.success(), "a clean end leaves nothing");
}

#[test]
fn key_and_table_of_rss_are_set_and_what_needs_flow_rules_is_warned_of() {
    common::eal();
    let pool = pool(4095);
    let found = EthPort::probe("net_null9").unwrap();
    let capabilities = found.capabilities().unwrap();
    assert_eq!(capabilities.rss_table_size, 128);
    let rss = RssOptions {
        key: Some(vec![0x5a; 40]),
        types: rss::IPV4_UDP,
        fields_by_rule: rss::L3_SOURCE_ONLY | rss::L4_SOURCE_ONLY,
        table: (0..128).map(|entry| entry % 2).collect(),
    };
    let options = PortOptions { rx_queues: 2, tx_queues: 2, rss: Some(rss), ..PortOptions::default() };
    let port = found.start(&options, &pool).unwrap();
    assert_eq!((port.rss_types, port.rss_table_is_set, port.rx.len()), (rss::IPV4_UDP, true, 2));
    let warnings = port.warnings.join("; ");
    assert!(warnings.contains("flow rules do not take RSS by fields"), "{warnings}");
}
