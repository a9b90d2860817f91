//! The signs of life that systemd's watchdog waits for.

use crate::web::Pulse;
use host::notify::Watchdog;
use host::progress::{Found, Progress, STUCK_AFTER};
use tokio::time::{Instant, sleep};

/// Gives them for ever: from the loop that does everything else, so that it tells of that one, and only while the web
/// server's thread, if there is one, goes on too.
pub(super) async fn run(web: Option<Pulse>) {
    let Some(watchdog) = Watchdog::of_this_process() else { return };
    let began = Instant::now();
    let mut web = web.map(|pulse| (pulse, Progress::new(0)));
    loop {
        let now = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let found = web.as_mut().map(|(pulse, progress)| progress.look(pulse.beats(), now));
        match found {
            None | Some(Found::GoesOn) => watchdog.alive(),
            Some(Found::GoesOnAgain) => {
                log::info!("the web server's thread goes on");
                watchdog.alive();
            }
            Some(Found::Stuck { newly: false }) => {}
            Some(Found::Stuck { newly: true }) => log::error!(
                "the web server's thread has not gone on for {} s: metrics and page are not served; systemd's watchdog \
                 restarts sluiced if it stays so, and the dataplane forwards meanwhile",
                STUCK_AFTER / 1000
            ),
        }
        sleep(watchdog.interval()).await;
    }
}
