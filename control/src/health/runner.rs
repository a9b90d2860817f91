//! Does the checks: one thread with one runtime, a task for each target, programs that are told one after another.

use super::probe::{Exit, Found, Pinger, Probe};
use super::target::{RealKey, Target, Targets};
use super::{hooks, hooks::Hook};
use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::{AbortHandle, LocalSet};
use tokio::time::{Instant, sleep_until};

/// New targets have their first check within this time, or within their interval where that is shorter.
const FIRST: Duration = Duration::from_secs(1);

/// Checks whose time comes within it begin together: thousands of them wake the thread, and perhaps their reals, less often.
const TOGETHER: Duration = Duration::from_millis(10);

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was checked, as it was set.
    pub target: Arc<Target>,
    /// The result.
    pub found: Found,
    /// How long it took.
    pub took: Duration,
}

enum Command {
    Check(Targets),
    Tell(Hook),
}

/// The thread's end in this process. Dropped, it ends with all its checks.
pub struct Runner {
    commands: UnboundedSender<Command>,
}

impl Runner {
    /// Starts the thread; it reports to the receiver. Checks by way of the VIP leave by one of the exits.
    ///
    /// # Errors
    /// The system gives no thread, or no runtime.
    pub fn start(exits: Vec<Exit>) -> io::Result<(Self, UnboundedReceiver<Report>)> {
        let (commands, orders) = mpsc::unbounded_channel();
        let (reports, results) = mpsc::unbounded_channel();
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        allow_many_files();
        let work = move || LocalSet::new().block_on(&runtime, work(orders, reports, exits));
        thread::Builder::new().name("health".to_owned()).spawn(work)?;
        Ok((Self { commands }, results))
    }

    /// Checks these from now on, and nothing else. A target that stays as it was goes on undisturbed.
    pub fn check(&self, targets: Targets) {
        // The thread ends with this process only.
        let _ = self.commands.send(Command::Check(targets));
    }

    /// Tells a program, after those before it.
    pub fn tell(&self, hook: Hook) {
        let _ = self.commands.send(Command::Tell(hook));
    }
}

/// Thousands of checks may wait for an answer at one time, each with a socket.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // What can't be had shows as a failure of the checks beyond it.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

async fn work(mut orders: UnboundedReceiver<Command>, reports: UnboundedSender<Report>, exits: Vec<Exit>) {
    let (exits, start): (Rc<[Exit]>, _) = (exits.into(), Instant::now());
    let (tell, told) = mpsc::channel(hooks::WAITING);
    tokio::task::spawn_local(hooks::run(told));
    let pinger = Rc::new(Pinger::default());
    let mut tasks: HashMap<RealKey, (Arc<Target>, AbortHandle)> = HashMap::new();
    while let Some(order) = orders.recv().await {
        match order {
            Command::Check(targets) => {
                tasks.retain(|key, (target, task)| {
                    let stays = targets.get(key).is_some_and(|wanted| wanted == target);
                    if !stays {
                        task.abort();
                    }
                    stays
                });
                for (key, target) in targets {
                    tasks.entry(key).or_insert_with(|| {
                        let probe = Probe::new(Arc::clone(&target), Rc::clone(&pinger), Rc::clone(&exits));
                        let task = watch(Arc::clone(&target), probe, reports.clone(), start);
                        (target, tokio::task::spawn_local(task).abort_handle())
                    });
                }
            }
            Command::Tell(hook) => {
                if let Err(error) = tell.try_send(hook) {
                    log::warn!("a hook is not run, {} wait already: {error}", hooks::WAITING);
                }
            }
        }
    }
}

/// Checks one target for ever.
async fn watch(target: Arc<Target>, probe: Probe, reports: UnboundedSender<Report>, start: Instant) {
    let interval = target.check.interval;
    let mut next = Instant::now() + interval.min(FIRST).mul_f64(fastrand::f64());
    sleep_until(together(next, start)).await;
    loop {
        let began = Instant::now();
        let found = probe.run().await;
        let report = Report { target: Arc::clone(&target), found, took: began.elapsed() };
        if reports.send(report).is_err() {
            return;
        }
        let jitter = f64::from(target.check.jitter) / 100.0;
        next = (next + interval.mul_f64(1.0 + jitter * (2.0 * fastrand::f64() - 1.0))).max(Instant::now());
        sleep_until(together(next, start)).await;
    }
}

/// The end of the span of [`TOGETHER`], counted from `start`, in which `moment` is.
fn together(moment: Instant, start: Instant) -> Instant {
    let span = TOGETHER.as_nanos();
    let left = (span - moment.duration_since(start).as_nanos() % span) % span;
    moment + Duration::from_nanos(u64::try_from(left).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_begin_at_the_end_of_their_span_and_those_of_one_span_together() {
        let start = Instant::now();
        let at = |microseconds| together(start + Duration::from_micros(microseconds), start) - start;
        let begin = [0, 1, 9_999, 10_000, 10_001, 3_600_000_000].map(at);
        assert_eq!(begin, [0, 10, 10, 10, 20, 3_600_000].map(Duration::from_millis));
    }
}
