//! The packet path neither allocates nor calls the system: neither for connections that exist, nor for new ones, expiry,
//! answers, errors, fragments, the kernel's packets or hand-offs. A thread runs it that the kernel kills (SIGSYS) for its
//! first system call.

#[path = "pipeline/rig.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod rig;
#[path = "pipeline/shown.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod shown;
#[path = "pipeline/traffic.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod traffic;
#[path = "pipeline/workers.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod workers;

use allocation_counter::AllocationInfo;
use link::capture::{CaptureOptions, Program};
use rig::{LAN, Rig, WAN, mbuf};
use rte_rs::{Burst, Mempool};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use shown::{ALL, Shown};
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use traffic::Incoming;
use workers::{Rings, Workers};

const PACKETS: u64 = 1_000_000;
/// Where the source port is in a frame with a plain IPv4 header.
const SOURCE_PORT: usize = 34;

/// Frames for one port, over and over.
struct Source {
    port: u16,
    frames: Vec<Incoming>,
    next: usize,
    /// The source port of the next frame, where each is of a new flow.
    client: Option<u16>,
}

impl Source {
    fn new(port: u16, frames: Vec<Incoming>, client: Option<u16>) -> Self {
        let frames = frames.into_iter().filter(|(of_port, _)| *of_port == port).collect();
        Self { port, frames, next: 0, client }
    }

    fn fill(&mut self, burst: &mut Burst, pool: &Mempool) {
        while !burst.is_full() {
            let mut mbuf = mbuf(pool, self.port, &self.frames[self.next].1);
            self.next = (self.next + 1) % self.frames.len();
            if let (Some(client), Some(field)) =
                (&mut self.client, mbuf.data_mut().get_mut(SOURCE_PORT..SOURCE_PORT + 2))
            {
                *client = client.wrapping_add(1);
                field.copy_from_slice(&client.to_be_bytes());
            }
            burst.push(mbuf).expect("room for one");
        }
    }
}

/// From here on any system call of this thread but `write` (of a panic's message) ends the process with SIGSYS.
fn forbid_system_calls() {
    let allowed = BTreeMap::from([(libc::SYS_write, vec![])]);
    let architecture = std::env::consts::ARCH.try_into().expect("an architecture that seccomp knows");
    let filter =
        SeccompFilter::new(allowed, SeccompAction::KillProcess, SeccompAction::Allow, architecture).expect("a filter");
    let program: BpfProgram = filter.try_into().expect("a program");
    seccompiler::apply_filter(&program).expect("the kernel takes the filter");
}

/// Runs `work` in a thread without system calls, and returns its result. The thread can't even end: it stays until the
/// process does.
fn without_system_calls<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (result, is_done) = (Arc::new(Mutex::new(None)), Arc::new(AtomicBool::new(false)));
    let (place, done) = (Arc::clone(&result), Arc::clone(&is_done));
    std::thread::spawn(move || {
        forbid_system_calls();
        let outcome = work();
        *place.lock().expect("nobody else has it") = Some(outcome);
        done.store(true, Ordering::Release);
        loop {
            std::hint::spin_loop();
        }
    });
    while !is_done.load(Ordering::Acquire) {
        std::thread::sleep(Duration::from_millis(5));
    }
    result.lock().expect("the thread is done").take().expect("it left its result")
}

fn run(workers: &mut Workers, sources: &mut [Source], pool: &Mempool) {
    let (mut now, mut count) = (0, 0);
    let mut burst = Burst::new();
    while count < PACKETS {
        for source in &mut *sources {
            source.fill(&mut burst, pool);
            count += burst.len() as u64;
            let worker = (count / 32 % 2) as usize;
            workers.round(worker, source.port, &mut burst);
            workers.round(1 - worker, source.port, &mut burst);
        }
        workers.drain_kernel();
        now += 300;
        workers.rig.pipelines.iter_mut().for_each(|pipeline| pipeline.set_time(now));
    }
}

