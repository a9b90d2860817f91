//! Starting DPDK, and work on its lcores.

mod common;

use rte_rs::{Eal, lcore};
use rte_rs::{EalError, EalOptions, Error, EthPort, LaunchError, Mempool, MempoolOptions, PortError};

#[test]
fn work_runs_on_its_lcore_and_its_answer_comes_back() {
    let eal = common::eal();
    assert_eq!(lcore::current(), Some(0));
    let task = eal.launch(1, lcore::current).unwrap();
    assert_eq!(task.join(), Some(1));
    let again = eal.launch(1, || 42).unwrap();
    assert_eq!(again.join(), 42);
}

#[test]
fn a_thread_of_our_own_has_no_lcore() {
    common::eal();
    assert_eq!(std::thread::spawn(lcore::current).join().unwrap(), None);
}

#[test]
fn a_busy_lcore_is_refused_until_its_task_is_done() {
    let eal = common::eal();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let task = eal.launch(1, move || wait.recv().is_ok()).unwrap();
    assert!(eal.is_busy(1) && !task.is_finished());
    assert_eq!(eal.launch(1, || ()).unwrap_err(), LaunchError::Busy { lcore: 1 });
    go.send(()).unwrap();
    assert!(task.join());
    assert!(!eal.is_busy(1));
    eal.launch(1, || ()).unwrap().join();
}

#[test]
fn the_main_lcore_is_no_worker() {
    let error = common::eal().launch(0, || ()).unwrap_err();
    assert_eq!(error.to_string(), "lcore 0 is not a worker; the workers are [1]");
}

#[test]
fn a_panic_reaches_who_joins_and_the_lcore_works_on() {
    let eal = common::eal();
    let task = eal.launch(1, || -> u32 { std::panic::panic_any("on purpose") }).unwrap();
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| task.join())).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(eal.launch(1, || 7).unwrap().join(), 7);
}

#[test]
fn a_second_start_is_refused() {
    common::eal();
    let again = Eal::start(&EalOptions { program: "again".into(), ..EalOptions::default() });
    assert_eq!(again.unwrap_err(), EalError::AlreadyStarted);
}

#[test]
fn a_core_that_does_not_exist_is_refused_and_the_start_can_be_tried_again() {
    let options = EalOptions { program: "test".into(), workers: vec![9999], ..EalOptions::default() };
    let error = Eal::start(&options).unwrap_err().to_string();
    assert!(error.starts_with("core 9999: this process can't run there; it can run on the cores 0"), "{error}");
    common::eal();
}

#[test]
fn missing_memory_says_what_is_needed_and_the_command() {
    // 100 TB: more than any machine has.
    let arguments = ["--no-pci", "--in-memory", "--no-telemetry", "-m", "100000000"].map(str::to_owned).to_vec();
    let options = EalOptions { program: "test".into(), main_lcore: 0, workers: vec![], arguments };
    let error = Eal::start(&options).unwrap_err();
    assert!(matches!(error, EalError::NoMemory { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("hugepages of ") && text.contains(" are free; run as root: echo "), "{text}");
    assert!(text.ends_with("or do without: give the EAL the arguments --no-huge -m 100000000"), "{text}");
}

#[test]
fn an_unknown_argument_is_named() {
    let arguments = vec!["--no-such-argument".to_owned(), "--no-huge".to_owned()];
    let options = EalOptions { program: "test".into(), main_lcore: 0, workers: vec![], arguments };
    let error = Eal::start(&options).unwrap_err();
    assert!(matches!(error, EalError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("--no-such-argument"), "{error}");
}

#[test]
fn lcores_of_the_arguments_share_a_core() {
    let arguments =
        ["--lcores=0@0,1@0", "--no-huge", "--no-pci", "--in-memory", "-m", "64"].map(str::to_owned).to_vec();
    let options = EalOptions { program: "test".into(), main_lcore: 0, workers: vec![1], arguments };
    let eal = Eal::start(&options).unwrap();
    assert_eq!(eal.launch(1, lcore::current).unwrap().join(), Some(1));
}

#[test]
fn without_the_eal_its_objects_are_refused() {
    let error = Mempool::new("pool", MempoolOptions::default()).unwrap_err();
    assert_eq!(error, Error::EalNotStarted { what: "mempool", name: "pool".into() });
    assert_eq!(EthPort::probe("net_null0").unwrap_err(), PortError::EalNotStarted { device: "net_null0".into() });
    assert!(Eal::running().is_none());
}
