//! Reads TOML sections key by key, so that each refusal can name the section, the key, the value as written and the
//! line. The toml crate's own derive would say "invalid type" without them.

use crate::error::ConfigError;
use crate::rules::Broken;
use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

/// Reads the file whole.
pub(crate) fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::unreadable(&path.display().to_string(), &error))
}

/// The file's text and name, for the line numbers of refusals.
pub(crate) struct Document<'a> {
    file: &'a str,
    text: &'a str,
}

impl<'a> Document<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text }
    }

    /// Parses the text as TOML.
    pub(crate) fn parse(&self) -> Result<DeTable<'a>, ConfigError> {
        DeTable::parse(self.text).map(Spanned::into_inner).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let reason = error.message().replace('\n', ", ");
            self.error(span.start, format!("this is not TOML at {:?}: {reason}", self.written(span.clone())))
        })
    }

    fn error(&self, at: usize, message: String) -> ConfigError {
        let line = 1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count();
        ConfigError::at(self.file, line, message)
    }

    /// The value as written: its first line, shortened where it is long.
    fn written(&self, span: Range<usize>) -> String {
        const LONGEST: usize = 80;
        let text = self.text.get(span).and_then(|text| text.lines().next()).unwrap_or_default();
        let mut shown: String = text.chars().take(LONGEST).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        shown
    }
}

/// One table of the file.
pub(crate) struct Section<'a> {
    document: &'a Document<'a>,
    table: &'a DeTable<'a>,
    start: usize,
    name: String,
}

impl<'a> Section<'a> {
    /// The whole file; `sections` are the tables it may have.
    pub(crate) fn root(
        document: &'a Document<'a>,
        table: &'a DeTable<'a>,
        sections: &[&str],
    ) -> Result<Self, ConfigError> {
        let root = Self { document, table, start: 0, name: String::new() };
        root.refuse_unknown("section", sections)?;
        Ok(root)
    }

    fn refuse_unknown(&self, what: &str, known: &[&str]) -> Result<(), ConfigError> {
        let unknown = self.table.keys().filter(|key| !known.contains(&key.get_ref().as_ref()));
        match unknown.min_by_key(|key| key.span().start) {
            None => Ok(()),
            Some(key) => {
                let message = format!("unknown {what} {:?}, allowed {}", key.get_ref(), known.join(", "));
                Err(self.refuse_at(key.span().start, message))
            }
        }
    }

