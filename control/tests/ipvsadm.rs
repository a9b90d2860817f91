//! Command lines and the answers of the real ipvsadm 1.31 to them, recorded in a VM with Linux 6.1: ours are the same,
//! byte for byte. The files are in tests/ipvsadm; `make conformance` asks the real one again (tests/ipvsadm/record.sh):
//!
//! ```text
//! ## a name            an empty table begins here
//! < text               a line of standard input of the next command
//! $ ipvsadm -A ...     a command
//! 1 text               what it printed; 2: as an error
//! = 0                  its exit code
//! ~ why                our answer differs, for this reason: the lines that begin with ~ after it are ours
//! ```

use config::Services;
use control::ipvsadm::{Connection, Memory, Resolver, Run};
use control::protocol::{Rates, Traffic};
use link::model::Protocol;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::path::Path;

/// The names in the VM: of hosts these, of ports [`PORTS`].
struct Names(&'static [(&'static str, [u8; 4])]);

const HOSTS: &[(&str, [u8; 4])] = &[
    ("localhost", [127, 0, 0, 1]),
    ("vip.example", [10, 9, 0, 1]),
    ("one.example", [10, 0, 2, 2]),
    ("one", [10, 0, 2, 2]),
    ("a-real-server-with-a-long-name.example", [10, 0, 2, 3]),
];

const PORTS: [(&str, u16, Protocol); 7] = [
    ("ftp", 21, Protocol::Tcp),
    ("http", 80, Protocol::Tcp),
    ("www", 80, Protocol::Tcp),
    ("https", 443, Protocol::Tcp),
    ("domain", 53, Protocol::Tcp),
    ("domain", 53, Protocol::Udp),
    ("syslog", 514, Protocol::Udp),
];

impl Resolver for Names {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        self.0.iter().find(|(name, _)| *name == host).map(|(_, address)| Ipv4Addr::from(*address))
    }

    fn port(&self, service: &str, protocol: Protocol) -> Option<u16> {
        PORTS.iter().find(|(name, _, of)| *name == service && *of == protocol).map(|(_, port, _)| *port)
    }

    fn host(&self, address: Ipv4Addr) -> Option<String> {
        self.0.iter().find(|(_, known)| address.octets() == *known).map(|(name, _)| (*name).to_owned())
    }

    fn service(&self, port: u16, protocol: Protocol) -> Option<String> {
        PORTS.iter().find(|(_, known, of)| *known == port && *of == protocol).map(|(name, ..)| (*name).to_owned())
    }
}

/// What a command printed, line by line as in the files, and its exit code.
type Answer = Vec<String>;

struct Step {
    line: usize,
    command: String,
    input: String,
    theirs: Answer,
    /// Where ours differs.
    ours: Option<Answer>,
}

enum Item {
    Fresh,
    Step(Step),
}

fn read(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut input = String::new();
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with("## ") {
            items.push(Item::Fresh);
        } else if let Some(text) = text.strip_prefix("< ") {
            input.push_str(text);
            input.push('\n');
        } else if let Some(command) = text.strip_prefix("$ ") {
            let (command, input) = (command.to_owned(), std::mem::take(&mut input));
            items.push(Item::Step(Step { line, command, input, theirs: Vec::new(), ours: None }));
        } else if let Some(Item::Step(step)) = items.last_mut() {
            match text.strip_prefix('~') {
                Some(why) if why.starts_with(' ') => step.ours = Some(Vec::new()),
                Some(text) => step.ours.as_mut().expect("a reason first").push(text.to_owned()),
                None if text.starts_with(['1', '2', '=']) => step.theirs.push(text.to_owned()),
                None => assert!(text.is_empty() || text.starts_with('#'), "line {line}: {text}"),
            }
        }
    }
    items
}

/// The words of a command: quotes keep blanks, nothing else is special.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (None::<String>, false);
    for letter in command.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

fn answer(memory: &mut Memory, step: &Step) -> Answer {
    let words = words(&step.command);
    let (program, words) = words.split_first().expect("a program");
    let (mut out, mut errors, mut input) = (Vec::new(), Vec::new(), step.input.as_bytes());
    let mut run =
        Run { backend: memory, resolver: &Names(HOSTS), input: &mut input, out: &mut out, errors: &mut errors };
    let code = match program.as_str() {
        "ipvsadm" => run.ipvsadm(words),
        "ipvsadm-save" => run.ipvsadm_save(words),
        "ipvsadm-restore" => run.ipvsadm_restore(),
        other => panic!("{other} is not ours"),
    };
    let mut answer = Vec::new();
    for (number, text) in [(1, out), (2, errors)] {
        let text = String::from_utf8(text).expect("UTF-8");
        answer.extend(text.lines().map(|line| format!("{number} {line}")));
    }
    answer.push(format!("= {}", code.expect("a Vec takes all")));
    answer
}

/// Runs the commands of a file; what differs, in words, and how many commands there were.
fn differences(file: &Path) -> (Vec<String>, usize) {
    let text = std::fs::read_to_string(file).expect("a file of cases");
    let mut memory = Memory::new(Services::default());
    let (mut differences, mut count) = (Vec::new(), 0);
    for item in read(&text) {
        let Item::Step(step) = item else {
            memory = Memory::new(Services::default());
            // What Linux begins with; ours are 900 60 300.
            memory.services.timeouts.tcp_fin_wait = 120;
            continue;
        };
        count += 1;
        let got = answer(&mut memory, &step);
        if got != *step.ours.as_ref().unwrap_or(&step.theirs) {
            let want = step.ours.as_ref().unwrap_or(&step.theirs).join("\n");
            let (file, line, command) = (file.display(), step.line, &step.command);
            differences.push(format!("{file}:{line}: {command}\nwant\n{want}\ngot\n{}\n", got.join("\n")));
        } else if step.ours.as_ref() == Some(&step.theirs) {
            differences.push(format!("{}:{}: marked as different, and is not", file.display(), step.line));
        }
    }
    (differences, count)
}

