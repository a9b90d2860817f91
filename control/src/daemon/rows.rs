//! A list on its way from the dataplane to a client that reads as fast as it likes.
//!
//! A reader that keeps up brakes the list (its rows wait in the ring, and the dataplane with them). It must not hold up
//! the answers to others, neither while it reads nor where it stands still, as a pager does: then its rows are kept
//! here, up to a bound.

use super::session::SessionError;
use link::message::Reply;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::time::{Instant, timeout};

/// Rows kept for a reader that stands still: some 200 MB.
const KEPT: usize = 4 << 20;
/// Rows that a reader may be behind before it brakes the list.
const BEHIND: usize = 64 * 1024;
/// A reader that took nothing for so long stands still.
const STILL: Duration = Duration::from_millis(100);
/// How long the dataplane may be silent in a list.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end that the session fills.
pub struct Stream {
    sender: mpsc::Sender<Reply>,
    taken: Rc<Cell<u64>>,
    seen: u64,
    seen_at: Instant,
    overrun: Rc<Cell<bool>>,
}

/// The end that a client's task reads.
pub struct Rows {
    receiver: mpsc::Receiver<Reply>,
    taken: Rc<Cell<u64>>,
    overrun: Rc<Cell<bool>>,
}

/// Why a list ended before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RowsError {
    /// The dataplane ended or fell silent.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The client read too slowly.
    #[error("more than {KEPT} rows waited to be read; read faster, or ask for fewer with a filter or limit")]
    Overrun,
}

/// A list, not begun.
pub fn stream() -> (Stream, Rows) {
    let (sender, receiver) = mpsc::channel(KEPT);
    let taken = Rc::new(Cell::new(0));
    let overrun = Rc::new(Cell::new(false));
    let stream =
        Stream { sender, taken: Rc::clone(&taken), seen: 0, seen_at: Instant::now(), overrun: Rc::clone(&overrun) };
    (stream, Rows { receiver, taken, overrun })
}

impl Stream {
    /// Adds a row or the end. Rows for a reader who has gone are dropped.
    pub fn push(&mut self, reply: Reply) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(reply) {
            self.overrun.set(true);
        }
    }

    /// Whether the list should wait: its reader is far behind, and reading.
    pub fn is_ahead_of_its_reader(&mut self) -> bool {
        let taken = self.taken.get();
        if taken != self.seen {
            self.seen = taken;
            self.seen_at = Instant::now();
        }
        let waiting = KEPT - self.sender.capacity();
        waiting > BEHIND && !self.sender.is_closed() && self.seen_at.elapsed() < STILL
    }
}

impl Rows {
    /// The next row or the end.
    ///
    /// # Errors
    /// The dataplane ended or fell silent, or too many rows waited.
    pub async fn next(&mut self) -> Result<Reply, RowsError> {
        if self.overrun.get() {
            return Err(RowsError::Overrun);
        }
        match timeout(PATIENCE, self.receiver.recv()).await {
            Ok(Some(reply)) => {
                self.taken.set(self.taken.get() + 1);
                Ok(reply)
            }
            Ok(None) => Err(SessionError::Ended.into()),
            Err(_) => Err(SessionError::Silent.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(count: u64) -> Reply {
        Reply::End { count }
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(test);
    }

    #[test]
    fn rows_come_in_order_and_a_reader_who_keeps_up_is_never_braked() {
        run(async {
            let (mut stream, mut rows) = stream();
            for count in 0..1000 {
                stream.push(end(count));
                assert!(!stream.is_ahead_of_its_reader());
                assert_eq!(rows.next().await, Ok(end(count)));
            }
            drop(stream);
            assert_eq!(rows.next().await, Err(SessionError::Ended.into()));
        });
    }

    #[test]
    fn a_reader_far_behind_brakes_the_list_while_it_reads_and_not_while_it_stands_still() {
        run(async {
            let (mut stream, mut rows) = stream();
            (0..=BEHIND as u64).for_each(|count| stream.push(end(count)));
            rows.next().await.expect("a row");
            stream.push(end(0));
            assert!(stream.is_ahead_of_its_reader());
            tokio::time::advance(STILL).await;
            assert!(!stream.is_ahead_of_its_reader(), "others must not wait for it");
            rows.next().await.expect("a row");
            stream.push(end(0));
            assert!(stream.is_ahead_of_its_reader());
            drop(rows);
            assert!(!stream.is_ahead_of_its_reader(), "nobody reads any more");
        });
    }

    #[test]
    fn a_silent_dataplane_is_told_from_one_that_ended() {
        run(async {
            let (_stream, mut rows) = stream();
            assert_eq!(rows.next().await, Err(SessionError::Silent.into()));
        });
    }
}
