//! What is planned for the families of network cards, by their documented capabilities. No card is asked: these are mocks
//! of what their drivers report.

use super::{Plan, plan, queue_of};
use crate::steer;
use config::Faces;
use link::Steering;
use rte_rs::PortCapabilities;
use rte_rs::port::rss;

const WHOLE_TUPLE: u64 = rss::IPV4 | rss::IPV4_FRAGMENT | rss::IPV4_TCP | rss::IPV4_UDP | rss::IPV4_OTHER;
const FIELDS: u64 = rss::L3_SOURCE_ONLY | rss::L3_DESTINATION_ONLY | rss::L4_SOURCE_ONLY | rss::L4_DESTINATION_ONLY;
const CLIENT_FIELDS: u64 = rss::L3_SOURCE_ONLY | rss::L4_SOURCE_ONLY;
const REAL_FIELDS: u64 = rss::L3_DESTINATION_ONLY | rss::L4_DESTINATION_ONLY;

fn port(driver: &str, queues: u16, rss_types: u64, rss_key_length: u32, rss_table_size: u32) -> PortCapabilities {
    PortCapabilities {
        driver: driver.to_owned(),
        max_rx_queues: queues,
        max_tx_queues: queues,
        rss_types,
        rss_key_length,
        rss_table_size,
        min_mtu: 68,
        max_mtu: 9000,
        socket: 0,
    }
}

/// Driver, most queues, RSS types, key, table; what it becomes with eight workers on the clients' side, and whether the
/// fields go by flow rules. From DPDK's guides of the drivers (doc/guides/nics), its test plans (DTS), and what the drivers'
/// sources say they report.
fn families() -> Vec<(PortCapabilities, Steering, bool)> {
    use Steering::{ClientAffine, HandOff, Spread};
    vec![
        // mlx5.rst, Features: "RSS using different combinations of fields: L3 only, L4 only or both, and source only,
        // destination only or both"; MLX5_RSS_HF_MASK.
        (port("mlx5_pci", 1024, WHOLE_TUPLE | FIELDS, 40, 512), ClientAffine, false),
        // hns3.rst, RSS; HNS3_ETH_RSS_SUPPORT and HNS3_RSS_IND_TBL_SIZE of hns3_rss.h.
        (port("net_hns3", 1280, WHOLE_TUPLE | FIELDS, 40, 512), ClientAffine, false),
        // ice.rst; DTS "ICE: Advanced RSS", table of patterns and input sets: l3-src-only and l4-src-only by flow rules,
        // while ICE_RSS_OFFLOAD_ALL has none of them.
        (port("net_ice", 256, WHOLE_TUPLE, 52, 512), ClientAffine, true),
        // i40e.rst; DTS "Configuration of RSS in RTE Flow"; I40E_RSS_OFFLOAD_ALL and the masks of i40e_hash.c.
        (port("net_i40e", 192, WHOLE_TUPLE & !rss::IPV4, 52, 512), ClientAffine, true),
        // intel_vf.rst: a table of 64, where the owner needs 128.
        (port("net_iavf", 16, WHOLE_TUPLE, 52, 64), Spread, false),
        // ixgbe.rst; IXGBE_RSS_OFFLOAD_ALL: whole tuples.
        (port("net_ixgbe", 128, rss::IPV4 | rss::IPV4_TCP | rss::IPV4_UDP, 40, 128), Spread, false),
        // virtio.rst, RSS; VIRTIO_NET_RSS_RETA_SIZE and VIRTIO_NET_RSS_KEY_SIZE; hash types of whole tuples.
        (port("net_virtio", 128, rss::IPV4 | rss::IPV4_TCP | rss::IPV4_UDP, 40, 128), Spread, false),
        // virtio without VIRTIO_NET_F_RSS.
        (port("net_virtio", 128, 0, 0, 0), HandOff, false),
        // ena.rst; ENA_ALL_RSS_HF, ENA_RX_RSS_TABLE_SIZE.
        (port("net_ena", 128, rss::IPV4_TCP | rss::IPV4_UDP, 40, 128), Spread, false),
        // vmxnet3.rst.
        (port("net_vmxnet3", 16, rss::IPV4 | rss::IPV4_TCP, 40, 128), Spread, false),
        // tap.rst; TAP_RSS_HF_MASK: whole tuples, spread by the kernel.
        (port("net_tap", 16, WHOLE_TUPLE, 40, 0), Spread, false),
        // memif.rst, no RSS.
        (port("net_memif", 255, 0, 0, 0), HandOff, false),
        // af_packet.rst: as many queues as qpairs says.
        (port("net_af_packet", 4, 0, 0, 0), HandOff, false),
    ]
}

