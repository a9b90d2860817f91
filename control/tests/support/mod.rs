//! A dataplane without DPDK (the other end of the link, in a thread), a sluiced to test, and a client.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

mod dataplane;
pub mod http;

pub use dataplane::FakeDataplane;

use control::protocol::{Code, Failure, Line, decode_line};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Long enough for a busy machine; nothing waits so long where all is well.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Two services, as most tests have them.
pub const SERVICES: &str = r#"
[[service]]
name = "web"
protocol = "tcp"
address = "202.103.106.5:80"
scheduler = "wrr"
[[service.real]]
address = "172.16.0.2:80"
[[service.real]]
address = "172.16.0.3:8000"
weight = 2

[[service]]
name = "dns"
protocol = "udp"
address = "202.103.106.6:53"
"#;

/// Waits until `condition` gives something.
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let since = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(since.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A folder with the files of one director.
pub struct Site {
    directory: TempDir,
    /// Words before the program: `ip netns exec NAME`.
    pub prefix: Vec<String>,
}

impl Site {
    /// A site with [`SERVICES`] and two ports without kernel interfaces.
    pub fn new() -> Self {
        let site = Self { directory: TempDir::new().expect("a folder"), prefix: Vec::new() };
        site.write_machine("", "");
        site.write_services(SERVICES);
        site
    }

    /// Writes sluice.toml; `wan` and `lan` are further lines of the two ports.
    pub fn write_machine(&self, wan: &str, lan: &str) {
        let (socket, link) = (self.socket(), self.link());
        let text = format!(
            "[dataplane]\nworkers = [1]\n\
             [[port]]\nname = \"wan\"\ndevice = \"net_null0\"\naddresses = [\"10.0.1.1/24\"]\n{wan}\n\
             [[port]]\nname = \"lan\"\ndevice = \"net_null1\"\naddresses = [\"172.16.0.1/24\"]\n{lan}\n\
             [[route]]\nprefix = \"0.0.0.0/0\"\nport = \"wan\"\nvia = \"10.0.1.254\"\n\
             [[neighbor]]\naddress = \"10.0.1.254\"\nport = \"wan\"\nmac = \"02:00:00:00:01:fe\"\n\
             [control]\nsocket = \"{}\"\nlink = \"{}\"\n",
            socket.display(),
            link.display()
        );
        std::fs::write(self.path("sluice.toml"), text).expect("written");
    }

    /// Gives sluice.toml HTTP on a free port, with further lines of `[control]`; to be called before it starts.
    pub fn serve_http(&mut self, further: &str) -> std::net::SocketAddr {
        let address = http::free_address();
        let mut text = std::fs::read_to_string(self.path("sluice.toml")).expect("written before");
        text.push_str(&format!("http = \"{address}\"\n{further}"));
        std::fs::write(self.path("sluice.toml"), text).expect("written");
        address
    }

    /// Writes services.toml.
    pub fn write_services(&self, text: &str) {
        std::fs::write(self.path("services.toml"), text).expect("written");
    }

    /// A file of the site.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The control socket.
    pub fn socket(&self) -> PathBuf {
        self.path("run/control.sock")
    }

    /// The link.
    pub fn link(&self) -> PathBuf {
        self.path("link")
    }

    /// Starts sluiced and waits until it serves.
    pub fn start(&self) -> Sluiced {
        // Of one that was killed: the new one replaces it, and must not be mistaken for serving before it does.
        let _ = std::fs::remove_file(self.socket());
        let mut sluiced = self.spawn();
        eventually("sluiced serves its socket", || {
            if let Some(status) = sluiced.child.try_wait().expect("its status") {
                panic!("sluiced ended with {status}: {}", sluiced.log());
            }
            UnixStream::connect(self.socket()).ok()
        });
        sluiced
    }

    /// Starts sluiced.
    pub fn spawn(&self) -> Sluiced {
        let log = self.path("sluiced.log");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&log).expect("a log");
        let mut command = self.command(env!("CARGO_BIN_EXE_sluiced"));
        command.args(["--config".into(), self.path("sluice.toml")]);
        command.args(["--services".into(), self.path("services.toml")]);
        command.env("RUST_LOG", "debug").stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Sluiced { child: command.spawn().expect("sluiced starts"), log }
    }

    /// A command of this site.
    pub fn command(&self, program: &str) -> Command {
        let mut words = self.prefix.iter().map(String::as_str).chain([program]);
        let mut command = Command::new(words.next().expect("a word"));
        command.args(words);
        command
    }

    /// A client.
    pub fn client(&self) -> Client {
        Client::new(UnixStream::connect(self.socket()).expect("connected"))
    }

    /// One request on a connection of its own: the result.
    pub fn ask(&self, request: &str) -> Value {
        self.client().ask(request).unwrap_or_else(|failure| panic!("{request}: {failure}"))
    }

    /// One request that must not be done.
    pub fn refused(&self, request: &str) -> (Code, String) {
        match self.client().ask(request) {
            Ok(result) => panic!("{request}: {result}"),
            Err(Failure { code, message }) => (code, message),
        }
    }

    /// `status` once the dataplane answers sluiced.
    pub fn connected(&self) -> Value {
        eventually("sluiced has a session with the dataplane", || {
            let status = self.ask(r#"{"command":"status"}"#);
            (status["dataplane"]["connected"] == true).then_some(status)
        })
    }
}

/// A running sluiced; killed when dropped.
pub struct Sluiced {
    child: Child,
    log: PathBuf,
}

impl Sluiced {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// `kill -SIGNAL`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// SIGKILL, and gone.
    pub fn kill(mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        eventually("sluiced ends", || self.child.try_wait().expect("its status"))
    }
}

impl Drop for Sluiced {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- sluiced:\n{}", self.log());
        }
    }
}

/// A connection to the control socket.
pub struct Client {
    reader: BufReader<UnixStream>,
}

impl Client {
    /// Over a stream.
    pub fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { reader: BufReader::new(stream) }
    }

    /// Sends a line.
    pub fn send(&mut self, request: &str) {
        let stream = self.reader.get_mut();
        stream.write_all(request.as_bytes()).expect("sent");
        stream.write_all(b"\n").expect("sent");
    }

    /// Reads an answer: its rows and its end.
    pub fn receive(&mut self) -> (Vec<Value>, Result<Value, Failure>) {
        let mut rows = Vec::new();
        loop {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line).expect("an answer in time");
            match decode_line(&line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line))) {
                Line::Row(row) => rows.push(serde_json::from_str(row.get()).expect("a row")),
                Line::Done(result) => return (rows, Ok(serde_json::from_str(result.get()).expect("a result"))),
                Line::Failed(failure) => return (rows, Err(failure)),
            }
        }
    }

    /// Reads one row.
    pub fn row(&mut self) -> Value {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line).expect("a row in time");
        match decode_line(&line).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&line))) {
            Line::Row(row) => serde_json::from_str(row.get()).expect("a row"),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a request and reads the end of its answer.
    pub fn ask(&mut self, request: &str) -> Result<Value, Failure> {
        self.send(request);
        self.receive().1
    }
}
