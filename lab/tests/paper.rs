//! The laboratory of the paper's example, without a director: what a real does in each forwarding method, and that
//! nothing stays behind. Needs root.

use std::net::SocketAddrV4;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use lab::{CLIENT, DIRECT_VIP, Lab, REALS, ROUTER_LAN, Result, TUNNEL_VIP, wait_until};

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
    assert!(closed.to_string().contains("refused"), "{closed}");
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
    let script = r#"
import socket, struct, sys
client, vip, real = sys.argv[1:]
def total(data):
    value = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    return ~((value & 0xffff) + (value >> 16)) & 0xffff
answers = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
answers.bind((client, 5000))
answers.settimeout(5)
udp = struct.pack('!HHHH', 5000, 7, 13, 0) + b'which'
head = lambda checksum: struct.pack('!BBHHHBBH4s4s', 0x45, 0, 33, 1, 0, 64, 17, checksum,
                                    socket.inet_aton(client), socket.inet_aton(vip))
tunnel = socket.socket(socket.AF_INET, socket.SOCK_RAW, 4)
tunnel.sendto(head(total(head(0))) + udp, (real, 0))
answer, (address, port) = answers.recvfrom(100)
print(answer.decode(), address, port)
"#;
    // The outer packet needs a way to the real; no answer to it comes back.
    lab.router().shell("true")?;
    let arguments = ["-c", script, &CLIENT.to_string(), &TUNNEL_VIP.to_string(), &REALS[2].to_string()];
    let output = lab.client().run("python3", arguments)?;
    assert_eq!(output.stdout, format!("real3 which {TUNNEL_VIP} 7\n"));
    Ok(())
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

/// Run by the tests above in a process of its own, which they end.
#[test]
#[ignore = "waits to be ended; other tests start it"]
fn waits_to_be_ended() {
    let lab = Lab::new(1).expect("a laboratory");
    let _sleeper = lab.client().spawn("sleep", "sleep", ["60"]).expect("sleep runs");
    std::thread::sleep(Duration::from_secs(60));
}

fn laboratory_of_another_process() -> Result<(Child, String)> {
    let program = std::env::current_exe().expect("a running program has a path");
    let mut command = Command::new(program);
    command.args(["--exact", "waits_to_be_ended", "--ignored", "--nocapture"]).stdout(Stdio::null());
    let child = command.spawn().expect("it has just been run");
    let name = format!("sl{}.0", child.id());
    let log = std::env::temp_dir().join(&name).join("client-sleep.log");
    wait_until("the laboratory of another process", LIMIT, || Ok(log.exists().then_some(())))?;
    Ok((child, name))
}

fn signal(child: &Child, name: &str) -> Result<()> {
    let sent = Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(sent.is_ok_and(|status| status.success()), "kill -s {name}");
    Ok(())
}

/// Namespaces, folders and files that carry the laboratory's name.
fn left_of(name: &str) -> Vec<String> {
    let folders = [Path::new("/run/netns"), Path::new("/dev/shm"), &std::env::temp_dir()];
    let entries = folders.iter().filter_map(|folder| folder.read_dir().ok()).flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|entry| entry == name || entry.starts_with(&format!("{name}-"))).collect()
}
