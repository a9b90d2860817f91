//! Replay cases: frames in, frames out, in files. Each file of `tests/replay/cases` is a test of its name; case.rs says
//! what stands in one, tests/frame/mod.rs how a frame is written.

mod case;
#[path = "../frame/mod.rs"]
mod frame;
mod machine;
mod run;

use case::Case;
use libtest_mimic::{Arguments, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some((run::CHILD, rest)) = arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        return run::child(rest);
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay/cases");
    let tests = match trials(&folder) {
        Ok(trials) => trials,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    };
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}

fn trials(folder: &Path) -> std::io::Result<Vec<Trial>> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>()?;
    files.sort();
    let name = |file: &Path| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    Ok(files.into_iter().map(|file| Trial::test(name(&file), move || Ok(run::run(&Case::load(&file)?)?))).collect())
}
