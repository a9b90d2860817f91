//! From the keys that were given to a check.

use super::check::{Check, CheckKind, DnsCheck, DnsRecord, HttpCheck, Pattern, Start, TlsCheck, Via};
use super::keys::{CheckKeys, KEYS, TYPES, Value, time_text, toml_text};
use crate::rules::Broken;
use std::net::SocketAddrV4;
use std::ops::RangeInclusive;
use std::time::Duration;

const INTERVAL: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(1);

impl CheckKeys {
    /// The check of a real at this address that these keys mean; `None`: type "none".
    ///
    /// # Errors
    /// A key is missing, does not belong to this type, or its value is not one.
    pub fn resolve(&self, real: SocketAddrV4) -> Result<Option<Check>, Broken> {
        let Some(kind) = self.text("type") else {
            return Err(Broken::missing("type", TYPES.join(", ")));
        };
        if let Some(key) = KEYS.iter().find(|key| {
            self.0.contains_key(key.name) && !key.types.is_empty() && kind != "none" && !key.types.contains(&kind)
        }) {
            let allowed = format!("with check type {} only", key.types.join(", "));
            let value = self.0.get(key.name).map(Value::to_toml).unwrap_or_default();
            return Err(Broken::new(key.name, value, allowed));
        }
        let kind = match kind {
            "tcp" => CheckKind::Tcp,
            "http" | "https" => CheckKind::Http(self.http(kind == "https")?),
            "udp" => CheckKind::Udp { payload: self.payload()?, expect: self.pattern("expect")? },
            "dns" => CheckKind::Dns(self.dns()?),
            "icmp" => CheckKind::Icmp,
            "exec" => CheckKind::Exec { command: self.command()?, exit_weight: self.flag("exit_weight", false) },
            _ => return Ok(None),
        };
        let via = if self.text("via") == Some("vip") { Via::Vip } else { Via::Real };
        if via == Via::Vip && matches!(kind, CheckKind::Udp { expect: None, .. }) {
            return Err(Broken::missing("expect", "a regular expression (with via = \"vip\" an answer is needed)"));
        }
        let interval = self.time("interval", INTERVAL);
        let timeout = self.time("timeout", TIMEOUT.min(interval));
        if timeout > interval {
            let most = format!("10ms to {}, the interval", time_text(interval));
            return Err(Broken::new("timeout", toml_text(&time_text(timeout)), most));
        }
        let has_port = !matches!(kind, CheckKind::Icmp | CheckKind::Exec { .. });
        let port = self.number("port", u32::from(real.port())) as u16;
        if has_port && port == 0 {
            return Err(Broken::missing("port", "1 to 65535 (the real has no port of its own)"));
        }
        Ok(Some(Check {
            kind,
            interval,
            jitter: self.number("jitter", 10),
            timeout,
            rise: self.number("rise", 2),
            fall: self.number("fall", 3),
            start: if self.text("start") == Some("up") { Start::Up } else { Start::Down },
            port: if has_port { port } else { 0 },
            via,
            flap_limit: self.number("flap_limit", 0),
            flap_window: self.time("flap_window", Duration::from_secs(600)),
            flap_hold: self.time("flap_hold", Duration::from_secs(60)),
        }))
    }

