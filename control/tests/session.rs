//! sluiced and the dataplane: what is sent when, and what survives the death of either.

mod support;

use control::protocol::Code;
use link::ControlLink;
use link::message::Refusal;
use std::time::Duration;
use support::{FakeDataplane, SERVICES, Site, eventually};

const REMOVE: &str = r#"{"command":"real_remove","service":"web","address":"172.16.0.2:80"}"#;
const ADD: &str = r#"{"command":"real_add","service":"web","address":"172.16.0.4:80","weight":7}"#;

fn reals_of_web(table: &link::model::ServiceTable) -> Vec<String> {
    table.services[0].reals.iter().map(|real| real.address.to_string()).collect()
}

#[test]
fn the_services_file_and_the_static_next_hops_are_sent_at_start() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    let (generation, table) = dataplane.table(1);
    assert_eq!(generation, 1);
    assert_eq!(reals_of_web(&table), ["172.16.0.2:80", "172.16.0.3:8000"]);
    let hops = eventually("next hops", || dataplane.shared().next_hops.last().cloned());
    assert_eq!((hops.routes.len(), hops.neighbors.len()), (3, 1), "the static route and two connected ones");
    let status = site.connected();
    assert_eq!(status["dataplane"]["services_generation"], 1);
    assert_eq!(status["dataplane"]["workers"], 2);
    assert_eq!(status["differences"], serde_json::json!([]));
}

