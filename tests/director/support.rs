//! What the tests share: the paper's laboratory with a running director, services files, long connections, and what the
//! command line says.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use lab::{
    Answer, DIRECT_VIP, Lab, Load, NAT_VIP, Node, Output, PAPER_SERVICES, Process, REALS, Result, TUNNEL_VIP,
    wait_until,
};
use serde_json::Value;

/// The most that anything may take that takes no time by itself.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The paper's laboratory; its director serves the paper's services, and each VIP has answered once, so that no later
/// packet waits for ARP.
pub(crate) fn paper() -> Result<Lab> {
    let lab = with_services(PAPER_SERVICES)?;
    for vip in [NAT_VIP, TUNNEL_VIP, DIRECT_VIP] {
        lab.client().wait_for_answer(&url(vip), LIMIT)?;
    }
    Ok(lab)
}

/// The paper's laboratory with these services instead; nothing has been asked.
pub(crate) fn with_services(services: &str) -> Result<Lab> {
    let mut lab = Lab::paper_example()?;
    lab.start_director(&lab.machine().to_string(), services)?;
    Ok(lab)
}

/// `http://<address>/`.
pub(crate) fn url(address: Ipv4Addr) -> String {
    format!("http://{address}/")
}

/// One service with a real of weight 1 for each of [`REALS`], on the service's port.
pub(crate) fn service(name: &str, protocol: &str, vip: Ipv4Addr, port: u16, method: &str) -> String {
    let mut text = format!(
        "[[service]]\nname = {name:?}\nprotocol = {protocol:?}\naddress = \"{vip}:{port}\"\nscheduler = \"rr\"\n\
         method = {method:?}\n"
    );
    for real in REALS {
        text.push_str(&format!("[[service.real]]\naddress = \"{real}:{port}\"\nweight = 1\n"));
    }
    text
}

/// [`service`] on one port in all three methods, each on its VIP.
pub(crate) fn in_all_methods(protocol: &str, port: u16) -> String {
    METHODS.map(|(method, vip)| service(method, protocol, vip, port, method)).concat()
}

/// The methods and the VIP of each.
pub(crate) const METHODS: [(&str, Ipv4Addr); 3] = [("nat", NAT_VIP), ("tunnel", TUNNEL_VIP), ("direct", DIRECT_VIP)];

/// How many answers each real gave; a request without answer counts for the real `""`.
pub(crate) fn shares(answers: &[Answer]) -> BTreeMap<&str, usize> {
    let mut shares = BTreeMap::new();
    for answer in answers {
        *shares.entry(if answer.is_ok() { answer.real.as_str() } else { "" }).or_default() += 1;
    }
    shares
}

/// Fails with the first request that was not served.
pub(crate) fn assert_served(answers: &[Answer]) {
    let failed: Vec<&Answer> = answers.iter().filter(|answer| !answer.is_ok()).collect();
    assert!(failed.is_empty(), "{} of {} not served, the first: {:?}", failed.len(), answers.len(), failed[0]);
}

/// What `sluice --format json <words>` prints.
pub(crate) fn ask(lab: &Lab, words: &str) -> Result<Value> {
    let out = lab.sluice_ok(["--format", "json"].into_iter().chain(words.split(' ')))?;
    Ok(serde_json::from_str(&out).unwrap_or_else(|error| panic!("sluice {words}: {error}: {out}")))
}

/// How many packets had this end, by `sluice drops`: dropped, and answered.
pub(crate) fn drops(lab: &Lab, reason: &str) -> Result<(u64, u64)> {
    let all = ask(lab, "drops")?;
    let row = all["reasons"].as_array().and_then(|rows| rows.iter().find(|row| row["reason"] == reason));
    let row = row.unwrap_or_else(|| panic!("no reason {reason} in {all}"));
    Ok((number(&row["dropped"]), number(&row["answered"])))
}

/// A member that has to be a number.
pub(crate) fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is not a count"))
}

/// Starts, on every real, a TCP server that first says the real's name, then runs `command` on what comes.
pub(crate) fn serve_on_all(lab: &Lab, port: u16, command: &str) -> Result<Vec<Process>> {
    let start = |real: usize| {
        let node = lab.require_real(real)?;
        let listen = format!("TCP4-LISTEN:{port},reuseaddr,fork,backlog=64");
        let run = format!("SYSTEM:echo real{real}; exec {command}");
        let mut server = node.spawn(&format!("serve-{port}"), "socat", ["-t", "20", &listen, &run])?;
        node.wait_for_socket(&mut server, "tcp", port)?;
        Ok(server)
    };
    (1..=REALS.len()).map(start).collect()
}

