//! The command line taken apart, by the rules of the popt library: long options by their whole name, short ones
//! bundled, a value behind `=` or glued to its short option or as the next word whatever that is, arguments anywhere.

use super::options::{SPECS, Spec, Switch, Takes};

/// An option that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad<'a> {
    word: &'a str,
    why: &'static str,
}

impl std::fmt::Display for Bad<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.word, self.why)
    }
}

/// The words, read one after the other.
pub(super) struct Words<'a> {
    words: std::slice::Iter<'a, String>,
    /// The last word that was read.
    last: &'a str,
    /// What is left of a bundle of short options, and the word that it is part of.
    bundle: Option<(&'a str, &'a str)>,
    only_arguments: bool,
    /// The words that are no options, so far.
    pub(super) arguments: Vec<&'a str>,
}

impl<'a> Words<'a> {
    pub(super) fn new(words: &'a [String]) -> Self {
        Self { words: words.iter(), last: "", bundle: None, only_arguments: false, arguments: Vec::new() }
    }

    /// The last word that was read.
    pub(super) const fn last(&self) -> &'a str {
        self.last
    }

    /// The next option and its value; `None` at the end.
    ///
    /// # Errors
    /// It is not known, lacks its value, or has one that it has no use for.
    pub(super) fn next(&mut self) -> Result<Option<(Switch, Option<&'a str>)>, Bad<'a>> {
        if let Some((rest, word)) = self.bundle.take() {
            return self.short(rest, word).map(Some);
        }
        while let Some(word) = self.word() {
            if self.only_arguments || !word.starts_with('-') || word == "-" {
                self.arguments.push(word);
            } else if word == "--" {
                self.only_arguments = true;
            } else if let Some(name) = word.strip_prefix("--") {
                return self.long(name, word).map(Some);
            } else {
                return self.short(&word[1..], word).map(Some);
            }
        }
        Ok(None)
    }

    fn word(&mut self) -> Option<&'a str> {
        let word = self.words.next()?;
        self.last = word;
        Some(word)
    }

    fn long(&mut self, name: &'a str, word: &'a str) -> Result<(Switch, Option<&'a str>), Bad<'a>> {
        let (name, value) = match name.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (name, None),
        };
        let spec = SPECS.iter().find(|spec| spec.long == name).ok_or(Bad { word, why: "unknown option" })?;
        match value {
            Some(_) if spec.takes == Takes::Nothing => Err(Bad { word, why: "option does not take an argument" }),
            Some(value) => Ok((spec.switch, Some(value))),
            None => self.value(spec, word),
        }
    }

    /// The first of the short options in `rest`, a part of `word`.
    fn short(&mut self, rest: &'a str, word: &'a str) -> Result<(Switch, Option<&'a str>), Bad<'a>> {
        let mut letters = rest.chars();
        let known = letters.next().and_then(|letter| SPECS.iter().find(|spec| spec.short == Some(letter)));
        let spec = known.ok_or(Bad { word, why: "unknown option" })?;
        let rest = letters.as_str();
        if spec.takes == Takes::Nothing {
            if rest.starts_with('=') {
                return Err(Bad { word, why: "option does not take an argument" });
            }
            self.bundle = (!rest.is_empty()).then_some((rest, word));
            return Ok((spec.switch, None));
        }
        match rest {
            "" => self.value(spec, word),
            _ => Ok((spec.switch, Some(rest.strip_prefix('=').unwrap_or(rest)))),
        }
    }

    /// The value of an option, in the next word.
    fn value(&mut self, spec: &Spec, word: &'a str) -> Result<(Switch, Option<&'a str>), Bad<'a>> {
        let value = match spec.takes {
            Takes::Nothing => None,
            Takes::Value => Some(self.word().ok_or(Bad { word, why: "missing argument" })?),
            Takes::Perhaps => {
                let next = self.words.as_slice().first();
                if next.is_some_and(|next| !next.starts_with('-')) { self.word() } else { None }
            }
        };
        Ok((spec.switch, value))
    }
}
