//! Asks the reference: boots its machine with scenarios and reads what it says.

use crate::answer::{Answer, Answers, hex};
use crate::lists;
use crate::scenario::{SIDES, Scenario, What};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The lists of a dump, and when: statistics are only up to date after a round of the reference's estimator.
const DUMP_PARTS: [(u64, &str); 3] = [(0, "c"), (50, ""), (3000, " --stats --exact")];

/// The machine's folder, as vm/build.sh left it.
pub(crate) struct Reference {
    folder: PathBuf,
}

impl Reference {
    /// Builds the machine in `folder`, if what is there is not right, with the driver at `lockstep`.
    pub(crate) fn build(folder: &Path, lockstep: &Path) -> Result<Self, String> {
        let status = Command::new(script("build.sh")).arg(folder).arg(lockstep).status();
        match status {
            Ok(status) if status.success() => Ok(Self { folder: folder.to_owned() }),
            Ok(status) => Err(format!("vm/build.sh ended with {status}")),
            Err(error) => Err(format!("vm/build.sh: {error}")),
        }
    }

    /// Its kernel and its ipvsadm.
    pub(crate) fn version(&self) -> Result<String, String> {
        let text = std::fs::read_to_string(self.folder.join("reference")).map_err(|error| error.to_string())?;
        Ok(text.trim().to_owned())
    }

    /// What it answers to each scenario and to each list of command lines, all in one boot.
    pub(crate) fn ask(&self, scenarios: &[Scenario], lists: &[PathBuf]) -> Result<(Answers, Vec<String>), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let put = |kind: &str, name: &str, text: &str| {
            let file = folder.path().join(kind).join(name);
            std::fs::write(file, text).map_err(|error| error.to_string())
        };
        for kind in ["scenarios", "lists"] {
            std::fs::create_dir(folder.path().join(kind)).map_err(|error| error.to_string())?;
        }
        for (index, scenario) in scenarios.iter().enumerate() {
            put("scenarios", &format!("{index:05}"), &script_of(scenario))?;
        }
        for (index, list) in lists.iter().enumerate() {
            put("lists", &list_name(index), &lists::text(list)?)?;
        }
        let mut command = Command::new(script("run.sh"));
        let output = command.arg(&self.folder).arg(folder.path()).stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("vm/run.sh: {error}"))?;
        let output = String::from_utf8_lossy(&output.stdout);
        if !output.contains("\n== end") {
            return Err(format!("the machine did not come to its end: ...{}", tail(&output)));
        }
        let mut said = BTreeMap::new();
        for part in output.split("== ").skip(1) {
            let (number, text) = part.split_once('\n').unwrap_or((part, ""));
            said.insert(number.trim().to_owned(), text);
        }
        let answers = scenarios.iter().enumerate().map(|(index, scenario)| {
            let text = said.get(&format!("{index:05}")).copied().unwrap_or_default();
            let answers = read(text, scenario).map_err(|error| format!("{}: {error}", scenario.name))?;
            Ok((scenario.name.clone(), answers))
        });
        let lists = (0..lists.len()).map(|index| said.get(&list_name(index)).copied().unwrap_or_default().to_owned());
        Ok((answers.collect::<Result<_, String>>()?, lists.collect()))
    }
}

fn list_name(index: usize) -> String {
    format!("list{index}")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/vm").join(name)
}

fn tail(text: &str) -> &str {
    &text[text.len() - text.len().min(2000)..]
}

/// The commands before the first event.
fn preparations(scenario: &Scenario) -> Vec<String> {
    let mut commands: Vec<String> =
        scenario.vips.iter().map(|vip| format!("/bin/ip addr add {vip}/32 dev lo")).collect();
    commands.extend(scenario.lan_mtu.map(|mtu| format!("/bin/ip link set lan mtu {mtu}")));
    if !scenario.marks.is_empty() {
        commands.push("/bin/tc qdisc add dev wan clsact".to_owned());
    }
    for (mark, endpoints) in &scenario.marks {
        for endpoint in endpoints {
            let (protocol, address) = endpoint.split_once(' ').unwrap_or(("tcp", endpoint));
            let (address, port) = address.split_once(':').unwrap_or((address, "0"));
            let port = if port == "0" { String::new() } else { format!("dst_port {port}") };
            commands.push(format!(
                "/bin/tc filter add dev wan ingress protocol ip flower ip_proto {protocol} dst_ip {address} {port} \
                 action skbedit mark {mark}"
            ));
        }
    }
    commands
}

/// The events in the driver's form; a dump is several of them.
fn script_of(scenario: &Scenario) -> String {
    let mut script = String::new();
    for (at, command) in preparations(scenario).iter().enumerate() {
        let _ = writeln!(script, "{} C {command}", 20 * at);
    }
    for event in &scenario.events {
        let _ = match &event.what {
            What::Frame { side, bytes } => writeln!(script, "{} F {} {}", event.at, SIDES[*side], hex(bytes)),
            What::Ipvsadm(line) => writeln!(script, "{} R ipvsadm {line}", event.at),
            What::Set(name, value) => {
                writeln!(script, "{} C echo {value} > /proc/sys/net/ipv4/vs/{name}", event.at)
            }
            What::Dump => DUMP_PARTS
                .iter()
                .try_for_each(|(after, list)| writeln!(script, "{} R ipvsadm -Ln{list}", event.at + after)),
        };
    }
    script
}

/// The answers to the events from what the driver printed.
fn read(text: &str, scenario: &Scenario) -> Result<Vec<Answer>, String> {
    let before = preparations(scenario).len();
    // The event that each of the driver's belongs to.
    let mut owners = vec![None; before];
    for (index, event) in scenario.events.iter().enumerate() {
        owners.extend(vec![Some(index); if matches!(event.what, What::Dump) { DUMP_PARTS.len() } else { 1 }]);
    }
    let mut answers = vec![Answer::default(); scenario.events.len()];
    let mut seen = 0usize;
    for line in text.lines() {
        let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
        let current = seen.checked_sub(1).and_then(|last| owners.get(last).copied());
        match kind {
            "I" if rest.ends_with(" late") => return Err(format!("event {seen} came late: {rest}")),
            "I" => seen += 1,
            "O" => {
                if let Some(Some(event)) = current {
                    answers[event].add_frame(rest)?;
                }
            }
            "X" => match current {
                Some(Some(event)) => answers[event].lines.push(rest.to_owned()),
                _ => return Err(format!("while it was prepared: {rest}")),
            },
            "E" => return Err(rest.to_owned()),
            // The kernel speaks on the console, too.
            _ => {}
        }
    }
    if seen == owners.len() { Ok(answers) } else { Err(format!("{seen} of {} events: {}", owners.len(), tail(text))) }
}
