//! The environment abstraction layer: DPDK's start-up.

use crate::{eal_log, hugepages};
use std::collections::BTreeSet;
use std::ffi::{CString, c_char, c_int};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How to start the EAL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EalOptions {
    /// The program's name, as DPDK's log shows it.
    pub program: String,
    /// The lcore of the calling thread: a CPU number, unless `arguments` map lcores to CPUs.
    pub main_lcore: u32,
    /// The lcores that [`Eal::launch`] can use; numbers as of `main_lcore`, which is not among them.
    pub workers: Vec<u32>,
    /// Further EAL arguments, e.g. `--no-pci` or `--in-memory`. With one of `--lcores`, `-l` and `-c`, lcores are what
    /// that says; `--lcores=0@0,1@0` runs main and one worker on the one CPU of a small machine.
    pub arguments: Vec<String>,
}

/// Why the EAL did not start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EalError {
    /// A second call, or one after a failure inside DPDK, which can't be tried again.
    #[error("the EAL can be started once in a process, and was; start a new process")]
    AlreadyStarted,
    /// A core with two jobs.
    #[error(
        "core {core} is {jobs}; give each its own of the cores {existing}, or share one on purpose with the EAL \
         argument --lcores=0@{core},1@{core} and then use the lcores 0 and 1"
    )]
    SameCore {
        /// Its number.
        core: u32,
        /// Both.
        jobs: &'static str,
        /// Those that this process may use.
        existing: String,
    },
    /// A core that the machine does not have, or this process may not use.
    #[error("core {core}: this process can't run there; it can run on the cores {existing} (see taskset, cpuset)")]
    NoSuchCore {
        /// Its number.
        core: u32,
        /// Those that this process may use.
        existing: String,
    },
    /// DPDK numbers lcores in a table of fixed size.
    #[error("core {core}: DPDK's lcores are numbered 0 to {last}; map it with the EAL argument --lcores=LCORE@{core}")]
    LcoreTooLarge {
        /// Its number.
        core: u32,
        /// The last one.
        last: u32,
    },
    /// An argument that can't be handed to C.
    #[error("EAL argument {argument:?} contains a NUL byte; remove it")]
    ArgumentWithNul {
        /// The argument.
        argument: String,
    },
    /// Memory for DPDK is missing.
    #[error("the EAL gets no memory: {advice}")]
    NoMemory {
        /// What is needed, what there is, and the command that helps.
        advice: String,
    },
    /// Another process has the same files.
    #[error(
        "another DPDK process runs with the same file prefix; end it, or give the EAL the argument --in-memory or \
         --file-prefix=NAME ({log})"
    )]
    PrefixInUse {
        /// DPDK's words.
        log: String,
    },
    /// DPDK said no for another reason.
    #[error("the EAL does not start with the arguments \"{arguments}\": {log}")]
    Refused {
        /// The whole command line.
        arguments: String,
        /// DPDK's words.
        log: String,
    },
}

/// The running EAL. There is one, from [`Eal::start`] to the end of the process.
#[derive(Debug)]
pub struct Eal {
    main_lcore: u32,
    /// Each worker lcore and whether a task runs there.
    pub(crate) workers: Vec<(u32, AtomicBool)>,
}

static EAL: OnceLock<Eal> = OnceLock::new();

/// Whether DPDK's memory, rings and ports can be used.
pub(crate) fn is_started() -> bool {
    EAL.get().is_some()
}