#[test]
fn an_absent_dataplane_is_waited_for_and_gets_what_changed_meanwhile() {
    let site = Site::new();
    let _sluiced = site.start();
    assert!(site.ask(r#"{"command":"status"}"#)["dataplane"].is_null());
    let changed = site.ask(REMOVE);
    assert_eq!(changed["in_force"], false);
    let message = "Removed real 172.16.0.2:80 from web. The dataplane is not running; it gets this when it starts.";
    assert_eq!(changed["message"], message);
    assert_eq!(site.refused(r#"{"command":"drops"}"#).0, Code::Unavailable);

    let dataplane = FakeDataplane::start(&site.link());
    assert_eq!(reals_of_web(&dataplane.table(1).1), ["172.16.0.3:8000"]);
}

#[test]
fn a_service_over_a_group_that_does_not_exist_is_warned_of() {
    let site = Site::new();
    let _sluiced = site.start();
    let warnings = || site.ask(r#"{"command":"status"}"#)["warnings"].to_string();
    site.ask(r#"{"command":"service_add","name":"shop","group":7,"scheduler":"rr","method":"nat"}"#);
    assert!(warnings().contains("Service shop gets no packets: group 7 does not exist"), "{}", warnings());
    site.ask(r#"{"command":"group_set","number":7,"endpoints":["tcp 202.103.106.9:80"]}"#);
    assert_eq!(warnings(), "[]");
}

#[test]
fn more_changes_than_may_come_together_are_refused() {
    let site = Site::new();
    let _sluiced = site.start();
    let request = |count: usize| {
        let changes = vec![r#"{"delete_service":{"service":"group 9"}}"#; count].join(",");
        format!(r#"{{"command":"lvs_change","changes":[{changes}]}}"#)
    };
    let (code, message) = site.refused(&request(10_001));
    assert_eq!(code, Code::Usage);
    let want = "lvs_change: 10001 changes, allowed at most 10000 in a request; send the others in further ones.";
    assert_eq!(message, want);
    assert_eq!(site.ask(&request(10_000))["refusals"].as_array().map(Vec::len), Some(10_000));
}

#[test]
fn a_change_is_in_force_when_the_answer_comes() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    dataplane.table(1);
    let changed = site.ask(ADD);
    assert_eq!(changed["message"], "Added real 172.16.0.4:80 to web: nat, weight 7.");
    assert_eq!(changed["changes"], serde_json::json!(["+ real 172.16.0.4:80 of web, nat, weight 7"]));
    assert_eq!((changed["in_force"].as_bool(), changed["generation"].as_u64()), (Some(true), Some(2)));
    let table = dataplane.shared().tables.last().cloned().expect("a table").1;
    assert_eq!(reals_of_web(&table), ["172.16.0.2:80", "172.16.0.3:8000", "172.16.0.4:80"]);
    let status = site.ask(r#"{"command":"status"}"#);
    assert_eq!(status["differences"], serde_json::json!(["- real 172.16.0.4:80 of web"]), "what a reload would do");
}

#[test]
fn a_refusal_leaves_the_running_table_and_says_why() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    dataplane.table(1);
    dataplane.shared().refuse = Some((Refusal::PortDiffers, 5));
    let (code, message) = site.refused(ADD);
    assert_eq!(code, Code::Refused);
    assert!(
        message.contains("the running table stays: service \"web\", real 172.16.0.4:80: a tunnel or direct real"),
        "{message}"
    );
    let status = site.ask(r#"{"command":"status"}"#);
    assert_eq!(status["reals"], 2);
    let refusal = status["dataplane"]["last_refusal"].as_str().expect("a refusal");
    assert!(refusal.starts_with("services, generation 2: service \"web\""), "{refusal}");

    site.ask(ADD);
    assert!(site.ask(r#"{"command":"status"}"#)["dataplane"]["last_refusal"].is_null(), "a later one was applied");
}

#[test]
fn a_new_dataplane_gets_the_running_table_not_the_file() {
    let site = Site::new();
    let first = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    first.table(1);
    site.ask(REMOVE);
    drop(first);
    eventually("the end is noticed", || site.ask(r#"{"command":"status"}"#)["dataplane"].is_null().then_some(()));
    let second = FakeDataplane::start(&site.link());
    assert_eq!(reals_of_web(&second.table(1).1), ["172.16.0.3:8000"]);
    eventually("next hops again", || (!second.shared().next_hops.is_empty()).then_some(()));
}

#[test]
fn a_killed_sluiced_comes_back_to_what_the_dataplane_runs() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    dataplane.table(1);
    site.ask(REMOVE);
    sluiced.kill();
    let applied = dataplane.applied();

    let _sluiced = site.start();
    let status = eventually("restored", || {
        let status = site.connected();
        (status["reals"] == 1).then_some(status)
    });
    assert_eq!(status["differences"], serde_json::json!(["+ real 172.16.0.2:80 of web, nat, weight 1"]));
    assert_eq!(dataplane.applied(), applied, "nothing was sent");
    let changed = site.ask(r#"{"command":"reload"}"#);
    assert_eq!(changed["in_force"], true);
    assert_eq!(reals_of_web(&dataplane.table(3).1), ["172.16.0.2:80", "172.16.0.3:8000"]);
}

#[test]
fn a_change_applied_but_not_heard_of_survives_the_kill() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    dataplane.table(1);
    dataplane.shared().mute = true;
    site.client().send(REMOVE);
    dataplane.table(2);
    sluiced.kill();
    dataplane.shared().mute = false;

    let _sluiced = site.start();
    eventually("taken over", || (site.connected()["reals"] == 1).then_some(()));
    assert_eq!(dataplane.applied(), 2, "nothing was sent");
}

#[test]
fn a_kill_in_the_middle_of_a_transaction_leaves_the_old_table_and_the_next_sluiced_works() {
    let site = Site::new();
    let many: String = (0..12_000u32)
        .map(|n| format!("[[service.real]]\naddress = \"172.20.{}.{}:80\"\n", n / 250, n % 250 + 1))
        .collect();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    dataplane.table(1);
    dataplane.shared().frozen = true;
    site.write_services(&format!("{SERVICES}{many}"));
    site.client().send(r#"{"command":"reload"}"#);
    // The ring holds 8192 rows: sluiced waits for room, half-way.
    eventually("the transaction is under way", || {
        site.path("run/control.sock.running-next.toml").exists().then_some(())
    });
    std::thread::sleep(Duration::from_millis(100));
    sluiced.kill();
    dataplane.shared().frozen = false;
    site.write_services(SERVICES);

    let _sluiced = site.start();
    let status = site.connected();
    assert_eq!((status["reals"].as_u64(), status["dataplane"]["services_generation"].as_u64()), (Some(2), Some(1)));
    assert_eq!(dataplane.applied(), 1, "the half of a transaction did nothing");
    assert_eq!(site.ask(ADD)["generation"], 2);
}

#[test]
fn a_change_sent_before_sluiced_knows_what_runs_waits_and_is_made_to_that() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    dataplane.table(1);
    site.ask(REMOVE);
    sluiced.kill();
    dataplane.shared().frozen = true;

    let _sluiced = site.start();
    let (mut add, mut reload) = (site.client(), site.client());
    add.send(ADD);
    reload.send(r#"{"command":"reload","dry_run":true}"#);
    reload.receive().1.expect("what changes nothing does not wait");
    std::thread::sleep(Duration::from_millis(300));
    dataplane.shared().frozen = false;
    assert_eq!(add.receive().1.expect("done")["generation"], 3);
    assert_eq!(reals_of_web(&dataplane.table(3).1), ["172.16.0.3:8000", "172.16.0.4:80"], "the removed one stays away");
}

#[test]
fn a_change_without_an_answer_is_neither_lost_nor_mixed_up_with_the_next() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    dataplane.table(1);
    dataplane.shared().frozen = true;
    let (code, message) = site.refused(REMOVE);
    assert_eq!(code, Code::Unavailable);
    assert!(message.contains("may or may not be in force"), "{message}");
    // The dataplane still has the first one in its ring.
    let mut add = site.client();
    add.send(ADD);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(site.ask(r#"{"command":"status"}"#)["dataplane"]["connected"], false);
    dataplane.shared().frozen = false;
    assert_eq!(add.receive().1.expect("done")["generation"], 3);
    assert_eq!(reals_of_web(&dataplane.table(3).1), ["172.16.0.3:8000", "172.16.0.4:80"], "both are in force");
    assert!(!sluiced.log().contains("the dataplane ended"), "it did not");
}

#[test]
fn a_dataplane_that_another_sluiced_has_is_not_changed_now_nor_later() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let other = ControlLink::attach(&site.link()).expect("attached first");
    let _sluiced = site.start();
    let (code, message) = site.refused(REMOVE);
    assert_eq!(code, Code::Unavailable);
    assert!(
        message.starts_with("Nothing is changed: ") && message.contains("another sluiced is attached"),
        "{message}"
    );
    let (code, _) = site.refused(r#"{"command":"reload"}"#);
    assert_eq!(code, Code::Unavailable);
    assert_eq!(site.ask(r#"{"command":"status"}"#)["reals"], 2, "nothing is adopted");
    assert_eq!(dataplane.applied(), 0);
    drop(other);
    site.connected();
    assert_eq!(reals_of_web(&dataplane.table(1).1), ["172.16.0.2:80", "172.16.0.3:8000"]);
    assert_eq!(site.ask(REMOVE)["in_force"], true, "the ordinary case");
}

#[test]
fn a_change_made_without_a_dataplane_outlives_a_restart_of_sluiced_until_it_is_in_force() {
    let site = Site::new();
    let sluiced = site.start();
    assert_eq!(site.ask(REMOVE)["in_force"], false);
    sluiced.kill();
    let sluiced = site.start();
    let status = site.ask(r#"{"command":"status"}"#);
    assert_eq!(status["differences"], serde_json::json!(["+ real 172.16.0.2:80 of web, nat, weight 1"]));
    let dataplane = FakeDataplane::start(&site.link());
    assert_eq!(reals_of_web(&dataplane.table(1).1), ["172.16.0.3:8000"]);
    site.connected();
    site.ask(ADD);
    sluiced.kill();
    drop(dataplane);

    let _sluiced = site.start();
    assert_eq!(
        site.ask(r#"{"command":"status"}"#)["reals"],
        2,
        "what had been in force is the dataplane's, which is gone"
    );
}

#[test]
fn a_large_table_waits_for_room_in_the_ring() {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    site.connected();
    let mut text = String::new();
    for service in 0..1000u32 {
        text += &format!(
            "[[service]]\nname = \"s{service}\"\nprotocol = \"tcp\"\naddress = \"10.9.{}.{}:80\"\n",
            service / 250,
            service % 250 + 1
        );
        for real in 0..20 {
            text += &format!("[[service.real]]\naddress = \"172.16.1.{}:80\"\n", real + 1);
        }
    }
    site.write_services(&text);
    let changed = site.ask(r#"{"command":"reload"}"#);
    assert_eq!(changed["in_force"], true);
    let (_, table) = dataplane.table(2);
    assert_eq!(table.services.iter().map(|service| service.reals.len()).sum::<usize>(), 20_000);
}
