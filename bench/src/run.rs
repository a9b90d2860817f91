//! The scenarios, as `make bench` runs them.

use crate::interrupted::clean_up_when_interrupted;
use bench::report::{Report, charts, compare, markdown, table};
use bench::rig::Cores;
use bench::suite::{Extent, SCENARIOS, Scenario, Suite};
use clap::{Args, ValueEnum};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

/// How many times as slow a figure may be as it was recorded.
const TOLERATED: f64 = 1.3;

/// The report of which a page is made, in the page's folder.
const RESULTS: &str = "results.json";

/// What is measured, and where it goes.
#[derive(Args)]
pub(crate) struct Arguments {
    /// How much is measured
    #[arg(long, value_enum, default_value = "usual")]
    extent: ExtentName,
    /// Only this scenario, whatever the extent; may be repeated
    #[arg(long)]
    scenario: Vec<String>,
    /// Only tell which scenarios there are
    #[arg(long)]
    list: bool,
    /// Begin no further scenario after so many seconds
    #[arg(long, default_value_t = 540)]
    seconds: u64,
    /// Where the report goes, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// The page to put the report into; its charts and the report itself, `results.json`, go to the folder of the page's
    /// name beside it. With --scenario the other figures of that report stay
    #[arg(long)]
    page: Option<PathBuf>,
    /// An earlier report to compare with: exit code 1 if something is now more than 30 % slower, twice
    #[arg(long)]
    recorded: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ExtentName {
    Quick,
    Usual,
    Full,
    Long,
}

impl From<ExtentName> for Extent {
    fn from(name: ExtentName) -> Self {
        match name {
            ExtentName::Quick => Self::Quick,
            ExtentName::Usual => Self::Usual,
            ExtentName::Full => Self::Full,
            ExtentName::Long => Self::Long,
        }
    }
}

/// Runs, prints, writes and compares.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Box<dyn Error>> {
    if arguments.list {
        for scenario in SCENARIOS {
            println!("{:<16} {:<6} {}", scenario.name, format!("{:?}", scenario.from).to_lowercase(), scenario.about);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let extent = Extent::from(arguments.extent);
    let chosen = chosen(arguments, extent)?;
    let cores = Cores::of_this_machine().ok_or("two cores are needed: one sends, one is measured")?;
    let folder = tempfile::Builder::new().prefix("sluice-bench-").tempdir()?;
    let deadline = Instant::now() + Duration::from_secs(arguments.seconds);
    let report = measure(&chosen, Suite::new(extent, folder.path(), cores, deadline), folder.path())?;
    print!("{}", table::show(&report));
    if let Some(file) = &arguments.json {
        fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
        fs::write(file, serde_json::to_string_pretty(&report)? + "\n")?;
        println!("\nAll figures, each run: {}", file.display());
    }
    if let Some(page) = &arguments.page {
        let results = page.with_extension("").join(RESULTS);
        let all = if arguments.scenario.is_empty() { report.clone() } else { with_recorded(report.clone(), &results)? };
        put_into(page, &all)?;
        fs::write(&results, serde_json::to_string_pretty(&all)? + "\n")?;
        println!("Tables and charts: {}", page.display());
    }
    match &arguments.recorded {
        Some(file) => compared(file, report, &chosen, extent, cores),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn chosen(arguments: &Arguments, extent: Extent) -> Result<Vec<Scenario>, String> {
    if arguments.scenario.is_empty() {
        // What is long is run by itself.
        let fits = |scenario: &&Scenario| {
            scenario.from <= extent && (extent == Extent::Long) == (scenario.from == Extent::Long)
        };
        return Ok(SCENARIOS.iter().filter(fits).copied().collect());
    }
    let named = |name: &String| {
        let known = || SCENARIOS.iter().map(|scenario| scenario.name).collect::<Vec<_>>().join(", ");
        let found = SCENARIOS.iter().find(|scenario| scenario.name == name);
        found.copied().ok_or_else(|| format!("no scenario {name}; there are {}", known()))
    };
    arguments.scenario.iter().map(named).collect()
}

/// Runs the scenarios; whatever happens, hugepages that were added are given back.
fn measure(chosen: &[Scenario], mut suite: Suite, folder: &Path) -> Result<Report, Box<dyn Error>> {
    suite.cores.keep_to_main();
    clean_up_when_interrupted(folder)?;
    let mut result = Ok(());
    for scenario in chosen {
        result = suite.run(scenario);
        if result.is_err() {
            break;
        }
    }
    lab::give_back(folder)?;
    result.map_err(|error| kept(&error.to_string(), folder))?;
    Ok(suite.finish())
}

/// The words of an error, with the logs that they name kept: the folder goes.
fn kept(said: &str, folder: &Path) -> String {
    let logs = std::env::temp_dir().join(format!("sluice-bench-logs-{}", std::process::id()));
    let is_log = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "log");
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_log);
    let copied = fs::create_dir_all(&logs).is_ok()
        && files.map(|file| fs::copy(&file, logs.join(file.file_name().unwrap_or_default()))).all(|copy| copy.is_ok());
    if !copied {
        return said.to_owned();
    }
    let named = said.replace(&format!("(all of it: {}", folder.display()), &format!("(all of it: {}", logs.display()));
    format!("{named}\nThe logs of its processes: {}", logs.display())
}

/// The report, with what only the recorded one has.
fn with_recorded(report: Report, results: &Path) -> Result<Report, Box<dyn Error>> {
    match fs::read_to_string(results) {
        Ok(text) => Ok(report.merged_into(serde_json::from_str(&text)?)?),
        // The first one.
        Err(_) => Ok(report),
    }
}

fn put_into(page: &Path, report: &Report) -> Result<(), Box<dyn Error>> {
    let folder = page.with_extension("");
    let mut names = Vec::new();
    for svg in charts::draw(report, &folder)? {
        let png = svg.with_extension("png");
        // Of librsvg2-bin. A page without the PNG still has the SVG.
        let drawn = Command::new("rsvg-convert").arg("--output").arg(&png).arg(&svg).status();
        if !drawn.is_ok_and(|status| status.success()) {
            eprintln!("bench: no {}: rsvg-convert is missing or failed; run ./setup.sh bench", png.display());
        }
        names.extend(svg.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    let text = fs::read_to_string(page)?;
    let new = markdown::put_into(&text, report, &names)
        .ok_or_else(|| format!("{} has no line {:?} and {:?}", page.display(), markdown::BEGIN, markdown::END))?;
    fs::write(page, new)?;
    Ok(())
}

/// Compares with an earlier report. What is slower is measured again before it counts.
fn compared(
    file: &Path,
    report: Report,
    chosen: &[Scenario],
    extent: Extent,
    cores: Cores,
) -> Result<ExitCode, Box<dyn Error>> {
    let Ok(text) = fs::read_to_string(file) else {
        println!("\nNothing to compare with: there is no {}", file.display());
        return Ok(ExitCode::SUCCESS);
    };
    let recorded = compare::figures(&serde_json::from_str(&text)?);
    let slower = |report: &Report| -> Vec<String> {
        let now = compare::figures(report);
        let changes = compare::changes((&recorded.0, recorded.1), (&now.0, now.1));
        println!("\n{}", compare::show(&changes));
        let (disturbed, slower): (Vec<_>, Vec<_>) =
            changes.into_iter().filter(|change| change.factor() > TOLERATED).partition(|change| change.disturbed);
        for change in disturbed {
            println!("skipped: {}: slower, while another machine used the core in all its runs", change.name);
        }
        slower.into_iter().map(|change| change.name).collect()
    };
    let first = slower(&report);
    if first.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    println!("Slower than it was recorded: {}. Measured again:", first.join(", "));
    let again: Vec<Scenario> =
        chosen.iter().filter(|scenario| ["stages", "capture"].contains(&scenario.name)).copied().collect();
    let folder = tempfile::Builder::new().prefix("sluice-bench-").tempdir()?;
    let deadline = Instant::now() + Duration::from_secs(600);
    let second = slower(&measure(&again, Suite::new(extent, folder.path(), cores, deadline), folder.path())?);
    let both: Vec<String> = first.into_iter().filter(|name| second.contains(name)).collect();
    if both.is_empty() {
        println!("Not this time: the machine was busy.");
        return Ok(ExitCode::SUCCESS);
    }
    println!("Slower, twice, by more than {:.0} %: {}", (TOLERATED - 1.0) * 100.0, both.join(", "));
    Ok(ExitCode::FAILURE)
}
