//! What `sluice` and `sluiced` say to each other over the Unix socket: JSON, one request or reply a line (UTF-8, ended
//! by `\n`). docs/control-protocol.md describes it for people who write other clients.
//!
//! A client sends a [`Request`] and reads lines until one that carries `"ok"`:
//! - lists send a line `{"row":...}` for each row first, so a million rows need no memory on either side;
//! - `{"ok":true,"result":...}` ends a request that was done;
//! - `{"ok":false,"code":"...","message":"..."}` ends one that was not ([`Failure`]), even in the middle of a list.
//!
//! Requests on one connection are answered in order.

mod capture;
mod history;
mod lvs;
mod reply;
mod request;

pub use capture::*;
pub use history::*;
pub(crate) use lvs::key as service_key;
pub use lvs::*;
pub use reply::*;
pub use request::*;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Where `sluiced` listens unless told otherwise.
pub const DEFAULT_SOCKET: &str = "/run/sluice/control.sock";

/// The longest request line that `sluiced` reads, in bytes, the line end included. Only an `apply` comes near it.
pub const MAX_REQUEST: usize = 16 * 1024 * 1024;

/// Why a request was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It would make an invalid table, or the dataplane refused it; nothing changed.
    Refused,
    /// The request is not valid JSON, not a known command, or has unknown or wrong fields.
    Usage,
    /// It names a service, real or file that does not exist.
    NotFound,
    /// The dataplane is not running, did not answer in time, or can't be controlled by this sluiced.
    Unavailable,
}

/// The answer to a request that was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// The kind; decides the exit code of `sluice`.
    pub code: Code,
    /// For people: names the thing, the value, what is allowed, the next step.
    pub message: String,
}

impl Failure {
    /// A [`Code::Refused`].
    pub fn refused(message: impl Into<String>) -> Self {
        Self { code: Code::Refused, message: message.into() }
    }

    /// A [`Code::Usage`].
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: Code::Usage, message: message.into() }
    }

    /// A [`Code::NotFound`].
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { code: Code::NotFound, message: message.into() }
    }

    /// A [`Code::Unavailable`].
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { code: Code::Unavailable, message: message.into() }
    }
}

/// One line from `sluiced`, taken apart.
#[derive(Debug)]
pub enum Line<'a> {
    /// A row of a list; more lines follow.
    Row(&'a RawValue),
    /// The request was done.
    Done(&'a RawValue),
    /// The request was not done.
    Failed(Failure),
}

/// The three forms of a line, to write.
#[derive(Serialize)]
#[serde(untagged)]
enum Wire<'a, T> {
    Row { row: &'a T },
    Done { ok: bool, result: &'a T },
    Failed { ok: bool, code: Code, message: &'a str },
}

/// A row of a list as a line, line end included.
///
/// # Errors
/// Where serde_json fails: never for the types of this module.
pub fn encode_row<T: Serialize>(row: &T) -> serde_json::Result<Vec<u8>> {
    encode(&Wire::Row { row })
}

/// The end of a request as a line, line end included.
///
/// # Errors
/// Where serde_json fails: never for the types of this module.
pub fn encode_end<T: Serialize>(end: &Result<T, Failure>) -> serde_json::Result<Vec<u8>> {
    let line: Wire<'_, T> = match end {
        Ok(result) => Wire::Done { ok: true, result },
        Err(failure) => Wire::Failed { ok: false, code: failure.code, message: &failure.message },
    };
    encode(&line)
}

/// A request as a line, line end included.
///
/// # Errors
/// Where serde_json fails: never for a [`Request`].
pub fn encode_request(request: &Request) -> serde_json::Result<Vec<u8>> {
    encode(request)
}

fn encode<T: Serialize>(value: &T) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    Ok(line)
}

/// Reads a request line.
///
/// # Errors
/// [`Code::Usage`], naming the field and what was expected.
pub fn decode_request(line: &[u8]) -> Result<Request, Failure> {
    /// A request without fields: serde's `deny_unknown_fields` lets those have any.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Bare {
        #[serde(rename = "command")]
        _command: IgnoredAny,
    }
    let request = serde_json::from_slice(line).and_then(|request| match request {
        Request::Status
        | Request::ServiceList
        | Request::GroupList
        | Request::Drops
        | Request::Ports
        | Request::Settings
        | Request::Timeouts
        | Request::LvsServices
        | Request::LvsTimeouts => serde_json::from_slice::<Bare>(line).map(|_| request),
        _ => Ok(request),
    });
    request.map_err(|error| Failure::usage(format!("The request was not understood: {error}.")))
}

/// Takes a line from `sluiced` apart; the payload stays raw until [`payload`].
///
/// # Errors
/// Where the line is none of the three forms.
pub fn decode_line(line: &[u8]) -> serde_json::Result<Line<'_>> {
    #[derive(Deserialize)]
    struct Fields<'a> {
        #[serde(borrow)]
        row: Option<&'a RawValue>,
        ok: Option<bool>,
        #[serde(borrow)]
        result: Option<&'a RawValue>,
        code: Option<Code>,
        message: Option<String>,
    }
    use serde::de::Error as _;
    match serde_json::from_slice(line)? {
        Fields { row: Some(row), ok: None, .. } => Ok(Line::Row(row)),
        Fields { ok: Some(true), result: Some(result), .. } => Ok(Line::Done(result)),
        Fields { ok: Some(false), code: Some(code), message: Some(message), .. } => {
            Ok(Line::Failed(Failure { code, message }))
        }
        _ => Err(serde_json::Error::custom("neither a row, a result nor a failure")),
    }
}

/// The typed payload of a [`Line`].
///
/// # Errors
/// Where it has another shape than `T`.
pub fn payload<T: DeserializeOwned>(raw: &RawValue) -> serde_json::Result<T> {
    serde_json::from_str(raw.get())
}

/// Fields whose JSON form is what `Display` prints and `FromStr` reads: `#[serde(with = "text")]`.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::fmt::Display;
    use std::str::FromStr;

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }

    /// The same for an `Option`; an absent field is `None`.
    pub(super) mod option {
        use super::{Deserialize, Deserializer, Display, Error, FromStr, Serializer};

        pub(in super::super) fn serialize<T: Display, S: Serializer>(
            value: &Option<T>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match value {
                Some(value) => serializer.collect_str(value),
                None => serializer.serialize_none(),
            }
        }

        pub(in super::super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
        where
            T: FromStr<Err: Display>,
            D: Deserializer<'de>,
        {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
        }
    }
}

#[cfg(test)]
mod tests;
