//! The refusal of a configuration file.

use std::fmt;

/// Why a file was refused: what, where, and what is allowed instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    file: String,
    line: Option<usize>,
    message: String,
}

impl ConfigError {
    pub(crate) fn at(file: &str, line: usize, message: String) -> Self {
        Self { file: file.to_owned(), line: Some(line), message }
    }

    pub(crate) fn unreadable(file: &str, error: &std::io::Error) -> Self {
        let message = format!("the file cannot be read: {error}; check the path and the permissions");
        Self { file: file.to_owned(), line: None, message }
    }

    /// The file, as the caller named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1; `None`: the file could not be read at all.
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What is wrong and what is allowed, without file and line.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the file could not be read, as opposed to: was read and is wrong.
    pub fn is_unreadable(&self) -> bool {
        self.line.is_none()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{} ({}:{line})", self.message, self.file),
            None => write!(f, "{} ({})", self.message, self.file),
        }
    }
}