#[test]
fn every_recorded_command_line_is_answered_as_the_real_ipvsadm_answers_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ipvsadm");
    let (mut failures, mut total) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).expect("the folder of cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "txt") {
            let (differences, count) = differences(&path);
            failures.extend(differences);
            total += count;
        }
    }
    assert!(failures.is_empty(), "{} of {total} differ:\n{}", failures.len(), failures.join("\n"));
    assert!(total >= 500, "only {total} command lines are recorded");
}

/// Runs a command that is done; what it prints.
fn printed(memory: &mut Memory, hosts: &'static [(&'static str, [u8; 4])], command: &str) -> String {
    let (mut out, mut errors, mut input) = (Vec::new(), Vec::new(), &b""[..]);
    let mut run =
        Run { backend: memory, resolver: &Names(hosts), input: &mut input, out: &mut out, errors: &mut errors };
    let code = run.ipvsadm(&words(command)).expect("a Vec takes all");
    assert_eq!((code, String::from_utf8_lossy(&errors).as_ref()), (0, ""), "{command}");
    String::from_utf8(out).expect("UTF-8")
}

/// Two services with a connection each, one of them with its template, as the reference had them; `age` seconds old.
fn with_connections(age: u32) -> Memory {
    let mut memory = Memory::new(Services::default());
    for command in [
        "-A -u 10.9.0.1:53 -s rr",
        "-a -u 10.9.0.1:53 -r 10.0.2.2:53 -m",
        "-A -u 10.9.0.1:54 -s rr -p 100",
        "-a -u 10.9.0.1:54 -r 10.0.2.2:54 -m",
    ] {
        printed(&mut memory, &[], command);
    }
    let connection = |expires_in: u32, state: &str, client: &str, port: u16| Connection {
        protocol: Some(Protocol::Udp),
        expires_in: expires_in - age,
        state: state.to_owned(),
        client: client.parse().expect("an endpoint"),
        service: SocketAddrV4::new(Ipv4Addr::new(10, 9, 0, 1), port),
        real: SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), port),
    };
    memory.connections = vec![
        connection(100, "NONE", "192.168.1.1:0", 54),
        connection(300, "UDP", "192.168.1.1:5000", 53),
        connection(300, "UDP", "192.168.1.1:53", 54),
    ];
    memory.counts = Some(|service| {
        // 7 datagrams of 135 bytes, within 2 s.
        service.traffic = Traffic { connections: 7, in_packets: 7, in_bytes: 945, ..Traffic::default() };
        service.rates = Rates { connections: 1, in_packets: 1, in_bytes: 118, ..Rates::default() };
        for server in &mut service.reals {
            server.inactive = 1;
            server.persistent = u32::from(service.persistence.is_some());
        }
    });
    memory
}

#[test]
fn lists_with_connections_and_counters_are_those_of_the_real_ipvsadm() {
    const HEADING: &str = "IPVS connection entries\n\
                           pro expire state       source             virtual            destination";
    const CLIENT: &[(&str, [u8; 4])] =
        &[("vip.example", [10, 9, 0, 1]), ("a-client-with-a-long-name.example", [192, 168, 1, 1])];
    assert_eq!(
        printed(&mut with_connections(1), CLIENT, "-Lnc"),
        format!(
            "{HEADING}\n\
             UDP 01:39  NONE        192.168.1.1:0      10.9.0.1:54        10.0.2.2:54\n\
             UDP 04:59  UDP         192.168.1.1:5000   10.9.0.1:53        10.0.2.2:53\n\
             UDP 04:59  UDP         192.168.1.1:53     10.9.0.1:54        10.0.2.2:54\n"
        )
    );
    assert_eq!(
        printed(&mut with_connections(3), CLIENT, "-Lc --persistent-conn"),
        format!(
            "{HEADING}        pe name          pe_data\n\
             UDP 01:37  NONE        a-client-with-a-long-name.example:0 vip.example:54     10.0.2.2:54\n\
             UDP 04:57  UDP         a-client-with-a-long-name.example:5000 vip.example:domain 10.0.2.2:domain\n\
             UDP 04:57  UDP         a-client-with-a-long-name.example:domain vip.example:54     10.0.2.2:54\n"
        )
    );
    let list = printed(&mut with_connections(0), CLIENT, "-L -u 10.9.0.1:53");
    assert!(list.ends_with("\n  -> 10.0.2.2:domain              Masq    1      0          1         \n"), "{list}");
    let list = printed(&mut with_connections(0), CLIENT, "-Ln --persistent-conn");
    assert!(
        list.ends_with("\n  -> 10.0.2.2:54                  1         1           0          1         \n"),
        "{list}"
    );
    let list = printed(&mut with_connections(0), CLIENT, "-Ln --stats");
    assert!(
        list.contains("\nUDP  10.9.0.1:54                         7        7        0      945        0\n"),
        "{list}"
    );
    let list = printed(&mut with_connections(0), CLIENT, "-Ln --rate --exact");
    assert!(
        list.contains("\nUDP  10.9.0.1:54                         1        1        0      118        0\n"),
        "{list}"
    );
}