    /// The table `[key]`, if there is one.
    pub(crate) fn table(&self, key: &str, known: &[&str]) -> Result<Option<Section<'a>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let DeValue::Table(table) = value.get_ref() else {
            return Err(self.refuse_at(value.span().start, format!("{key} must be a table, write [{key}]")));
        };
        let name = self.child_name(&format!("[{key}]"));
        let section = Section { document: self.document, table, start: value.span().start, name };
        section.refuse_unknown("key", known)?;
        Ok(Some(section))
    }

    /// The tables `[[path]]` under `key`, called `service "web"` by their name, else `real 172.16.0.2:80` by their
    /// address or prefix, else `route 1` by their place.
    pub(crate) fn tables(&self, key: &str, path: &str, known: &[&str]) -> Result<Vec<Section<'a>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let wrong = |at| self.refuse_at(at, format!("{key} must be a list of tables, write [[{path}]] for each"));
        let DeValue::Array(array) = value.get_ref() else { return Err(wrong(value.span().start)) };
        let mut sections = Vec::with_capacity(array.len());
        for (index, entry) in array.iter().enumerate() {
            let DeValue::Table(table) = entry.get_ref() else { return Err(wrong(entry.span().start)) };
            let name = self.child_name(&format!("{key} {}", label(table).unwrap_or_else(|| (index + 1).to_string())));
            let section = Section { document: self.document, table, start: entry.span().start, name };
            section.refuse_unknown("key", known)?;
            sections.push(section);
        }
        Ok(sections)
    }

    fn child_name(&self, name: &str) -> String {
        if self.name.is_empty() { name.to_owned() } else { format!("{}, {name}", self.name) }
    }

    /// A refusal at a byte of the file.
    fn refuse_at(&self, at: usize, message: String) -> ConfigError {
        let prefix = if self.name.is_empty() { String::new() } else { format!("{}: ", self.name) };
        self.document.error(at, format!("{prefix}{message}"))
    }

    /// Refuses the value of `key` (or the section, if the key is absent) with a sentence of its own.
    pub(crate) fn refuse(&self, key: &str, message: String) -> ConfigError {
        self.refuse_at(self.table.get(key).map_or(self.start, |value| value.span().start), message)
    }

    /// Refuses a value that breaks a rule.
    pub(crate) fn broken(&self, broken: &Broken) -> ConfigError {
        self.refuse(broken.key, broken.to_string())
    }

    fn not_allowed(&self, key: &str, value: &Spanned<DeValue<'_>>, allowed: &str) -> ConfigError {
        let written = self.document.written(value.span());
        self.refuse_at(value.span().start, format!("{key} {written}, allowed {allowed}"))
    }

    /// Refuses the value of `key`, which is there, as not allowed.
    pub(crate) fn refuse_value(&self, key: &str, allowed: &str) -> ConfigError {
        match self.table.get(key) {
            Some(value) => self.not_allowed(key, value, allowed),
            None => self.missing(key, allowed),
        }
    }

    fn missing(&self, key: &str, allowed: &str) -> ConfigError {
        self.refuse_at(self.start, format!("{key} is missing, allowed {allowed}"))
    }

    /// Refuses a value that another section has already.
    pub(crate) fn refuse_twice(&self, key: &str, value: impl Display, first: &str) -> ConfigError {
        self.refuse(key, format!("{key} {value} is given twice, {first} has it already"))
    }

    /// An integer in `range`.
    pub(crate) fn number(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<u32>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        match value.get_ref().as_integer().and_then(integer).filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.not_allowed(key, value, &format!("{} to {}", range.start(), range.end()))),
        }
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        value.get_ref().as_bool().map(Some).ok_or_else(|| self.not_allowed(key, value, "true, false"))
    }

    /// Whether `key` is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A list of integers in `range`.
    pub(crate) fn numbers(&self, key: &str, range: RangeInclusive<u32>) -> Result<Option<Vec<u32>>, ConfigError> {
        let allowed = format!("a list of numbers, each {} to {}", range.start(), range.end());
        let read = |value: &DeValue<'_>| value.as_integer().and_then(integer).filter(|number| range.contains(number));
        self.list(key, &allowed, read)
    }

    /// A list; `read` gives `None` for an entry that is not allowed.
    pub(crate) fn list<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let DeValue::Array(array) = value.get_ref() else { return Err(self.not_allowed(key, value, allowed)) };
        let entry = |entry| read(Spanned::get_ref(entry)).ok_or_else(|| self.not_allowed(key, entry, allowed));
        array.iter().map(entry).collect::<Result<_, _>>().map(Some)
    }

    /// A string that `read` accepts.
    pub(crate) fn text<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.table.get(key) else { return Ok(None) };
        let known = value.get_ref().as_str().and_then(read);
        known.map(Some).ok_or_else(|| self.not_allowed(key, value, allowed))
    }

    /// A string that parses as `T`.
    pub(crate) fn parsed<T: FromStr>(&self, key: &str, allowed: &str) -> Result<Option<T>, ConfigError> {
        self.text(key, allowed, |text| text.parse().ok())
    }

    /// Makes an optional value a required one.
    pub(crate) fn required<T>(&self, key: &str, allowed: &str, value: Option<T>) -> Result<T, ConfigError> {
        value.ok_or_else(|| self.missing(key, allowed))
    }
}

/// What tells a table from its siblings.
fn label(table: &DeTable<'_>) -> Option<String> {
    const LONGEST: usize = 80;
    let text = |key| {
        table.get(key).and_then(|value| value.get_ref().as_str()).filter(|text| (1..=LONGEST).contains(&text.len()))
    };
    let plain = |text: &&str| !text.chars().any(|c| c.is_control() || c.is_whitespace());
    let name = text("name").map(|name| format!("{name:?}"));
    name.or_else(|| text("address").or_else(|| text("prefix")).filter(plain).map(str::to_owned))
}

fn integer(value: &DeInteger<'_>) -> Option<u32> {
    u32::from_str_radix(value.as_str(), value.radix()).ok()
}

/// Which section had a value first: refuses the second.
pub(crate) struct Unique<K>(HashMap<K, String>);

impl<K: Hash + Eq> Unique<K> {
    pub(crate) fn new() -> Self {
        Self(HashMap::new())
    }

    /// Notes that `owner` has `value` under `key` in `section`.
    pub(crate) fn claim(
        &mut self,
        section: &Section<'_>,
        key: &str,
        value: K,
        shown: impl Display,
        owner: &str,
    ) -> Result<(), ConfigError> {
        match self.0.insert(value, owner.to_owned()) {
            None => Ok(()),
            Some(first) => Err(section.refuse_twice(key, shown, &first)),
        }
    }
}
