//! The annotated files in conf/ parse, say what the documentation says, and mention every key.

use config::{Idle, Machine, Services, Unmatched, machine_keys, services_keys};
use link::model::{ForwardMethod, SchedulerKind, Timeouts};
use std::path::{Path, PathBuf};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conf").join(name)
}

/// The keys given or shown as a comment (`# mbufs = 65_536`), as `section.key`.
fn mentioned(text: &str) -> Vec<String> {
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in text.lines() {
        let line = line.trim_start_matches("# ");
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.push(format!("{section}.{key}"));
        }
    }
    keys
}

#[test]
fn the_shipped_machine_file_parses_and_shows_the_defaults() {
    let machine = Machine::load(&shipped("sluice.toml")).expect("conf/sluice.toml");
    let defaults = "[dataplane]\nworkers = [1]\neal = [\"--no-pci\", \"--in-memory\"]\n\
                    [[port]]\nname = \"a\"\ndevice = \"net_null0\"\n";
    let defaults = Machine::parse(defaults, "defaults").expect("defaults");
    assert_eq!(machine.dataplane, defaults.dataplane);
    assert_eq!(machine.control, defaults.control);
    assert_eq!((machine.dataplane.idle, machine.dataplane.unmatched), (Idle::Pause, Unmatched::Reject));
    assert_eq!((machine.dataplane.connections, machine.dataplane.reject_rate), (1_000_000, 1000));
    assert_eq!((machine.dataplane.max_services, machine.dataplane.max_reals), (16_384, 131_072));
    assert_eq!(machine.dataplane.mbufs, None);
    assert_eq!(machine.port_index("lan"), Some(1));
    assert_eq!(machine.port_index("dmz"), None);
    assert_eq!(machine.ports[1].mtu, 1500);
    assert_eq!(machine.ports[0].addresses[0].network().to_string(), "10.0.1.0/24");
    assert_eq!((machine.routes.len(), machine.neighbors.len()), (1, 1));
    assert_eq!(machine.control.socket, Path::new("/run/sluice/control.sock"));
    assert_eq!(machine.control.link, Path::new("/dev/shm/sluice.link"));
}

#[test]
fn the_shipped_services_file_is_the_papers_example_with_default_timeouts() {
    let services = Services::load(&shipped("services.toml")).expect("conf/services.toml");
    assert_eq!(services.timeouts, Timeouts::default());
    let web = services.find("web").expect("web");
    assert_eq!(web.service.options.scheduler, SchedulerKind::WeightedRoundRobin);
    let reals: Vec<_> = web.service.reals.iter().map(|r| (r.address.to_string(), r.weight, r.method)).collect();
    let nat = ForwardMethod::Nat;
    assert_eq!(reals, [("172.16.0.2:80".to_owned(), 1, nat), ("172.16.0.3:8000".to_owned(), 2, nat)]);
    let ftp = services.find("ftp").expect("ftp");
    assert_eq!((ftp.method, ftp.service.reals[0].weight), (nat, 1));
    assert_eq!(services.table().services.len(), 2);
}

#[test]
fn the_shipped_files_mention_every_key() {
    for (file, keys) in [("sluice.toml", machine_keys()), ("services.toml", services_keys())] {
        let text = std::fs::read_to_string(shipped(file)).expect(file);
        let mentioned = mentioned(&text);
        for key in keys {
            assert!(mentioned.contains(&key), "conf/{file} does not mention {key}");
        }
    }
}

#[test]
fn a_file_that_is_not_there_is_refused_as_unreadable() {
    let error = Services::load(Path::new("/nonexistent/services.toml")).expect_err("no such file");
    assert!(error.is_unreadable());
    let want = "the file cannot be read: No such file or directory (os error 2); check the path and the permissions \
                (/nonexistent/services.toml)";
    assert_eq!(error.to_string(), want);
}
