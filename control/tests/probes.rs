//! Each type of check against real servers: one that is well, and one for each way to fail.

#[path = "probes/servers.rs"]
mod servers;

use config::Services;
use control::health::probe::{Found, Pinger, Probe};
use control::health::target::{RealKey, Target};
use servers::{Web, dns, half_open, plain, serve, udp, unused};
use std::future::Future;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::sync::Arc;
use tokio::task::LocalSet;

fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, test)
}

/// What a check with these keys finds at this address.
async fn probe(address: SocketAddrV4, keys: &str) -> Found {
    let text = format!(
        "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"192.0.2.1:80\"\n\
         [[service.real]]\naddress = \"10.0.0.1:80\"\n[service.real.check]\n{keys}\n"
    );
    let services = Services::parse(&text, "test").unwrap_or_else(|error| panic!("{error}\n{text}"));
    let named = &services.services[0];
    let mut check = named.health.check_of("10.0.0.1:80".parse().expect("an address")).expect("valid").expect("a check");
    check.port = address.port();
    let key = RealKey { service: named.service.key, real: address };
    let target = Arc::new(Target { key, service: named.name.clone(), check, by_vip: None });
    Probe::new(target, Rc::new(Pinger::default()), Rc::new([])).run().await
}

async fn well(address: SocketAddrV4, keys: &str) {
    assert_eq!(probe(address, keys).await, Found::Well(None), "{keys}");
}

/// Fails with a reason that has these words.
async fn ill(address: SocketAddrV4, keys: &str, words: &str) {
    match probe(address, keys).await {
        Found::Ill(reason) => assert!(reason.contains(words), "{keys}: {reason}"),
        found => panic!("{keys}: {found:?}"),
    }
}

#[test]
fn tcp_connects_is_refused_or_hears_nothing() {
    run(async {
        well(plain(), "type = \"tcp\"").await;
        ill(unused(), "type = \"tcp\"", "connection refused: nothing listens on 127.0.0.1").await;
        let (_kept, address) = half_open();
        ill(address, "type = \"tcp\"\ntimeout = \"200ms\"", "none was made within 200ms").await;
    });
}

#[test]
fn http_is_judged_by_its_status_its_body_and_its_end() {
    let keys = "type = \"http\"\ntimeout = \"500ms\"\n";
    run(async {
        let good = serve(Web::Answer { status: 200, body: "ok: 12 workers", delay: 0 }).await;
        well(good, keys).await;
        well(
            good,
            &format!("{keys}status = [\"200\"]\nbody = 'ok: \\d+'\nhost = \"www.example.org\"\npath = \"/health?x\""),
        )
        .await;
        well(good, &format!("{keys}method = \"HEAD\"")).await;
        ill(good, &format!("{keys}status = [\"201-299\", \"404\"]"), "is answered with status 200, not 201-299, 404")
            .await;
        ill(good, &format!("{keys}body = \"^fine\""), "the body of / does not match \"^fine\": \"ok: 12 workers\"")
            .await;
        ill(serve(Web::Answer { status: 503, body: "", delay: 0 }).await, keys, "status 503, not 200-399").await;
        let slow = serve(Web::Answer { status: 200, body: "ok", delay: 2000 }).await;
        ill(slow, keys, "connected, but no answer to the request within 500ms").await;
        well(serve(Web::Answer { status: 200, body: "ok", delay: 100 }).await, keys).await;
        ill(serve(Web::Hangs).await, keys, "connected, but no answer to the request within 500ms").await;
        ill(serve(Web::DiesBefore).await, keys, "the connection broke before the answer was complete").await;
        ill(serve(Web::DiesWithin).await, keys, "the connection broke before the answer was complete").await;
        ill(serve(Web::Stalls).await, keys, "the answer began, but was not complete within 500ms").await;
        ill(serve(Web::Noise).await, keys, "the connection broke before the answer was complete").await;
        ill(unused(), keys, "connection refused").await;
        // The end of the connection is the end of the body, and comes with its last byte.
        well(serve(Web::NoLength).await, &format!("{keys}body = \"the end$\"")).await;
    });
}

#[test]
fn https_wants_the_right_name_from_a_trusted_authority() {
    run(async {
        let site = servers::secure("www.example.org").await;
        let (address, file) = (site.address, site.authority.path().display().to_string());
        let trusted = format!("type = \"https\"\ntimeout = \"900ms\"\nca_file = \"{file}\"\n");
        well(address, &format!("{trusted}sni = \"www.example.org\"")).await;
        well(address, &format!("{trusted}host = \"www.example.org:443\"\nbody = \"ok\"")).await;
        ill(
            address,
            &format!("{trusted}sni = \"shop.example.org\""),
            "TLS with shop.example.org: invalid peer certificate",
        )
        .await;
        ill(address, &trusted, "TLS with 127.0.0.1: invalid peer certificate").await;
        let unknown = "type = \"https\"\ntimeout = \"900ms\"\nsni = \"www.example.org\"\n";
        ill(address, unknown, "invalid peer certificate").await;
        well(address, &format!("{unknown}verify = false")).await;
        ill(plain(), &format!("{trusted}sni = \"www.example.org\""), "TLS with www.example.org").await;
        ill(address, "type = \"https\"\nca_file = \"/nonexistent.pem\"", "ca_file /nonexistent.pem").await;
        let (_kept, hung) = half_open();
        ill(hung, &format!("{trusted}timeout = \"200ms\"").replacen("timeout = \"900ms\"\n", "", 1), "within 200ms")
            .await;
    });
}

