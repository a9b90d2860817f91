//! The same frames pass here as in libpcap.

use super::Filter;
use link::capture::{Instruction, MAX_INSTRUCTIONS, Program};
use pcap::{BpfProgram, Capture, Linktype};
use proptest::prelude::*;
use wire::build::eth;

fn libpcap(text: &str) -> BpfProgram {
    let nowhere = Capture::dead(Linktype::ETHERNET).unwrap();
    nowhere.compile(text, true).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn ours(program: &BpfProgram) -> Filter {
    let instructions: Vec<Instruction> = program
        .get_instructions()
        .iter()
        .map(|one| {
            let numbers: Vec<u32> = one.to_string().split(' ').map(|number| number.parse().unwrap()).collect();
            Instruction { code: numbers[0] as u16, jt: numbers[1] as u8, jf: numbers[2] as u8, k: numbers[3] }
        })
        .collect();
    let mut filter = Filter::default();
    filter.load(Program::new(&instructions).expect("libpcap's programs are programs").instructions().iter().copied());
    filter
}

const FILTERS: [&str; 16] = [
    "",
    "tcp",
    "udp port 53",
    "tcp port 80 and host 202.103.106.5",
    "src net 202.100.0.0/16 or dst port 8000",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "icmp or arp",
    "ip proto 4",
    "not port 22 and less 400",
    "greater 100",
    "ip[8] > 3 and ip[2:2] % 7 = 2",
    "ether host 02:00:00:00:01:01",
    "vlan and ip",
    "ip[6:2] & 0x1fff != 0",
    "tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)",
    "portrange 1000-2000 and udp[4:2] * 3 / 2 > 30",
];

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let packet = (any::<bool>(), 0..3usize, prop_oneof![Just(80u16), Just(53), Just(22), any::<u16>()], 0..500usize)
        .prop_map(|(is_tcp, host, port, length)| {
            let client = ["202.100.1.2", "10.0.0.1", "203.0.113.9"][host];
            let frame = eth().from("02:00:00:00:01:fe").to("02:00:00:00:01:01").ipv4(client, "202.103.106.5");
            if is_tcp {
                frame.tcp(1000 + host as u16, port).syn().payload_len(length).bytes()
            } else {
                frame.udp(1500, port).payload_len(length).bytes()
            }
        });
    let changed = (packet.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut frame, place, byte)| {
        let place = place.index(frame.len().min(60));
        frame[place] = byte;
        frame
    });
    let cut = (packet.clone(), any::<prop::sample::Index>()).prop_map(|(mut frame, end)| {
        frame.truncate(end.index(frame.len()));
        frame
    });
    prop_oneof![packet, changed, cut, prop::collection::vec(any::<u8>(), 0..120)]
}

#[test]
fn frames_pass_a_filter_here_if_they_do_in_libpcap() {
    let filters: Vec<_> = FILTERS.iter().map(|text| (text, libpcap(text))).collect();
    let filters: Vec<_> = filters.iter().map(|(text, theirs)| (text, theirs, ours(theirs))).collect();
    let mut passed = vec![0; filters.len()];
    let counts = std::cell::RefCell::new(&mut passed);
    let mut runner =
        proptest::test_runner::TestRunner::new(ProptestConfig { cases: 4000, ..ProptestConfig::default() });
    let run = runner.run(&frames(), |frame| {
        for (index, (text, theirs, ours)) in filters.iter().enumerate() {
            prop_assert_eq!(ours.passes(&frame), theirs.filter(&frame), "{}", text);
            counts.borrow_mut()[index] += u32::from(ours.passes(&frame));
        }
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let idle: Vec<_> = FILTERS.iter().zip(&passed).filter(|(_, count)| **count == 0).map(|(text, _)| text).collect();
    assert!(idle.len() <= 3, "most filters let something pass: {idle:?}");
}

proptest! {
    /// Also one that is no valid program ends, and harms nobody.
    #[test]
    fn any_instructions_end(
        instructions in prop::collection::vec(any::<(u16, u8, u8, u32)>(), 0..2 * MAX_INSTRUCTIONS),
        frame in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut filter = Filter::default();
        filter.load(instructions.iter().map(|&(code, jt, jf, k)| Instruction { code: code % 0x100, jt, jf, k: k % 70 }));
        filter.passes(&frame);
    }
}