impl Eal {
    /// Starts DPDK and pins the calling thread to the main lcore's CPU; threads made later inherit that.
    ///
    /// DPDK's log goes to standard error, from level "warning" on (`--log-level` in the arguments changes it).
    ///
    /// # Errors
    /// See [`EalError`]. After the variants that come from DPDK itself (`NoMemory`, `PrefixInUse`, `Refused`), no other
    /// attempt is possible in this process.
    pub fn start(options: &EalOptions) -> Result<&'static Self, EalError> {
        static CALLED: Mutex<bool> = Mutex::new(false);
        let mut called = CALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if *called {
            return Err(EalError::AlreadyStarted);
        }
        let words = command_line(options)?;
        let arguments = words
            .iter()
            .map(|word| CString::new(word.as_str()).map_err(|_| EalError::ArgumentWithNul { argument: word.clone() }))
            .collect::<Result<Vec<_>, _>>()?;
        *called = true;
        eal_log::open();
        eal_log::capture(|| init(arguments)).map_err(|((), log)| explain(options, &words, log))?;
        hugepages::remember(&options.arguments);
        let workers = options.workers.iter().map(|&lcore| (lcore, AtomicBool::new(false))).collect();
        Ok(EAL.get_or_init(|| Self { main_lcore: options.main_lcore, workers }))
    }

    /// The running EAL, if [`Eal::start`] has succeeded.
    pub fn running() -> Option<&'static Self> {
        EAL.get()
    }

    /// The lcore of the thread that started the EAL.
    pub fn main_lcore(&self) -> u32 {
        self.main_lcore
    }

    /// The lcores that tasks can be launched on, in the order of the options.
    pub fn workers(&self) -> impl Iterator<Item = u32> + '_ {
        self.workers.iter().map(|(lcore, _)| *lcore)
    }

    /// Whether a task runs on that worker now.
    pub fn is_busy(&self, lcore: u32) -> bool {
        self.workers.iter().any(|(worker, busy)| *worker == lcore && busy.load(Ordering::Acquire))
    }
}

/// The arguments for DPDK, program name first.
fn command_line(options: &EalOptions) -> Result<Vec<String>, EalError> {
    let mapped = options
        .arguments
        .iter()
        .any(|word| word.starts_with("--lcores") || ["-l", "-c"].iter().any(|flag| word.starts_with(flag)));
    check_lcores(options, if mapped { None } else { Some(usable_cores()) })?;
    let mut words = vec![options.program.clone()];
    if !mapped {
        let lcores: Vec<String> =
            [options.main_lcore].iter().chain(&options.workers).map(|core| format!("{core}@{core}")).collect();
        words.push(format!("--lcores={}", lcores.join(",")));
    }
    words.push(format!("--main-lcore={}", options.main_lcore));
    words.push("--log-level=*:warning".to_owned());
    // DPDK refuses --in-memory on ordinary memory, where --no-shconf is all that there is to it.
    let replaced = if hugepages::disabled(&options.arguments) { "--in-memory" } else { "" };
    words.extend(options.arguments.iter().map(|word| if word == replaced { "--no-shconf" } else { word }.to_owned()));
    Ok(words)
}

/// Refuses lcores that are named twice or don't exist. `cores`: lcores are these CPUs; `None`: they are numbers only.
fn check_lcores(options: &EalOptions, cores: Option<BTreeSet<u32>>) -> Result<(), EalError> {
    let existing = cores.as_ref().map_or_else(String::new, list);
    let last = dpdk_sys::RTE_MAX_LCORE - 1;
    let mut seen = BTreeSet::from([options.main_lcore]);
    for &core in [options.main_lcore].iter().chain(&options.workers) {
        if cores.as_ref().is_some_and(|cores| !cores.contains(&core)) {
            return Err(EalError::NoSuchCore { core, existing });
        }
        if core > last {
            return Err(EalError::LcoreTooLarge { core, last });
        }
    }
    for &core in &options.workers {
        if !seen.insert(core) {
            let jobs = if core == options.main_lcore { "main lcore and worker at once" } else { "a worker twice" };
            return Err(EalError::SameCore { core, jobs, existing });
        }
    }
    Ok(())
}

/// The CPUs that the scheduler lets this process use.
fn usable_cores() -> BTreeSet<u32> {
    // SAFETY: a cpu_set_t is an array of integers, for which zero bytes are a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: pid 0 is this thread, and the kernel writes at most the given size into `set`, which is that large.
    let result = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if result != 0 {
        return BTreeSet::new();
    }
    // SAFETY: CPU_ISSET reads a bit of the set; the index is below CPU_SETSIZE, its length.
    (0..libc::CPU_SETSIZE as u32).filter(|&core| unsafe { libc::CPU_ISSET(core as usize, &set) }).collect()
}

