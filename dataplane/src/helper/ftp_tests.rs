use super::*;
use crate::connection::Endpoint;
use proptest::prelude::*;

const ENDS: Ends = Ends {
    client: Endpoint { address: 0xca64_0102, port: 40_001 },
    service: Endpoint { address: 0xca67_6a05, port: 21 },
    real: Endpoint { address: 0xac10_0002, port: 2121 },
};

/// Announces everything; a port of the service that is `taken` becomes the next one.
#[derive(Default)]
struct Notes {
    announced: Vec<String>,
    taken: u16,
    full: bool,
}

impl Announce for Notes {
    fn expect_client(&mut self, port: u16) -> Option<u16> {
        let announced = if port == self.taken { port + 1 } else { port };
        self.announced.push(format!("client to {announced}, real at {port}"));
        (!self.full).then_some(announced)
    }

    fn expect_real(&mut self, port: u16) -> bool {
        self.announced.push(format!("real to {port}"));
        !self.full
    }
}

/// What becomes of a line of the client, and what it announces.
fn client(line: &[u8]) -> (Action, Vec<String>) {
    let mut notes = Notes::default();
    let action = Ftp::default().line(Side::Client, line, &ENDS, &mut notes);
    (action, notes.announced)
}

/// What becomes of a line of the real after a command of the client.
fn real(command: &str, line: &[u8]) -> (Action, Vec<String>) {
    real_with(command, line, Notes::default())
}

fn real_with(command: &str, line: &[u8], mut notes: Notes) -> (Action, Vec<String>) {
    let mut ftp = Ftp::default();
    assert_eq!(ftp.line(Side::Client, command.as_bytes(), &ENDS, &mut notes), Action::Pass);
    (ftp.line(Side::Real, line, &ENDS, &mut notes), notes.announced)
}

fn replaced(line: &[u8], action: &Action) -> String {
    let Action::Replace(range, text) = action else { panic!("not replaced: {action:?}") };
    let parts = [&line[..range.start], text.bytes(), &line[range.end..]].concat();
    String::from_utf8_lossy(&parts).into_owned()
}

#[test]
fn port_and_eprt_with_the_clients_own_address_announce_its_port() {
    for line in [
        &b"PORT 202,100,1,2,156,80\r\n"[..],
        b"port 202,100,1,2,156,80\n",
        b"PORT  202,100,1,2,156,80 \r\n",
        b"EPRT |1|202.100.1.2|40016|\r\n",
        b"eprt !1!202.100.1.2!40016!\r\n",
        b"\xff\xf4\xff\xf2PORT 202,100,1,2,156,80\r\n",
        b"\xff\xfb\x01\xf2PORT 202,100,1,2,156,80\r\n",
    ] {
        assert_eq!(client(line), (Action::Pass, vec!["real to 40016".to_owned()]), "{}", line.escape_ascii());
    }
}

#[test]
fn a_port_command_that_names_what_it_may_not_is_refused() {
    for line in [
        // Another's address, also one that differs in its last number only, the service's, the real's.
        &b"PORT 202,100,1,77,156,80\r\n"[..],
        b"PORT 202,103,106,5,156,80\r\n",
        b"PORT 172,16,0,2,156,80\r\n",
        b"EPRT |1|202.100.1.77|40016|\r\n",
        // Ports that are no client's.
        b"PORT 202,100,1,2,0,0\r\n",
        b"PORT 202,100,1,2,0,25\r\n",
        b"PORT 202,100,1,2,3,255\r\n",
        b"EPRT |1|202.100.1.2|0|\r\n",
        b"EPRT |1|202.100.1.2|1023|\r\n",
        // Numbers that are none.
        b"PORT 202,100,1,2,256,80\r\n",
        b"PORT 202,100,1,2,156,300\r\n",
        b"PORT 202,100,1,258,156,80\r\n",
        b"PORT 202,100,1,2,0156,80\r\n",
        b"PORT 202,100,1,2,-1,80\r\n",
        b"EPRT |1|202.100.1.2|65536|\r\n",
        b"EPRT |1|202.100.1.2|104552|\r\n",
        // Too few, too many, an end that is none.
        b"PORT\r\n",
        b"PORT \r\n",
        b"PORT 202,100,1,2,156\r\n",
        b"PORT 202,100,1,2,156,80,1\r\n",
        b"PORT 202,100,1,2,156,80 x\r\n",
        b"EPRT |1|202.100.1.2|40016\r\n",
        b"EPRT |1|202.100.1|40016|\r\n",
        b"EPRT |2|::1|40016|\r\n",
        b"EPRT 11111111111111111\r\n",
        b"EPRT .1.202.100.1.2.40016.\r\n",
    ] {
        assert_eq!(client(line), (Action::Refuse, vec![]), "{}", line.escape_ascii());
    }
}

