//! The laboratory of the paper's example, without a director: what a real does in each forwarding method, and that
//! nothing stays behind. Needs root.

use std::net::SocketAddrV4;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::{CLIENT, DIRECT_VIP, Lab, REALS, ROUTER_LAN, Result, TUNNEL_VIP, left_of, wait_until};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn every_real_serves_http_an_echo_and_a_greeting_and_names_itself() -> Result<()> {
    let lab = Lab::paper_example()?;
    for (number, address) in (1..).zip(REALS) {
        let name = format!("real{number}");
        for port in [80, 8000] {
            let answer = lab.router().curl(&format!("http://{address}:{port}/"))?;
            assert_eq!((answer.status, &answer.real), (200, &name));
            assert_eq!(answer.body, format!("{name} {ROUTER_LAN} {address}:{port}\n"));
        }
        let echoes = lab.router().ask_udp(SocketAddrV4::new(address, 7), 3)?;
        assert!(echoes.len() == 3 && echoes.iter().all(|echo| echo.real == name), "{echoes:?}");
        let greetings = lab.router().read_greetings(SocketAddrV4::new(address, 21), 2)?;
        assert!(greetings.len() == 2 && greetings.iter().all(|greeting| greeting.real == name), "{greetings:?}");
        let large = lab.router().curl(&format!("http://{address}/large"))?;
        assert!(large.body.len() > 1_000_000 && large.real == name, "{} bytes of {}", large.body.len(), large.real);
    }
    Ok(())
}

#[test]
fn failures_of_requests_are_told() -> Result<()> {
    let lab = Lab::paper_example()?;
    let closed = lab.router().curl(&format!("http://{}:81/", REALS[0])).expect_err("nothing listens on 81");
    assert!(closed.to_string().contains("connect to"), "{closed}");
    let echo = lab.router().ask_udp(SocketAddrV4::new(REALS[0], 9), 1)?;
    assert!(!echo[0].is_ok() && echo[0].error.contains("refused"), "{echo:?}");
    Ok(())
}

#[test]
fn a_real_answers_the_client_itself_when_a_frame_for_the_direct_vip_reaches_it() -> Result<()> {
    let lab = Lab::paper_example()?;
    lab.router().ip(&format!("route add {DIRECT_VIP} via {}\n", REALS[1]))?;
    let answer = lab.client().curl(&format!("http://{DIRECT_VIP}/"))?;
    assert_eq!(answer.body, format!("real2 {CLIENT} {DIRECT_VIP}:80\n"));
    Ok(())
}

#[test]
fn a_real_keeps_quiet_about_the_vips_it_has() -> Result<()> {
    let lab = Lab::paper_example()?;
    lab.router().ip(&format!("route add {DIRECT_VIP} dev uplink0\n"))?;
    assert!(lab.client().curl(&format!("http://{DIRECT_VIP}/")).is_err(), "an ARP reply for the VIP");
    let neighbours = lab.router().run("ip", ["neigh", "show", "dev", "uplink0"])?.stdout;
    assert!(!neighbours.lines().any(|line| line.starts_with("202.") && line.contains("lladdr")), "{neighbours}");
    Ok(())
}

#[test]
fn a_real_takes_the_packet_out_of_a_tunnel_and_answers_the_client_itself() -> Result<()> {
    let lab = Lab::paper_example()?;
    // An echo request by UDP, port 5000 to 7, from the client to the VIP, in an IPv4 header of its own.
    let mut packet = vec![0x45, 0, 0, 33, 0, 1, 0, 0, 64, 17, 0, 0];
    packet.extend(CLIENT.octets().into_iter().chain(TUNNEL_VIP.octets()));
    let checksum = ipv4_checksum(&packet);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend([5000_u16, 7, 13, 0].map(u16::to_be_bytes).concat());
    packet.extend(b"which");
    let bytes: String = packet.iter().map(|byte| format!("\\{byte:03o}")).collect();
    let send = format!("printf '{bytes}' | socat -u - IP4-SENDTO:{}:4", REALS[2]);

    let from = format!("UDP4-RECV:5000,range={TUNNEL_VIP}/32");
    let answers = lab.client().spawn("answers", "socat", ["-u", &from, "-"])?;
    wait_until("the echo from the VIP", LIMIT, || {
        lab.client().shell(&send)?;
        Ok(answers.log().starts_with("real3 which").then_some(()))
    })
}

#[test]
fn a_load_goes_on_in_the_background() -> Result<()> {
    let lab = Lab::paper_example()?;
    let mut load = lab.router().load(&format!("http://{}/", REALS[0]), 50)?;
    wait_until("ten answers", LIMIT, || Ok((load.answers()?.len() >= 10).then_some(())))?;
    assert!(load.answers()?.iter().all(lab::Answer::is_ok));
    Ok(())
}

#[test]
fn nothing_is_left_of_a_laboratory() -> Result<()> {
    let lab = Lab::paper_example()?;
    let name = lab.name().to_owned();
    assert!(!left_of(&name).is_empty(), "a running laboratory is seen");
    drop(lab);
    assert_eq!(left_of(&name), Vec::<String>::new());
    Ok(())
}

#[test]
fn a_laboratory_that_is_told_to_end_removes_itself() -> Result<()> {
    let (mut child, name) = laboratory_of_another_process()?;
    signal(&child, "TERM")?;
    child.wait().expect("it is our child");
    assert_eq!(left_of(&name), Vec::<String>::new());
    Ok(())
}

#[test]
fn what_a_killed_laboratory_left_is_removed_by_the_next_one() -> Result<()> {
    let (mut child, name) = laboratory_of_another_process()?;
    signal(&child, "KILL")?;
    child.wait().expect("it is our child");
    assert!(!left_of(&name).is_empty(), "nobody could remove it yet");
    let next = Lab::new(0)?;
    assert_eq!(left_of(&name), Vec::<String>::new());
    assert!(!left_of(next.name()).is_empty(), "the running one stays");
    Ok(())
}

fn laboratory_of_another_process() -> Result<(Child, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab-hold"));
    command.stdout(Stdio::null());
    let mut child = command.spawn().expect("it is built with this test");
    let name = format!("sl{}.0", child.id());
    let log = std::env::temp_dir().join(&name).join("real3-decapsulate.log");
    let ready = wait_until("the laboratory of another process", LIMIT, || Ok(log.exists().then_some(())));
    if let Err(error) = ready {
        child.kill().and_then(|()| child.wait()).expect("it is our child");
        return Err(error);
    }
    Ok((child, name))
}

/// RFC 1071, of a header whose checksum field is zero.
fn ipv4_checksum(header: &[u8]) -> u16 {
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]]))).sum();
    !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("ten words carry at most 9 over")
}

fn signal(child: &Child, name: &str) -> Result<()> {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    Ok(())
}