    fn http(&self, is_secure: bool) -> Result<HttpCheck, Broken> {
        let path = self.text("path").unwrap_or("/");
        if !path.starts_with('/') || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Broken::new(
                "path",
                toml_text(path),
                "a path that begins with \"/\", of printable ASCII without spaces",
            ));
        }
        let tls = TlsCheck {
            sni: self.host("sni")?,
            verify: self.flag("verify", true),
            ca_file: self.text("ca_file").map(str::to_owned),
        };
        if let Some(file) = tls.ca_file.as_ref().filter(|file| !file.starts_with('/')) {
            return Err(Broken::new("ca_file", toml_text(file), "the path of a PEM file, from \"/\""));
        }
        Ok(HttpCheck {
            method: self.text("method").unwrap_or("GET").to_owned(),
            path: path.to_owned(),
            host: self.host("host")?,
            status: self.status()?,
            body: self.pattern("body")?,
            tls: is_secure.then_some(tls),
        })
    }

    fn host(&self, key: &'static str) -> Result<Option<String>, Broken> {
        let Some(host) = self.text(key) else { return Ok(None) };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:[]".contains(&byte);
        if (1..=255).contains(&host.len()) && host.bytes().all(allowed) {
            Ok(Some(host.to_owned()))
        } else {
            Err(Broken::new(key, toml_text(host), "a host name of 1 to 255 letters, digits, \".\", \"_\" and \"-\""))
        }
    }

    fn status(&self) -> Result<Vec<RangeInclusive<u16>>, Broken> {
        let Some(Value::Texts(texts)) = self.0.get("status") else { return Ok(vec![200..=399]) };
        let range = |text: &String| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (100 <= first && first <= last && last <= 599).then_some(first..=last)
        };
        let ranges: Option<Vec<_>> = texts.iter().map(range).collect();
        ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(|| {
            let allowed = "a list of statuses or ranges from 100 to 599, as [\"200-299\", \"404\"]";
            Broken::new("status", Value::Texts(texts.clone()).to_toml(), allowed)
        })
    }

    fn payload(&self) -> Result<Vec<u8>, Broken> {
        if let (Some(_), Some(hex)) = (self.text("payload"), self.text("payload_hex")) {
            return Err(Broken::new("payload_hex", toml_text(hex), "where payload is not given"));
        }
        let Some(hex) = self.text("payload_hex") else {
            return Ok(self.text("payload").unwrap_or_default().as_bytes().to_vec());
        };
        let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
        let pair = |pair: &[u8]| {
            let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
            u8::from_str_radix(text, 16).ok()
        };
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        bytes.ok_or_else(|| Broken::new("payload_hex", toml_text(hex), "pairs of hexadecimal digits, as \"0a ff\""))
    }

    fn dns(&self) -> Result<DnsCheck, Broken> {
        const NAME: &str = "a domain name, as \"www.example.org\"";
        let Some(name) = self.text("name") else { return Err(Broken::missing("name", NAME)) };
        let is_label =
            |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_graphic());
        let labels = name.strip_suffix('.').unwrap_or(name);
        if name.len() > 253 || !(name == "." || labels.split('.').all(is_label)) {
            return Err(Broken::new("name", toml_text(name), NAME));
        }
        let record = self.text("record").unwrap_or("A");
        let record = DnsRecord::ALL.into_iter().find(|known| known.name() == record).unwrap_or(DnsRecord::A);
        let answers = self.texts("answers");
        if let Some(wrong) = answers.iter().find(|text| !record.allows(text)) {
            let allowed = format!("what an answer of type {} may be", record.name());
            return Err(Broken::new("answers", toml_text(wrong), allowed));
        }
        Ok(DnsCheck { name: name.to_owned(), record, answers })
    }

    fn command(&self) -> Result<Vec<String>, Broken> {
        const COMMAND: &str = "a program, from \"/\", and its arguments, as [\"/usr/lib/sluice/check\", \"-v\"]";
        let command = self.texts("command");
        match command.first() {
            None => Err(Broken::missing("command", COMMAND)),
            Some(program) if program.starts_with('/') && command.iter().all(|word| !word.contains('\0')) => Ok(command),
            Some(program) => Err(Broken::new("command", toml_text(program), COMMAND)),
        }
    }

    fn pattern(&self, key: &'static str) -> Result<Option<Pattern>, Broken> {
        let Some(text) = self.text(key) else { return Ok(None) };
        let refused = |error| Broken::new(key, toml_text(text), format!("a regular expression ({error})"));
        Pattern::new(text).map(Some).map_err(refused)
    }

    fn text(&self, key: &str) -> Option<&str> {
        match self.0.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    fn texts(&self, key: &str) -> Vec<String> {
        match self.0.get(key) {
            Some(Value::Texts(texts)) => texts.clone(),
            _ => Vec::new(),
        }
    }

    fn number(&self, key: &str, default: u32) -> u32 {
        match self.0.get(key) {
            Some(Value::Number(number)) => *number,
            _ => default,
        }
    }

    fn flag(&self, key: &str, default: bool) -> bool {
        match self.0.get(key) {
            Some(Value::Flag(flag)) => *flag,
            _ => default,
        }
    }

    fn time(&self, key: &str, default: Duration) -> Duration {
        match self.0.get(key) {
            Some(Value::Time(time)) => *time,
            _ => default,
        }
    }
}