#[test]
fn other_commands_mean_nothing() {
    for line in
        [&b"PORTS 202,100,1,2,156,80\r\n"[..], b" PORT 202,100,1,2,156,80\r\n", b"USER PORT\r\n", b"\r\n", b"\n"]
    {
        assert_eq!(client(line), (Action::Pass, vec![]), "{}", line.escape_ascii());
    }
}

#[test]
fn the_address_of_a_227_reply_becomes_the_services() {
    for (line, want) in [
        ("227 Entering Passive Mode (172,16,0,2,200,10).\r\n", "227 Entering Passive Mode (202,103,106,5,200,10).\r\n"),
        ("227 172,16,0,2,200,10\r\n", "227 202,103,106,5,200,10\r\n"),
        ("227 =172,16,0,2,200,10\n", "227 =202,103,106,5,200,10\n"),
        ("227 mode 2: (172,16,0,2,200,10)\r\n", "227 mode 2: (202,103,106,5,200,10)\r\n"),
    ] {
        let (action, announced) = real("PASV\r\n", line.as_bytes());
        assert_eq!(replaced(line.as_bytes(), &action), want);
        assert_eq!(announced, ["client to 51210, real at 51210"]);
    }
}

#[test]
fn a_port_that_is_taken_is_replaced_too() {
    let taken = || Notes { taken: 51_210, ..Notes::default() };
    let line = b"227 Entering Passive Mode (172,16,0,2,200,10)\r\n";
    let (action, _) = real_with("PASV\r\n", line, taken());
    assert_eq!(replaced(line, &action), "227 Entering Passive Mode (202,103,106,5,200,11)\r\n");
    let line = b"229 Extended (|||51210|)\r\n";
    let (action, _) = real_with("EPSV\r\n", line, taken());
    assert_eq!(replaced(line, &action), "229 Extended (|||51211|)\r\n");
}

#[test]
fn a_real_that_announces_its_services_address_is_left_its_text() {
    let (action, announced) = real("PASV\r\n", b"227 (202,103,106,5,200,10)\r\n");
    assert_eq!((action, announced), (Action::Pass, vec!["client to 51210, real at 51210".to_owned()]));
}

#[test]
fn a_229_reply_announces_its_port_and_passes_unchanged() {
    for (command, line) in [("EPSV\r\n", "229 Extended (|||51210|)\r\n"), ("epsv 1\r\n", "229 (!!!51210!)\r\n")] {
        let (action, announced) = real(command, line.as_bytes());
        assert_eq!((action, announced), (Action::Pass, vec!["client to 51210, real at 51210".to_owned()]), "{line}");
    }
}

#[test]
fn replies_that_name_what_they_may_not_are_refused() {
    for line in [
        "227 Entering Passive Mode (172,16,0,3,200,10)\r\n",
        "227 Entering Passive Mode (172,16,0,2,0,0)\r\n",
        "227 Entering Passive Mode (172,16,0,2,256,1)\r\n",
        "227 Entering Passive Mode (172,16,0,2,200\r\n",
        "227 Entering Passive Mode\r\n",
        "227 \r\n",
    ] {
        assert_eq!(real("PASV\r\n", line.as_bytes()), (Action::Refuse, vec![]), "{line}");
    }
    for line in [
        "229 Extended (|||0|)\r\n",
        "229 Extended (|||65536|)\r\n",
        "229 Extended (|||51210|\r\n",
        "229 Extended (|||51210\r\n",
        "229 Extended (||51210|)\r\n",
        "229 Extended (|!|51210|)\r\n",
        "229 Extended (\r\n",
        "229 \r\n",
    ] {
        assert_eq!(real("EPSV\r\n", line.as_bytes()), (Action::Refuse, vec![]), "{line}");
    }
}

