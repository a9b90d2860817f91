//! Lists of command lines of ipvsadm, in files of control/tests/ipvsadm with the real one's answers. A test there compares
//! ours with them; here the real one is asked again.

use std::path::{Path, PathBuf};

/// Stands for all lists among the names of files to ask.
pub(crate) const NAME: &str = "ipvsadm";

/// The files, in the order of their names.
pub(crate) fn files() -> Result<Vec<PathBuf>, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("control/tests/ipvsadm");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "txt"));
    files.sort();
    Ok(files)
}

/// A list, with what was recorded.
pub(crate) fn text(file: &Path) -> Result<String, String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// How many command lines there are, and how many of them Sluice answers otherwise, for a reason that is written there.
pub(crate) fn count() -> Result<(usize, usize), String> {
    let (mut commands, mut otherwise) = (0, 0);
    for file in files()? {
        let text = text(&file)?;
        commands += text.lines().filter(|line| line.starts_with("$ ")).count();
        otherwise += text.lines().filter(|line| line.starts_with("~ ")).count();
    }
    Ok((commands, otherwise))
}

/// What the real one says otherwise than it did, by command; empty if nothing.
pub(crate) fn changed(was: &str, is: &str) -> String {
    let (was, is) = (commands(was), commands(is));
    let mut wrong = String::new();
    for (was, is) in was.iter().zip(&is).filter(|(was, is)| was != is) {
        wrong += &format!("recorded\n{was}now\n{is}");
    }
    if was.len() != is.len() {
        wrong += &format!("{} command lines are recorded, {} were answered\n", was.len(), is.len());
    }
    wrong
}

/// The parts of a list, each a command with its answers.
fn commands(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    for line in text.lines() {
        if line.starts_with("$ ") {
            parts.push(String::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(line);
            part.push('\n');
        }
    }
    parts
}
