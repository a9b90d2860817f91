//! The suite: files of scenarios, their recordings, what differs.

use crate::answer::{self, Answers};
use crate::compare;
use crate::lists;
use crate::ours;
use crate::random;
use crate::reference::Reference;
use crate::report;
use crate::scenario::{self, Scenario};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The first argument of the process that asks the reference. Then the machine's folder, the driver, and what to do:
/// `check` the recordings or `record`; then, optionally, the names of files.
pub(crate) const ASK: &str = "--ask";

/// `scenarios` or `recorded`; of another folder, if the environment says so.
fn folder(name: &str) -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    std::env::var_os("CONFORMANCE_FOLDER").map_or_else(own, PathBuf::from).join(name)
}

/// The files of scenarios, in the order of their names.
pub(crate) fn files() -> Result<Vec<PathBuf>, String> {
    let entries = std::fs::read_dir(folder("scenarios")).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

/// The reference is asked all files at once and answers by name.
pub(crate) fn no_name_twice() -> Result<(), String> {
    let mut seen = std::collections::HashMap::new();
    for file in files()? {
        for scenario in scenarios(&file)? {
            if let Some(first) = seen.insert(scenario.name.clone(), name(&file)) {
                return Err(format!("{} is in {first} and in {}", scenario.name, name(&file)));
            }
        }
    }
    Ok(())
}

/// A file's name in the list of tests.
pub(crate) fn name(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn recorded(file: &Path) -> PathBuf {
    folder("recorded").join(name(file)).with_extension("txt")
}

/// The scenarios of a file.
pub(crate) fn scenarios(file: &Path) -> Result<Vec<Scenario>, String> {
    let scenarios =
        scenario::load(file, &scenario::machine()?).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut names = BTreeSet::new();
    match scenarios.iter().find(|scenario| !names.insert(scenario.name.as_str())) {
        Some(scenario) => Err(format!("{}: {} stands twice", file.display(), scenario.name)),
        None => Ok(scenarios),
    }
}

/// The recording of these scenarios of a file: who answered, and what.
pub(crate) fn recording(file: &Path, scenarios: &[Scenario]) -> Result<(String, Answers), String> {
    let path = recorded(file);
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("{}: {error}; make conformance RECORD=1 writes it", path.display()))?;
    answer::from_text(&text, scenarios)
}

/// Compares ours with the recording of a file of scenarios.
pub(crate) fn compare_with_recording(file: &Path) -> Result<(), String> {
    let scenarios = scenarios(file)?;
    let (_, answers) = recording(file, &scenarios)?;
    let wrong = differences(&scenarios, &answers)?;
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What differs between ours and the reference's answers, under the names of the scenarios.
pub(crate) fn differences(scenarios: &[Scenario], answers: &Answers) -> Result<String, String> {
    let ours = ours::ask(scenarios)?;
    let mut wrong = String::new();
    for scenario in scenarios {
        let theirs = answers.get(&scenario.name).map_or(&[][..], Vec::as_slice);
        let differences = compare::with_ours(scenario, theirs, &ours);
        if !differences.is_empty() {
            wrong += &format!("\n== {}\n{differences}", scenario.name);
        }
    }
    Ok(wrong)
}

/// Asks the reference the scenarios of all files, and all lists of command lines, in one boot; see [`ASK`].
pub(crate) fn ask(arguments: &[String]) -> Result<(), String> {
    let [machine, driver, mode, names @ ..] = arguments else { return Err("expected FOLDER DRIVER MODE".to_owned()) };
    let reference = Reference::build(Path::new(machine), Path::new(driver))?;
    let mut files = files()?;
    files.retain(|file| names.is_empty() || names.contains(&name(file)));
    let loaded: Vec<Vec<Scenario>> = files.iter().map(|file| scenarios(file)).collect::<Result<_, _>>()?;
    let mut lists = lists::files()?;
    lists.retain(|_| names.is_empty() || names.iter().any(|name| name == lists::NAME));
    let (answers, said) = reference.ask(&loaded.concat(), &lists)?;
    let version = reference.version()?;
    let mut wrong = String::new();
    for (file, scenarios) in files.iter().zip(&loaded) {
        if mode == "record" {
            let text = answer::to_text(&version, scenarios, &answers)?;
            std::fs::write(recorded(file), text).map_err(|error| error.to_string())?;
        } else {
            wrong += &changed(file, scenarios, &answers)?;
        }
    }
    for scenarios in &loaded {
        wrong += &differences(scenarios, &answers)?;
    }
    for (list, said) in lists.iter().zip(&said) {
        if mode == "record" {
            std::fs::write(list, said).map_err(|error| error.to_string())?;
        } else {
            let changed = lists::changed(&lists::text(list)?, said);
            if !changed.is_empty() {
                wrong += &format!("\n== {}: ipvsadm no longer answers as recorded\n{changed}", list.display());
            }
        }
    }
    if mode == "record" && std::env::var_os("CONFORMANCE_FOLDER").is_none() {
        report::write()?;
    }
    if names.is_empty() {
        println!("{}", report::text()?);
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// What the reference now says otherwise than it did.
fn changed(file: &Path, scenarios: &[Scenario], answers: &Answers) -> Result<String, String> {
    let (_, was) = recording(file, scenarios)?;
    let mut wrong = String::new();
    for scenario in scenarios {
        let of = |answers: &Answers| answers.get(&scenario.name).cloned().unwrap_or_default();
        let differences = compare::recordings(scenario, &of(&was), &of(answers));
        if !differences.is_empty() {
            wrong += &format!("\n== {}: the reference no longer says what was recorded\n{differences}", scenario.name);
        }
    }
    Ok(wrong)
}

/// The first argument of the process that asks by chance. Then the machine's folder, the driver, the seed and how many
/// events.
pub(crate) const RANDOM: &str = "--random";

/// Compares scenarios by chance; see [`RANDOM`].
pub(crate) fn ask_by_chance(arguments: &[String]) -> Result<(), String> {
    let [machine, driver, seed, events] = arguments else {
        return Err("expected FOLDER DRIVER SEED EVENTS".to_owned());
    };
    let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
    let (seed, events) = (number(seed)?, number(events)?);
    let scenarios = random::scenarios(seed, events as usize, &scenario::machine()?)?;
    let reference = Reference::build(Path::new(machine), Path::new(driver))?;
    let (answers, _) = reference.ask(&scenarios, &[])?;
    let wrong = differences(&scenarios, &answers)?;
    let (events, frames) =
        scenarios.iter().flat_map(|scenario| &scenario.events).fold((0, 0), |(events, frames), event| {
            (events + 1, frames + usize::from(matches!(event.what, scenario::What::Frame { .. })))
        });
    println!("seed {seed}: {} scenarios, {events} events, {frames} of them frames", scenarios.len());
    if wrong.is_empty() {
        return Ok(());
    }
    let kept = Path::new(machine).join(format!("random-{seed}.txt"));
    let text = answer::to_text(&reference.version()?, &scenarios, &answers)?;
    std::fs::write(&kept, text).map_err(|error| error.to_string())?;
    Err(format!("{wrong}\nWhat was asked, and what the reference said: {}", kept.display()))
}