fn list(cores: &BTreeSet<u32>) -> String {
    cores.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

fn init(arguments: Vec<CString>) -> Result<(), ()> {
    let count = c_int::try_from(arguments.len()).map_err(|_| ())?;
    let mut pointers: Vec<*mut c_char> = arguments.into_iter().map(CString::into_raw).collect();
    pointers.push(ptr::null_mut());
    // DPDK keeps pointers to the arguments and reorders their array: both stay for the life of the process.
    let pointers = Vec::leak(pointers);
    // SAFETY: `pointers` is an argv of `count` C strings with a NULL at its end that nobody frees; `Eal::start` lets
    // this run once in a process.
    let result = unsafe { dpdk_sys::sluice_eal_init(count, pointers.as_mut_ptr()) };
    if result < 0 { Err(()) } else { Ok(()) }
}

/// Turns DPDK's log of a failed start into an error that says what to do.
fn explain(options: &EalOptions, words: &[String], log: String) -> EalError {
    let lower = log.to_lowercase();
    if lower.contains("is another primary process running") {
        return EalError::PrefixInUse { log };
    }
    let memory = ["hugepage", "cannot init memory", "not enough memory", "no mounted"];
    if memory.iter().any(|word| lower.contains(word)) && !hugepages::disabled(&options.arguments) {
        return EalError::NoMemory { advice: hugepages::advice_for_start(&options.arguments) };
    }
    let arguments = words.get(1..).unwrap_or_default().join(" ");
    let log = if log.is_empty() { crate::error::describe(crate::error::last_errno()) } else { log };
    EalError::Refused { arguments, log }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(main_lcore: u32, workers: &[u32]) -> EalOptions {
        EalOptions { program: "test".into(), main_lcore, workers: workers.to_vec(), arguments: vec![] }
    }

    fn checked(main_lcore: u32, workers: &[u32]) -> Result<(), String> {
        check_lcores(&options(main_lcore, workers), Some(BTreeSet::from([0, 1, 200])))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn lcores_that_exist_once_are_accepted() {
        assert_eq!(checked(0, &[1]), Ok(()));
        assert_eq!(checked(1, &[]), Ok(()));
    }

    #[test]
    fn a_core_with_two_jobs_is_refused_with_the_cores_there_are() {
        assert_eq!(
            checked(0, &[1, 0]).unwrap_err(),
            "core 0 is main lcore and worker at once; give each its own of the cores 0, 1, 200, or share one on \
             purpose with the EAL argument --lcores=0@0,1@0 and then use the lcores 0 and 1"
        );
        assert!(checked(0, &[1, 1]).unwrap_err().starts_with("core 1 is a worker twice;"));
    }

    #[test]
    fn a_core_that_does_not_exist_is_refused_with_those_that_do() {
        assert_eq!(
            checked(0, &[7]).unwrap_err(),
            "core 7: this process can't run there; it can run on the cores 0, 1, 200 (see taskset, cpuset)"
        );
    }

    #[test]
    fn a_core_beyond_dpdks_table_is_refused_with_the_way_around() {
        assert!(checked(0, &[200]).unwrap_err().ends_with("map it with the EAL argument --lcores=LCORE@200"));
    }

    #[test]
    fn in_memory_goes_with_and_without_hugepages() {
        let mut with = options(0, &[]);
        with.arguments = vec!["--in-memory".into()];
        assert_eq!(command_line(&with).unwrap().last().unwrap(), "--in-memory");
        with.arguments.push("--no-huge".into());
        assert_eq!(command_line(&with).unwrap().get(4..).unwrap(), ["--no-shconf", "--no-huge"]);
    }

    #[test]
    fn lcores_of_the_arguments_are_left_as_they_are() {
        let mut mapped = options(0, &[1]);
        mapped.arguments = vec!["--lcores=0@0,1@0".into()];
        assert_eq!(
            command_line(&mapped).unwrap(),
            ["test", "--main-lcore=0", "--log-level=*:warning", "--lcores=0@0,1@0"]
        );
    }
}