#[test]
fn each_family_of_cards_gets_the_best_that_it_is_documented_to_do() {
    for (offer, steering, by_rule) in families() {
        let Plan { rx_queues, tx_queues, rss, steering: planned, reason } = plan(&offer, Faces::Clients, 0, 8);
        let driver = &offer.driver;
        assert_eq!(planned, steering, "{driver}: {reason}");
        assert!(rx_queues <= offer.max_rx_queues && tx_queues <= offer.max_tx_queues, "{driver}");
        match steering {
            Steering::ClientAffine => {
                let rss = rss.expect("what the device is asked for");
                let (types, rule) = if by_rule { (0, CLIENT_FIELDS) } else { (CLIENT_FIELDS, 0) };
                assert_eq!((rss.types & FIELDS, rss.fields_by_rule), (types, rule), "{driver}");
                assert_eq!(rss.types & !offer.rss_types, 0, "{driver}: only what it offers");
                assert_eq!(rss.key.map(|key| key.len()), Some(offer.rss_key_length as usize), "{driver}");
                assert_eq!(rss.table.len(), offer.rss_table_size as usize, "{driver}");
                assert_eq!(rx_queues, 8, "{driver}");
            }
            Steering::Spread => {
                assert_eq!(rss.map(|rss| (rss.types & FIELDS, rss.table)), Some((0, vec![])), "{driver}")
            }
            _ => assert_eq!(rss, None, "{driver}"),
        }
    }
}

#[test]
fn the_reals_side_is_spread_by_destination_and_a_port_for_both_by_the_whole_tuple() {
    let offer = port("mlx5_pci", 64, WHOLE_TUPLE | FIELDS, 40, 512);
    let reals = plan(&offer, Faces::Reals, 1, 4);
    assert_eq!(reals.rss.map(|rss| rss.types & FIELDS), Some(REAL_FIELDS));
    let both = plan(&offer, Faces::Both, 0, 4);
    assert_eq!((both.steering, both.rss.map(|rss| rss.types & FIELDS)), (Steering::Spread, Some(0)));
    let alone = plan(&offer, Faces::Clients, 0, 1);
    assert_eq!((alone.steering, alone.rx_queues, alone.rss), (Steering::OneWorker, 1, None));
}

#[test]
fn the_table_leads_to_the_queue_that_the_owner_polls() {
    let offer = port("mlx5_pci", 64, WHOLE_TUPLE | FIELDS, 40, 512);
    for index in 0..5 {
        let table = plan(&offer, Faces::Clients, index, 3).rss.expect("client-affine").table;
        for (owner, queue) in steer::table(512, 3).into_iter().zip(table) {
            // As the queues are dealt: number n of a port to worker (index + n) % workers.
            assert_eq!((index + queue) % 3, owner);
        }
    }
}

#[test]
fn with_too_few_queues_each_still_gets_packets() {
    let few = port("mlx5_pci", 2, WHOLE_TUPLE | FIELDS, 40, 512);
    let plan = plan(&few, Faces::Clients, 0, 4);
    assert_eq!((plan.rx_queues, plan.tx_queues, plan.steering), (2, 1, Steering::ClientAffine));
    let table = plan.rss.expect("client-affine").table;
    assert_eq!(table.iter().filter(|queue| **queue == 0).count() * 2, table.len());
    assert!((0..4).all(|worker| queue_of(worker, 0, 2, 4) < 2));
}
