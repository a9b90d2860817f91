//! Whether the web server's thread goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::sleep;

/// Between two beats.
const BEAT: Duration = Duration::from_millis(500);

/// Counts while the web server's thread goes on.
#[derive(Clone, Debug, Default)]
pub struct Pulse(Arc<AtomicU64>);

impl Pulse {
    /// Beats so far.
    pub fn beats(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Beats for ever, on the runtime of the thread that it tells of.
    pub(super) async fn keep(self) {
        loop {
            self.0.fetch_add(1, Ordering::Relaxed);
            sleep(BEAT).await;
        }
    }
}