#[test]
fn packet_path_neither_allocates_nor_calls_the_system() {
    let pool = rig::start(8191);
    let mut workers = Workers::new(Rig::new(rig::machine(2, 2_000)), &pool, Rings::default());
    let every_kind = traffic::all(&[1000, 1001, 1002, 1003]);
    // To services with and without persistence, and by one-packet scheduling.
    let new_flows = vec![
        (WAN, traffic::tcp(1, 80).syn().bytes()),
        (WAN, traffic::udp(1, 53).bytes()),
        (WAN, traffic::tcp(1, 88).syn().bytes()),
        (WAN, traffic::udp(1, 88).bytes()),
    ];
    let mut sources = [
        Source::new(WAN, every_kind.clone(), None),
        Source::new(LAN, every_kind, None),
        Source::new(WAN, new_flows, Some(0)),
    ];
    let (mut workers, allocated): (Workers, AllocationInfo) = without_system_calls(move || {
        let allocated = allocation_counter::measure(|| run(&mut workers, &mut sources, &pool));
        // What was made before must not be freed here either: that may call the system.
        std::mem::forget((sources, pool));
        (workers, allocated)
    });
    workers.settle();
    let totals = workers.assert_conserved();
    assert_eq!((allocated.count_total, allocated.bytes_total), (0, 0), "{totals:#?}");
    // Each part of the path was taken, thousands of times.
    let parts = [
        ("forwarded", totals.transmitted),
        ("to the kernel", workers.to_kernel),
        ("dropped", totals.dropped_total()),
        ("answered", totals.answered.iter().sum()),
        ("new connections", totals.connections_created),
        ("handed over", totals.taken_over),
        ("fragments", totals.fragments_created),
        ("put together", totals.fragments_reassembled),
    ];
    for (part, packets) in parts {
        assert!(packets > 5_000, "{part}: {packets}");
    }
    let expired: u64 = workers.rig.pipelines.iter_mut().map(|worker| worker.connections().take_released()).sum();
    assert!(expired > 5_000, "expired: {expired}");
}

/// So it is while packets are shown: to a reader that is in time at first, and then to none.
#[test]
fn showing_packets_neither_allocates_nor_calls_the_system() {
    let pool = rig::start(8191);
    let mut workers = Workers::new(Rig::new(rig::machine(2, 2_000)), &pool, Rings::default());
    let mut shown = Shown::new(2);
    assert_eq!(shown.start(&CaptureOptions { snaplen: 128, ..ALL }, &Program::everything(), 0), None);
    workers.captures = std::mem::take(&mut shown.captures);
    let every_kind = traffic::all(&[1000, 1001, 1002, 1003]);
    let mut sources = [Source::new(WAN, every_kind.clone(), None), Source::new(LAN, every_kind, None)];
    let done = Arc::new(AtomicBool::new(false));
    let is_done = Arc::clone(&done);
    let reader = std::thread::spawn(move || {
        let mut packets = [0, 0];
        while !is_done.load(Ordering::Acquire) {
            for (worker, count) in packets.iter_mut().enumerate().filter(|(_, count)| **count < 50_000) {
                *count += shown.packets(worker, ALL.ticket).len();
            }
        }
        let totals: Vec<_> = shown.readers.iter().map(|reader| reader.totals()).collect();
        (packets, totals)
    });
    let (mut workers, allocated): (Workers, AllocationInfo) = without_system_calls(move || {
        let allocated = allocation_counter::measure(|| run(&mut workers, &mut sources, &pool));
        std::mem::forget((sources, pool));
        (workers, allocated)
    });
    done.store(true, Ordering::Release);
    let (packets, totals) = reader.join().expect("the reader");
    workers.settle();
    workers.assert_conserved();
    assert_eq!((allocated.count_total, allocated.bytes_total), (0, 0), "{totals:?}");
    for (packets, totals) in packets.into_iter().zip(totals) {
        assert!(packets > 1_000 && totals.missed > 1_000, "{packets} shown, {totals:?}");
    }
}

/// That a system call does not go unseen: a process like this one, which makes one, dies of it.
#[test]
fn a_system_call_in_such_a_thread_ends_the_process() {
    const CHILD: &str = "SLUICE_TEST_CALLS_THE_SYSTEM";
    if std::env::var_os(CHILD).is_some() {
        without_system_calls(|| std::thread::sleep(Duration::from_millis(1)));
        return;
    }
    let test = "a_system_call_in_such_a_thread_ends_the_process";
    let mut child = Command::new(std::env::current_exe().expect("this program"));
    let status = child.args(["--exact", test]).env(CHILD, "1").output().expect("it starts").status;
    assert_eq!(status.signal(), Some(libc::SIGSYS), "{status}");
    assert_eq!(without_system_calls(|| 6 * 7), 42, "work without one is done");
}
