//! Readiness and signs of life for systemd, by the protocol of sd_notify(3). Without systemd (`NOTIFY_SOCKET` is not
//! set) all of this does nothing.

use sd_notify::NotifyState;
use std::time::Duration;

/// Says that the start is over, and in a few words how things are (`systemctl status` shows them).
pub fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Says that the end has begun, as asked.
pub fn stopping() {
    say(&[NotifyState::Stopping]);
}

/// The unit's watchdog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchdog {
    limit: Duration,
}

impl Watchdog {
    /// The one that systemd set up for this process; `None` if it has none.
    pub fn of_this_process() -> Option<Self> {
        sd_notify::watchdog_enabled().map(|limit| Self { limit })
    }

    /// How often to give a sign of life: three times within the time after which systemd ends the process.
    pub fn interval(&self) -> Duration {
        self.limit / 3
    }

    /// A sign of life. To be given by the one who would be stuck, not beside him.
    pub fn alive(&self) {
        say(&[NotifyState::Watchdog]);
    }
}

fn say(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        log::warn!(
            "systemd can't be told how this process is ({error}): it may be ended as stuck; check the unit's NotifyAccess"
        );
    }
}
