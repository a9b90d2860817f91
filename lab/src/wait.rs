//! Waiting, always with a limit.

use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::{LabError, Result};

/// How long to sleep between two looks: short against what is waited for, long against a look's own cost.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `look` until it gives a value, at most for `limit`.
///
/// # Errors
/// [`LabError::TimedOut`] after `limit`, or the first error of `look`.
pub fn wait_until<T>(
    what: impl Into<String>,
    limit: Duration,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = look()? {
            return Ok(value);
        }
        if start.elapsed() >= limit {
            return Err(LabError::TimedOut { what: what.into(), limit, seen: String::new() });
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_the_value_as_soon_as_it_is_there() {
        let mut looks = 0;
        let value = wait_until("three looks", Duration::from_secs(5), || {
            looks += 1;
            Ok((looks == 3).then_some("seen"))
        });
        assert_eq!((value.ok(), looks), (Some("seen"), 3));
    }

    #[test]
    fn says_what_did_not_happen() {
        let missed = wait_until::<()>("the moon", Duration::ZERO, || Ok(None)).map_err(|e| e.to_string());
        assert_eq!(missed, Err("waited 0 ms for the moon: it did not happen".into()));
    }
}
