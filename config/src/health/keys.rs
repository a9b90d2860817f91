//! The keys of a check as they were given, and one table of all that there are.

use std::collections::BTreeMap;
use std::time::Duration;

/// What a key's value is like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// One of these words.
    Word(&'static [&'static str]),
    /// An integer in this range.
    Number(u32, u32),
    /// `true` or `false`.
    Flag,
    /// A time in this range of milliseconds, as "2s" or "500ms".
    Time(u64, u64),
    /// Any text, as described.
    Text(&'static str),
    /// A list of texts, each as described.
    Texts(&'static str),
}

/// A key of a check.
pub(crate) struct Key {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its value.
    pub(crate) form: Form,
    /// The types of checks that have it; empty: all.
    pub(crate) types: &'static [&'static str],
}

const fn key(name: &'static str, form: Form, types: &'static [&'static str]) -> Key {
    Key { name, form, types }
}

const DAY: u64 = 24 * 3600 * 1000;
const WEB: &[&str] = &["http", "https"];
const PORTS: &[&str] = &["tcp", "http", "https", "udp", "dns"];

/// The types of checks; the last one takes a real out of its service's check.
pub(crate) const TYPES: [&str; 8] = ["tcp", "http", "https", "udp", "dns", "icmp", "exec", "none"];

/// Every key of a check, in the order of the file.
pub(crate) const KEYS: &[Key] = &[
    key("type", Form::Word(&TYPES), &[]),
    key("interval", Form::Time(100, DAY), &[]),
    key("jitter", Form::Number(0, 50), &[]),
    key("timeout", Form::Time(10, DAY), &[]),
    key("rise", Form::Number(1, 1000), &[]),
    key("fall", Form::Number(1, 1000), &[]),
    key("start", Form::Word(&["down", "up"]), &[]),
    key("flap_limit", Form::Number(0, 1000), &[]),
    key("flap_window", Form::Time(1000, DAY), &[]),
    key("flap_hold", Form::Time(1000, DAY), &[]),
    key("port", Form::Number(1, 65_535), PORTS),
    key("via", Form::Word(&["real", "vip"]), PORTS),
    key("method", Form::Word(&["GET", "HEAD"]), WEB),
    key("path", Form::Text("a path that begins with \"/\""), WEB),
    key("host", Form::Text("a host name"), WEB),
    key("status", Form::Texts("a status or a range of them, as \"200-299\""), WEB),
    key("body", Form::Text("a regular expression"), WEB),
    key("sni", Form::Text("a host name"), &["https"]),
    key("verify", Form::Flag, &["https"]),
    key("ca_file", Form::Text("the path of a PEM file, from \"/\""), &["https"]),
    key("payload", Form::Text("a text"), &["udp"]),
    key("payload_hex", Form::Text("pairs of hexadecimal digits"), &["udp"]),
    key("expect", Form::Text("a regular expression"), &["udp"]),
    key("name", Form::Text("a domain name"), &["dns"]),
    key("record", Form::Word(&["A", "AAAA", "CNAME", "MX", "NS", "SOA", "TXT"]), &["dns"]),
    key("answers", Form::Texts("an address or a name"), &["dns"]),
    key("command", Form::Texts("a program, from \"/\", and its arguments"), &["exec"]),
    key("exit_weight", Form::Flag, &["exec"]),
];

/// The value of a key, as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A word or text.
    Text(String),
    /// An integer.
    Number(u32),
    /// True or false.
    Flag(bool),
    /// A time.
    Time(Duration),
    /// A list.
    Texts(Vec<String>),
}

impl Value {
    /// As the file has it.
    pub fn to_toml(&self) -> String {
        match self {
            Self::Text(text) => toml_text(text),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Time(time) => format!("\"{}\"", time_text(*time)),
            Self::Texts(texts) => toml_texts(texts),
        }
    }
}

/// A time as the file has it, without quotation marks: `2s`, `1h 30m`.
pub(crate) fn time_text(time: Duration) -> String {
    humantime::format_duration(time).to_string()
}

/// A text as TOML.
pub(crate) fn toml_text(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A list of texts as TOML.
pub(crate) fn toml_texts(texts: &[String]) -> String {
    format!("[{}]", texts.iter().map(|text| toml_text(text)).collect::<Vec<_>>().join(", "))
}

/// The keys that were given, by their names; the value of each is of its key's form and in its range.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckKeys(pub(crate) BTreeMap<&'static str, Value>);

impl CheckKeys {
    /// These keys, and of `base` those that are not among them and that a check of this type has.
    pub(crate) fn over(&self, base: &Self) -> Self {
        let given = |keys: &Self| match keys.0.get("type") {
            Some(Value::Text(name)) => Some(name.clone()),
            _ => None,
        };
        let kind = given(self).or_else(|| given(base)).unwrap_or_default();
        let has = |name: &str| {
            KEYS.iter().any(|key| key.name == name && (key.types.is_empty() || key.types.contains(&kind.as_str())))
        };
        let mut all = self.0.clone();
        for (name, value) in base.0.iter().filter(|(name, _)| has(name)) {
            all.entry(name).or_insert_with(|| value.clone());
        }
        Self(all)
    }

    /// Key and value as the file has them, in its order.
    pub fn entries(&self) -> impl Iterator<Item = (&'static str, String)> {
        KEYS.iter().filter_map(|key| self.0.get(key.name).map(|value| (key.name, value.to_toml())))
    }
}
