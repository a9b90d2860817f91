//! DPDK's log: kept while something is tried, to explain its failure; otherwise written to standard error.

use std::ffi::c_char;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `Some` while a [`capture`] runs.
static CAPTURED: Mutex<Option<Vec<u8>>> = Mutex::new(None);
/// One capture at a time.
static CAPTURING: Mutex<()> = Mutex::new(());

fn captured() -> MutexGuard<'static, Option<Vec<u8>>> {
    CAPTURED.lock().unwrap_or_else(PoisonError::into_inner)
}

unsafe extern "C" fn sink(text: *const c_char, length: usize) {
    // SAFETY: the stream that calls this (shim.c, log_write) passes `length` readable bytes that stay during the call.
    let text = unsafe { std::slice::from_raw_parts(text.cast::<u8>(), length) };
    match captured().as_mut() {
        Some(kept) => kept.extend_from_slice(text),
        // A closed standard error must not end the director.
        None => drop(std::io::stderr().lock().write_all(text)),
    }
}

/// Takes the log over from DPDK.
pub(crate) fn open() {
    // SAFETY: `sink` may be called from any thread and never unwinds; called once, before the EAL starts.
    let result = unsafe { dpdk_sys::sluice_log_open(Some(sink)) };
    if result != 0 {
        eprintln!("DPDK's log could not be taken over; it goes to standard error unchanged.");
    }
}

/// Runs `attempt`. What DPDK logs meanwhile goes into the answer if `attempt` fails, else to standard error.
pub(crate) fn capture<T, E>(attempt: impl FnOnce() -> Result<T, E>) -> Result<T, (E, String)> {
    let _one = CAPTURING.lock().unwrap_or_else(PoisonError::into_inner);
    *captured() = Some(Vec::new());
    let result = attempt();
    let kept = captured().take().unwrap_or_default();
    match result {
        Ok(value) => {
            let _ = std::io::stderr().lock().write_all(&kept);
            Ok(value)
        }
        Err(error) => Err((error, one_line(&String::from_utf8_lossy(&kept)))),
    }
}

/// The last lines of a log, joined: enough to say what went wrong.
fn one_line(log: &str) -> String {
    const LINES: usize = 6;
    let lines: Vec<&str> = log.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.get(lines.len().saturating_sub(LINES)..).unwrap_or_default().join("; ")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_log_becomes_one_line_of_its_last_words() {
        assert_eq!(super::one_line("EAL: a \n\nEAL: b\n"), "EAL: a; EAL: b");
        assert_eq!(super::one_line("1\n2\n3\n4\n5\n6\n7\n8\n"), "3; 4; 5; 6; 7; 8");
        assert_eq!(super::one_line(""), "");
    }
}
