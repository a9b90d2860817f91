//! The documents: every link to a file of this repository leads to one.

use std::fs;
use std::path::{Path, PathBuf};

/// README.md and its like, and everything in docs/.
fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in [root.to_owned(), root.join("docs")] {
        let entries = fs::read_dir(&folder).expect("the repository can be read");
        let paths = entries.map(|entry| entry.expect("the repository can be read").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    found
}

/// The targets of Markdown's inline links, without their fragments; none to other sites.
fn targets(text: &str) -> Vec<&str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    let files = links.map(|(target, _)| target.split('#').next().unwrap_or_default());
    files.filter(|target| !target.is_empty() && !target.contains("://")).collect()
}

#[test]
fn links_lead_to_files_that_are_there() {
    let documents = documents();
    assert!(documents.iter().any(|path| path.ends_with("README.md")));
    for path in documents {
        let text = fs::read_to_string(&path).expect("a document is UTF-8 text");
        let folder = path.parent().unwrap_or(Path::new(""));
        let lost: Vec<&str> = targets(&text).into_iter().filter(|target| !folder.join(target).exists()).collect();
        assert!(lost.is_empty(), "{}: {lost:?}", path.display());
    }
}

#[test]
fn targets_are_those_of_links_to_files() {
    let text = "[a](docs/a.md), [b](#b), [c](https://example.org/c.md) and [d](d.md#part)";
    assert_eq!(targets(text), ["docs/a.md", "d.md"]);
}
