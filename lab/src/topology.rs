//! The laboratory itself: machines and the cables between them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::cleanup::{self, Footprint, sweep};
use crate::command::{self, COMMAND_LIMIT};
use crate::director::Director;
use crate::process::tail;
use crate::{Hugepages, LabError, Machine, Node, Process, Result};

/// A client, a router, a director and real servers on one segment:
///
/// ```text
/// client -- router -- (wan) director (lan) -- segment -- real1, real2, ...
///             \_______________________________/
/// ```
///
/// The director's cables are there once its dataplane runs. The router's second leg is the way of the answers that
/// reals send to the client themselves, in tunnel and direct routing.
#[derive(Debug)]
pub struct Lab {
    // Before the nodes: its processes end first.
    pub(crate) director_state: Director,
    pub(crate) servers: Vec<Process>,
    pub(crate) client: Node,
    pub(crate) router: Node,
    pub(crate) director: Node,
    pub(crate) segment: Node,
    pub(crate) reals: Vec<Node>,
    footprint: Footprint,
    keep: Arc<AtomicBool>,
}

impl Lab {
    /// The machines, without cables, addresses or servers: the client, the router, the director, the segment (a bridge
    /// named `bridge0`) and `reals` real servers.
    ///
    /// # Errors
    /// Not root, `ip` is missing, or this kernel has no namespaces or bridges.
    pub fn new(reals: usize) -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Err(LabError::NotRoot);
        }
        // What another run left is not this one's failure.
        if let Err(error) = sweep() {
            eprintln!("lab: what an earlier run left is not all removed: {error}");
        }
        let footprint = Footprint::create()?;
        Self::build(&footprint, reals).inspect_err(|_| drop(footprint.remove()))
    }

    fn build(footprint: &Footprint, reals: usize) -> Result<Self> {
        let keep = Arc::<AtomicBool>::default();
        let node = |name: &str| Node::create(footprint, name, Arc::clone(&keep));
        let segment = node("segment")?;
        segment.ip("link add bridge0 type bridge\nlink set bridge0 up\n")?;
        Ok(Self {
            director_state: Director::default(),
            servers: Vec::new(),
            client: node("client")?,
            router: node("router")?,
            director: node("director")?,
            segment,
            reals: (1..=reals).map(|number| node(&format!("real{number}"))).collect::<Result<_>>()?,
            footprint: footprint.clone(),
            keep,
        })
    }

    /// The machine that asks.
    pub fn client(&self) -> &Node {
        &self.client
    }

    /// Between the client and the director.
    pub fn router(&self) -> &Node {
        &self.router
    }

    /// The machine that runs Sluice.
    pub fn director(&self) -> &Node {
        &self.director
    }

    /// The bridge that the director's LAN port, the reals and the router's second leg are on.
    pub fn segment(&self) -> &Node {
        &self.segment
    }

    /// Real server `number`, from 1; `None` if there are fewer.
    pub fn real(&self, number: usize) -> Option<&Node> {
        self.reals.get(number.checked_sub(1)?)
    }

    /// The laboratory's folder: logs and configuration files.
    pub fn folder(&self) -> PathBuf {
        self.footprint.folder()
    }

    /// `sl<pid>.<number>`: what the names of its namespaces begin with.
    pub fn name(&self) -> &str {
        self.footprint.name()
    }

    /// A further machine.
    ///
    /// # Errors
    /// The name is taken.
    pub fn add_node(&self, name: &str) -> Result<Node> {
        Node::create(&self.footprint, name, Arc::clone(&self.keep))
    }

    /// A cable (veth) between two machines; both ends are up and without address.
    ///
    /// # Errors
    /// An interface name is taken, or longer than 15 bytes.
    pub fn connect(&self, a: &Node, a_interface: &str, b: &Node, b_interface: &str) -> Result<()> {
        let (a_space, b_space) = (a.namespace(), b.namespace());
        let mut add = Command::new("ip");
        add.args(["link", "add", "name", a_interface, "netns", a_space, "type", "veth"]);
        add.args(["peer", "name", b_interface, "netns", b_space]);
        command::run(add, "", COMMAND_LIMIT)?;
        a.ip(&format!("link set {a_interface} up\n"))?;
        b.ip(&format!("link set {b_interface} up\n"))
    }

    /// A cable from a machine to the segment.
    ///
    /// # Errors
    /// As [`Lab::connect`].
    pub fn connect_to_segment(&self, node: &Node, interface: &str) -> Result<()> {
        self.connect(node, interface, &self.segment, node.name())?;
        self.segment.ip(&format!("link set {} master bridge0\n", node.name()))
    }

    /// The configuration of this laboratory's director, on ordinary memory pages; its fields may be changed before it
    /// is written out.
    pub fn machine(&self) -> Machine {
        Machine::new(self.name(), self.footprint.link(), self.folder().join("control.sock"))
    }

    /// Hugepages of `mib` MiB for the director of this laboratory; pages that had to be added to the machine's pool go
    /// when the laboratory does.
    ///
    /// # Errors
    /// The kernel's files cannot be written.
    pub fn obtain_hugepages(&self, mib: u64) -> Result<Hugepages> {
        cleanup::add(|| Hugepages::obtain(mib, &self.folder()))
    }

    /// The last `lines` lines of each log that has any, for a report of a failure.
    pub fn log_tails(&self, lines: usize) -> String {
        log_tails(&self.folder(), lines)
    }

    /// Leaves everything running and in place after the end of this process, until [`crate::end_all`].
    ///
    /// # Errors
    /// The mark cannot be written.
    pub fn keep(&self) -> Result<()> {
        self.footprint.keep()?;
        self.keep.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Ends everything and removes it; what dropping it does too, without telling of errors.
    ///
    /// # Errors
    /// Something could not be removed; the message names it.
    pub fn remove(self) -> Result<()> {
        self.footprint.remove()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.keep.load(Ordering::Relaxed) {
            return;
        }
        // A test runner shows this for a test that failed, however it did; who succeeded calls `remove`, or is not shown.
        eprint!("{}", self.log_tails(30));
        if let Err(error) = self.footprint.remove() {
            eprintln!("lab: {}: not all removed: {error}", self.footprint.name());
        }
    }
}

fn log_tails(folder: &Path, lines: usize) -> String {
    let Ok(entries) = std::fs::read_dir(folder) else { return String::new() };
    let mut logs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.sort();
    let show = |path: &PathBuf| {
        let text = String::from_utf8_lossy(&std::fs::read(path).ok()?).into_owned();
        (!text.is_empty()).then(|| format!("--- {}\n{}\n", path.display(), tail(&text, lines)))
    };
    logs.iter().filter_map(show).collect()
}