/// A TCP connection that sends a line every 20 ms to a server that sends them back ([`serve_on_all`] with `cat`).
pub(crate) struct Session(Process);

impl Session {
    /// Opens it and waits for the first lines.
    pub(crate) fn open(node: &Node, label: &str, address: SocketAddrV4) -> Result<Self> {
        let send = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.02; done";
        // The process is socat itself: when it is ended, its connection is.
        let script = format!("exec socat -T 20 - TCP4:{address} < <({send})");
        let mut session = Self(node.spawn(label, "bash", ["-c", &script])?);
        session.goes_on()?;
        Ok(session)
    }

    /// Opens one whose client says nothing, and waits for the server's first line.
    pub(crate) fn open_silent(node: &Node, label: &str, address: SocketAddrV4) -> Result<Self> {
        let script = format!("exec socat -T 60 - TCP4:{address} < <(exec sleep 60)");
        let session = Self(node.spawn(label, "bash", ["-c", &script])?);
        wait_until("the first line of a silent connection", LIMIT, || Ok((session.lines() > 0).then_some(())))?;
        Ok(session)
    }

    /// Waits until ten further lines have come back.
    pub(crate) fn goes_on(&mut self) -> Result<()> {
        let before = self.lines();
        wait_until("ten further lines of a long connection", LIMIT, || {
            self.0.check_running()?;
            Ok((self.lines() >= before + 10).then_some(()))
        })
    }

    /// Fails if the client has ended.
    pub(crate) fn is_there(&mut self) -> Result<()> {
        self.0.check_running()
    }

    /// Waits until the client is told that the connection is reset: as it reads, or as it writes next.
    pub(crate) fn is_reset(&mut self) -> Result<()> {
        wait_until("a long connection is reset", LIMIT, || {
            let log = self.0.log();
            Ok(["Connection reset by peer", "Broken pipe"].iter().any(|text| log.contains(text)).then_some(()))
        })
    }

    /// Waits until the client has ended, which one that says nothing does without a word when it is reset.
    pub(crate) fn ends(&mut self) -> Result<()> {
        wait_until("the end of a long connection", LIMIT, || Ok((!self.0.is_running()).then_some(())))
    }

    /// The real that has it.
    pub(crate) fn real(&self) -> String {
        self.0.log().lines().next().unwrap_or_default().to_owned()
    }

    fn lines(&self) -> usize {
        self.0.log().lines().count()
    }
}

/// A large answer of this service reaches the client and passes none of the director's ports.
pub(crate) fn assert_answers_pass_by(lab: &Lab, service: &str, vip: Ipv4Addr) -> Result<()> {
    let received =
        |ports: &Value| -> u64 { ports.as_array().into_iter().flatten().map(|port| number(&port["rx_bytes"])).sum() };
    let before = received(&ask(lab, "ports")?);
    let answer = lab.client().curl(&format!("http://{vip}/large"))?;
    let seen = received(&ask(lab, "ports")?) - before;
    let length = answer.body.len() as u64;
    assert!(length > 1_000_000, "{length} bytes");
    // Acknowledgements pass it: 66 bytes for each segment or two.
    assert!(seen < length / 8, "the director saw {seen} bytes of an exchange with {length} in the answer");

    let traffic = &ask(lab, &format!("service show {service}"))?["traffic"];
    assert!(number(&traffic["in_packets"]) > 0, "{traffic}");
    assert_eq!(number(&traffic["out_packets"]), 0, "{traffic}");
    Ok(())
}

/// Numbers that look random, the same in every run with the same seed (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }
}

/// How many connections there are, with `sluice connection count` and this filter.
pub(crate) fn connections(lab: &Lab, filter: &str) -> Result<u64> {
    Ok(number(&ask(lab, &format!("connection count {filter}"))?["count"]))
}

/// The next `count` answers to requests that begin from now on.
pub(crate) fn next_answers(load: &mut Load, count: usize) -> Result<Vec<Answer>> {
    // One request may be under way.
    let begin = load.answers()?.len() + 1;
    wait_until(format!("{count} further answers to the load"), LIMIT, || {
        let answers = load.answers()?;
        Ok((answers.len() >= begin + count).then(|| answers[begin..begin + count].to_vec()))
    })
}

/// Runs a program of Sluice on the director with the machine file that is there, until it ends.
pub(crate) fn run_on_director(lab: &Lab, name: &str, arguments: &[&OsStr]) -> Result<Output> {
    let program = lab::program(name)?;
    let machine = lab.folder().join("sluice.toml");
    let all = [OsStr::new("--config"), machine.as_os_str()];
    lab.director().capture(&program.to_string_lossy(), all.iter().chain(arguments))
}
