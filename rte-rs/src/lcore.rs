//! Work on worker lcores.

use crate::eal::Eal;
use std::any::Any;
use std::ffi::{c_int, c_void};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// Why work could not be launched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// The lcore is not one of the EAL's workers.
    #[error("lcore {lcore} is not a worker; the workers are {workers:?}")]
    NotAWorker {
        /// Its number.
        lcore: u32,
        /// The EAL's workers.
        workers: Vec<u32>,
    },
    /// Something runs there.
    #[error("lcore {lcore} is busy; join its task first")]
    Busy {
        /// Its number.
        lcore: u32,
    },
}

/// The lcore of the calling thread; `None` on a thread that the EAL did not make.
#[inline]
pub fn current() -> Option<u32> {
    // SAFETY: reads a thread-local variable of DPDK; it has no precondition.
    let lcore = unsafe { dpdk_sys::sluice_lcore_id() };
    (lcore < dpdk_sys::RTE_MAX_LCORE).then_some(lcore)
}

/// Work that runs on an lcore. Dropping it lets the work run on, its answer unheard.
pub struct LcoreTask<T> {
    lcore: u32,
    outcome: Arc<Outcome<T>>,
}

struct Outcome<T> {
    value: Mutex<Option<Result<T, Box<dyn Any + Send>>>>,
    ready: Condvar,
}

type Work = Box<dyn FnOnce() + Send>;

impl Eal {
    /// Runs `work` on a worker lcore.
    ///
    /// # Errors
    /// [`LaunchError`]; `work` is dropped then.
    pub fn launch<T: Send + 'static>(
        &'static self,
        lcore: u32,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<LcoreTask<T>, LaunchError> {
        let Some((_, busy)) = self.workers.iter().find(|(worker, _)| *worker == lcore) else {
            return Err(LaunchError::NotAWorker { lcore, workers: self.workers().collect() });
        };
        if busy.swap(true, Ordering::AcqRel) {
            return Err(LaunchError::Busy { lcore });
        }
        let outcome = Arc::new(Outcome { value: Mutex::new(None), ready: Condvar::new() });
        let theirs = Arc::clone(&outcome);
        let job: Work = Box::new(move || {
            let value = catch_unwind(AssertUnwindSafe(work));
            busy.store(false, Ordering::Release);
            *theirs.value.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
            theirs.ready.notify_all();
        });
        if remote_launch(lcore, job) {
            Ok(LcoreTask { lcore, outcome })
        } else {
            busy.store(false, Ordering::Release);
            Err(LaunchError::Busy { lcore })
        }
    }
}

fn remote_launch(lcore: u32, job: Work) -> bool {
    let job = Box::into_raw(Box::new(job));
    // A task is marked done a few instructions before DPDK sees its lcore waiting again.
    // SAFETY: `lcore` is one of the EAL's workers, and the caller has marked it busy, so nobody else launches there.
    unsafe { dpdk_sys::rte_eal_wait_lcore(lcore) };
    // SAFETY: `run` takes what `job` points to, once; the lcore is as said above.
    let result = unsafe { dpdk_sys::rte_eal_remote_launch(Some(run), job.cast(), lcore) };
    if result != 0 {
        // SAFETY: DPDK did not take the job, so the box is still only ours.
        drop(unsafe { Box::from_raw(job) });
    }
    result == 0
}

unsafe extern "C" fn run(job: *mut c_void) -> c_int {
    // SAFETY: `remote_launch` made this pointer from a Box<Work> and DPDK calls the function once for it.
    let job = unsafe { Box::from_raw(job.cast::<Work>()) };
    job();
    0
}

impl<T> LcoreTask<T> {
    /// Where it runs.
    pub fn lcore(&self) -> u32 {
        self.lcore
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.outcome.value.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Sleeps until it has ended and returns its answer.
    ///
    /// # Panics
    /// If the work panicked, with its panic.
    pub fn join(self) -> T {
        let mut value = self.outcome.value.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match value.take() {
                Some(Ok(value)) => return value,
                Some(Err(panic)) => resume_unwind(panic),
                None => value = self.outcome.ready.wait(value).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

impl<T> fmt::Debug for LcoreTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LcoreTask").field("lcore", &self.lcore).field("finished", &self.is_finished()).finish()
    }
}