#[test]
fn udp_is_answered_silent_or_unreachable() {
    run(async {
        let echo = udp(Some(b"pong 7")).await;
        let asks = "type = \"udp\"\ntimeout = \"300ms\"\npayload = \"ping\"\n";
        well(echo, &format!("{asks}expect = '^pong \\d$'")).await;
        well(echo, "type = \"udp\"\ntimeout = \"300ms\"\npayload_hex = \"70 69 6e 67\"\nexpect = \"pong\"").await;
        ill(echo, &format!("{asks}expect = \"^ok\""), "an answer to the datagram, but none that matches, within 300ms")
            .await;
        let silent = udp(None).await;
        well(silent, asks).await;
        ill(silent, &format!("{asks}expect = \"pong\""), "no answer to the datagram within 300ms").await;
        ill(unused(), asks, "port unreachable: nothing listens on UDP").await;
        ill(unused(), &format!("{asks}expect = \"pong\""), "port unreachable").await;
    });
}

#[test]
fn dns_has_the_answer_another_or_an_error() {
    run(async {
        let server = dns().await;
        let asks = "type = \"dns\"\ntimeout = \"300ms\"\n";
        well(server, &format!("{asks}name = \"www.example.org\"")).await;
        well(server, &format!("{asks}name = \"www.example.org\"\nanswers = [\"192.0.2.2\", \"192.0.2.1\"]")).await;
        ill(
            server,
            &format!("{asks}name = \"www.example.org\"\nanswers = [\"192.0.2.3\"]"),
            "the answer for www.example.org A is 192.0.2.1, 192.0.2.2, without 192.0.2.3",
        )
        .await;
        ill(server, &format!("{asks}name = \"www.example.org\"\nrecord = \"AAAA\""), "has no such record").await;
        ill(server, &format!("{asks}name = \"gone.example.org\""), "Non-Existent Domain").await;
        ill(udp(None).await, &format!("{asks}name = \"www.example.org\""), "no answer to the query within 300ms").await;
        ill(udp(Some(b"?")).await, &format!("{asks}name = \"www.example.org\""), "not DNS").await;
        ill(unused(), &format!("{asks}name = \"www.example.org\""), "port unreachable").await;
    });
}

#[test]
fn icmp_is_answered_by_a_host_that_lives() {
    run(async {
        well("127.0.0.1:0".parse().expect("an address"), "type = \"icmp\"").await;
        // Of the net for documentation; whether there is a way to it or not, nobody answers.
        let nobody: SocketAddrV4 = "192.0.2.99:0".parse().expect("an address");
        match probe(nobody, "type = \"icmp\"\ntimeout = \"200ms\"").await {
            Found::Ill(reason) => {
                assert!(reason.contains("no answer to the echo") || reason.contains("no way to"), "{reason}")
            }
            found => panic!("{found:?}"),
        }
    });
}

#[test]
fn a_program_is_judged_by_its_status_and_killed_with_its_children() {
    let shell = |script: &str| {
        format!("type = \"exec\"\ntimeout = \"500ms\"\ncommand = [\"/bin/sh\", \"-c\", '''{script}''']\n")
    };
    let real: SocketAddrV4 = "127.0.0.1:80".parse().expect("an address");
    run(async {
        well(real, &shell("test $SLUICE_SERVICE $SLUICE_REAL = web 127.0.0.1:80 || test $SLUICE_REAL = 127.0.0.1:80"))
            .await;
        ill(real, &shell("echo the disk is full; exit 3"), "/bin/sh ended with status 3: the disk is full").await;
        ill(real, &shell("kill -9 $$"), "was ended by a signal").await;
        ill(real, "type = \"exec\"\ncommand = [\"/nonexistent/check\"]", "/nonexistent/check can't be started").await;
        let weight = |script: &str| format!("{}exit_weight = true", shell(script));
        assert_eq!(probe(real, &weight("exit 12")).await, Found::Well(Some(10)));
        assert_eq!(probe(real, &weight("exit 0")).await, Found::Well(None));
        ill(real, &weight("exit 1"), "status 1").await;

        let folder = tempfile::tempdir().expect("a folder");
        let pids = folder.path().join("pids");
        let script = format!("sleep 60 & echo $! > {0}; echo $$ >> {0}; wait", pids.display());
        ill(real, &shell(&script), "the program did not end, and was killed, within 500ms").await;
        let pids = std::fs::read_to_string(pids).expect("it ran");
        let lives = || {
            pids.split_whitespace().any(|pid| {
                let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
                !status.is_empty() && !status.contains("State:\tZ")
            })
        };
        for _ in 0..200 {
            if !lives() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("some of {pids:?} live on");
    });
}