#[test]
fn a_reply_counts_only_after_its_command_and_once() {
    let line = b"227 Entering Passive Mode (172,16,0,2,200,10)\r\n";
    for command in ["NOOP\r\n", "EPSV\r\n", "EPSV ALL\r\n", "PASV x\r\n"] {
        assert_eq!(real(command, line), (Action::Pass, vec![]), "{command}");
    }
    let (mut ftp, mut notes) = (Ftp::default(), Notes::default());
    ftp.line(Side::Client, b"PASV\r\n", &ENDS, &mut notes);
    assert!(matches!(ftp.line(Side::Real, line, &ENDS, &mut notes), Action::Replace(..)));
    assert_eq!(ftp.line(Side::Real, line, &ENDS, &mut notes), Action::Pass);
    // The first lines of a reply of several lines are for people.
    ftp.line(Side::Client, b"PASV\r\n", &ENDS, &mut notes);
    assert_eq!(ftp.line(Side::Real, b"227-Entering (172,16,0,2,200,10)\r\n", &ENDS, &mut notes), Action::Pass);
    assert!(matches!(ftp.line(Side::Real, line, &ENDS, &mut notes), Action::Replace(..)));
}

#[test]
fn what_finds_no_room_is_refused() {
    let full = || Notes { full: true, ..Notes::default() };
    assert_eq!(real_with("PASV\r\n", b"227 (172,16,0,2,200,10)\r\n", full()).0, Action::Refuse);
    assert_eq!(real_with("EPSV\r\n", b"229 (|||51210|)\r\n", full()).0, Action::Refuse);
    let line = b"PORT 202,100,1,2,156,80\r\n";
    assert_eq!(Ftp::default().line(Side::Client, line, &ENDS, &mut full()), Action::Refuse);
}

#[test]
fn the_end_of_an_unfinished_line_is_claimed_from_the_first_digit_on() {
    let mut ftp = Ftp::default();
    assert_eq!(ftp.may_replace(Side::Real, b"227 Passive (172,"), None, "no PASV came");
    ftp.line(Side::Client, b"PASV\r\n", &ENDS, &mut Notes::default());
    for (line, from) in [("22", None), ("227 Passive (", None), ("227 Passive (172,", Some(13)), ("150 x 1", None)] {
        assert_eq!(ftp.may_replace(Side::Real, line.as_bytes()), from, "{line}");
    }
    assert_eq!(ftp.may_replace(Side::Client, b"227 Passive (172,"), None);
}

proptest! {
    #[test]
    fn any_line_is_answered_and_a_replacement_lies_within_it(
        passive: bool, word in "(227 |229 |PORT |EPRT |)", rest in prop::collection::vec(any::<u8>(), 0..80), side: bool,
    ) {
        let mut ftp = Ftp { passive: u8::from(passive), extended: u8::from(!passive) };
        let line = [word.as_bytes(), &rest].concat();
        let from = if side { Side::Client } else { Side::Real };
        let _ = (ftp.may_replace(from, &line), ftp.concerns(from, &line));
        if let Action::Replace(range, text) = ftp.line(from, &line, &ENDS, &mut Notes::default()) {
            prop_assert!(range.end <= line.len() && from == Side::Real && !text.bytes().is_empty());
        }
    }

    #[test]
    fn any_port_of_a_reply_is_found_and_comes_back(port in 1u16.., taken: bool) {
        let notes = || Notes { taken: if taken && port < u16::MAX { port } else { 0 }, ..Notes::default() };
        let want = if notes().taken == port { port + 1 } else { port };
        let line = format!("227 ok (172,16,0,2,{},{})\r\n", port >> 8, port & 0xff);
        let (action, _) = real_with("PASV\r\n", line.as_bytes(), notes());
        prop_assert_eq!(
            replaced(line.as_bytes(), &action),
            format!("227 ok (202,103,106,5,{},{})\r\n", want >> 8, want & 0xff)
        );
    }
}
