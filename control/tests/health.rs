//! sluiced and the health of reals: what the dataplane gets when checks succeed and fail, what is shown, who is told, and
//! what a restart leaves. The checks are programs that look for a file of the real's name.

mod support;

use control::protocol::Code;
use link::model::{Phase, ServiceTable};
use serde_json::Value;
use std::path::PathBuf;
use support::{FakeDataplane, Site, eventually};

const REALS: [&str; 2] = ["172.16.0.2:80", "172.16.0.3:80"];

/// A site whose service `web` has two reals, of weights 1 and 2.
struct Health {
    site: Site,
}

impl Health {
    fn new(more: &str) -> Self {
        let health = Self { site: Site::new() };
        health.write(more);
        health
    }

    fn text(&self, more: &str) -> String {
        format!(
            "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"202.103.106.5:80\"\nscheduler = \"wrr\"\n{more}\n\
             [service.check]\ntype = \"exec\"\ninterval = \"100ms\"\nrise = 1\nfall = 2\n\
             command = [\"/bin/sh\", \"-c\", \"test -e {0}/$SLUICE_ADDRESS || {{ echo no file; exit 1; }}\"]\n\
             [[service.real]]\naddress = \"172.16.0.2:80\"\nweight = 1\n\
             [[service.real]]\naddress = \"172.16.0.3:80\"\nweight = 2\n",
            self.site.path("").display()
        )
    }

    fn write(&self, more: &str) {
        self.site.write_services(&self.text(more));
    }

    fn file(&self, real: &str) -> PathBuf {
        self.site.path(real.split(':').next().expect("an address"))
    }

    fn up(&self, real: &str) {
        std::fs::write(self.file(real), "").expect("written");
    }

    fn down(&self, real: &str) {
        std::fs::remove_file(self.file(real)).expect("removed");
    }

    fn show(&self) -> Value {
        self.site.ask(r#"{"command":"service_show","service":"web"}"#)
    }

    /// Waits until the reals are in these states.
    fn states(&self, wanted: [&str; 2]) -> Value {
        eventually(&format!("the reals are {wanted:?}"), || {
            let row = self.show();
            let state = |index: usize| row["reals"][index]["health"]["state"].as_str().unwrap_or_default().to_owned();
            (wanted == [state(0).as_str(), state(1).as_str()]).then_some(row)
        })
    }

    fn events(&self) -> Vec<(String, Value)> {
        let mut client = self.site.client();
        client.send(r#"{"command":"events"}"#);
        let (rows, end) = client.receive();
        end.expect("the end");
        let text = |row: &Value| row["event"].as_str().expect("an event").to_owned();
        rows.into_iter().map(|row| (text(&row), row)).collect()
    }
}

fn weights(table: &ServiceTable) -> Vec<u32> {
    table.services[0].reals.iter().map(|real| real.weight).collect()
}

/// Waits until the dataplane has these weights.
fn in_force(dataplane: &FakeDataplane, wanted: &[u32]) {
    eventually(&format!("the weights {wanted:?} are in force"), || {
        let shared = dataplane.shared();
        shared.tables.last().filter(|(_, table)| weights(table) == wanted).map(drop)
    });
}

#[test]
fn a_real_serves_after_its_first_success_until_it_fails() {
    let health = Health::new("");
    health.up(REALS[1]);
    let dataplane = FakeDataplane::start(&health.site.link());
    let _sluiced = health.site.start();
    in_force(&dataplane, &[0, 2]);
    assert_eq!(weights(&dataplane.shared().tables[0].1), [0, 0], "nobody serves before");
    let row = health.states(["down", "up"]);
    assert_eq!((&row["reals"][0]["weight"], &row["reals"][0]["health"]["weight"]), (&1.into(), &0.into()));
    let reason = row["reals"][0]["health"]["reason"].as_str().expect("a reason");
    assert_eq!(reason, "/bin/sh ended with status 1: no file");
    health.up(REALS[0]);
    in_force(&dataplane, &[1, 2]);
    health.down(REALS[1]);
    in_force(&dataplane, &[1, 0]);
    let status = health.site.ask(r#"{"command":"status"}"#);
    assert_eq!(status["differences"], serde_json::json!([]), "the operator's table is as it was");
    let events: Vec<_> = health.events().into_iter().map(|(event, _)| event).collect();
    assert!(events.iter().filter(|event| *event == "up").count() == 2, "{events:?}");
    assert_eq!(events.last().map(String::as_str), Some("down"));
}

#[test]
fn a_sluiced_that_is_restarted_empties_no_pool() {
    let health = Health::new("");
    REALS.iter().for_each(|real| health.up(real));
    let dataplane = FakeDataplane::start(&health.site.link());
    let sluiced = health.site.start();
    in_force(&dataplane, &[1, 2]);
    health.site.ask(r#"{"command":"real_drain","service":"web","address":"172.16.0.2:80"}"#);
    in_force(&dataplane, &[0, 2]);
    health.down(REALS[1]);
    in_force(&dataplane, &[0, 0]);
    health.up(REALS[1]);
    in_force(&dataplane, &[0, 2]);
    let before = dataplane.applied();
    sluiced.kill();
    let _again = health.site.start();
    health.site.connected();
    health.states(["drained", "up"]);
    eventually("some checks of the new one have ended", || {
        (health.show()["reals"][1]["health"]["checks_passed"].as_u64() >= Some(3)).then_some(())
    });
    let tables = dataplane.shared().tables[before..].iter().map(|(_, table)| weights(table)).collect::<Vec<_>>();
    assert!(tables.iter().all(|weights| *weights == [0, 2]), "{tables:?}");
    // A dataplane that is new gets what is known too.
    drop(dataplane);
    let dataplane = FakeDataplane::start(&health.site.link());
    assert_eq!(weights(&dataplane.table(1).1), [0, 2]);
}

#[test]
fn after_a_restart_the_dataplane_gets_the_check_addresses_that_are_used_then() {
    let site = Site::new();
    site.write_services(
        "[[service]]\nname = \"web\"\nprotocol = \"tcp\"\naddress = \"202.103.106.5:80\"\nmethod = \"direct\"\n\
         [service.check]\ntype = \"tcp\"\nvia = \"vip\"\ninterval = \"100ms\"\n\
         [[service.real]]\naddress = \"172.16.0.2:80\"\n",
    );
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    let address = |table: &ServiceTable| table.services[0].reals[0].check_address.expect("a check address");
    let before = address(&dataplane.table(1).1);
    sluiced.kill();
    let _again = site.start();
    eventually("another check address is in force", || {
        let shared = dataplane.shared();
        shared.tables.last().filter(|(_, table)| address(table) != before).map(drop)
    });
    eventually("the check says which way it was to go", || {
        let row = site.ask(r#"{"command":"service_show","service":"web"}"#);
        let reason = row["reals"][0]["health"]["reason"].as_str().unwrap_or_default().to_owned();
        reason.starts_with("by way of the VIP: ").then_some(())
    });
}

#[test]
fn a_reload_keeps_what_is_known_and_checks_what_is_new() {
    let health = Health::new("");
    REALS.iter().for_each(|real| health.up(real));
    let dataplane = FakeDataplane::start(&health.site.link());
    let _sluiced = health.site.start();
    in_force(&dataplane, &[1, 2]);
    let before = dataplane.applied();
    health.write("quorum = 2");
    let changed = health.site.ask(r#"{"command":"reload"}"#);
    assert_eq!(changed["changes"], serde_json::json!(["~ service web: quorum default -> 2"]));
    health.site.ask(r#"{"command":"real_add","service":"web","address":"172.16.0.4:80","weight":5}"#);
    health.up("172.16.0.4:80");
    in_force(&dataplane, &[1, 2, 5]);
    let tables = dataplane.shared().tables[before..].iter().map(|(_, table)| weights(table)).collect::<Vec<_>>();
    assert!(tables.iter().all(|weights| weights.starts_with(&[1, 2])), "{tables:?}");
    assert!(tables.contains(&vec![1, 2, 0]), "a new real has to succeed first: {tables:?}");
}

#[test]
fn without_quorum_the_sorry_server_serves_and_programs_are_told() {
    let health = Health::new("");
    let told = health.site.path("told");
    let hook = |event: &str| {
        let script = format!("echo $SLUICE_EVENT $SLUICE_SERVICE $SLUICE_VIRTUAL $SLUICE_REAL >> {}", told.display());
        format!("{event} = [\"/bin/sh\", \"-c\", \"{script}\"]\n")
    };
    let hooks: String = ["up", "down", "quorum_gained", "quorum_lost"].map(hook).concat();
    health.write(&format!("[service.sorry]\naddress = \"172.16.0.9:80\"\n[service.hooks]\n{hooks}"));
    health.up(REALS[0]);
    let dataplane = FakeDataplane::start(&health.site.link());
    let _sluiced = health.site.start();
    in_force(&dataplane, &[1, 0, 0]);
    health.down(REALS[0]);
    in_force(&dataplane, &[0, 0, 1]);
    let warnings = health.site.ask(r#"{"command":"status"}"#)["warnings"].to_string();
    assert!(warnings.contains("Service web has no quorum: weight 0 in the pool, 1 is needed"), "{warnings}");
    let row = health.show();
    assert_eq!((&row["health"]["quorum"], &row["reals"][2]["sorry"]), (&false.into(), &true.into()));
    health.up(REALS[1]);
    in_force(&dataplane, &[0, 2, 0]);
    let lines = eventually("the last program is told", || {
        let text = std::fs::read_to_string(&told).ok()?;
        let of_first: Vec<_> =
            text.lines().filter(|line| !line.contains("down web") || line.ends_with(REALS[0])).collect();
        (of_first.len() >= 6).then(|| of_first.into_iter().map(str::to_owned).collect::<Vec<_>>())
    });
    let vip = "web tcp 202.103.106.5:80";
    let want = [
        format!("up {vip} {}", REALS[0]),
        format!("quorum_gained {vip}"),
        format!("down {vip} {}", REALS[0]),
        format!("quorum_lost {vip}"),
        format!("up {vip} {}", REALS[1]),
        format!("quorum_gained {vip}"),
    ];
    assert_eq!(lines.iter().map(|line| line.trim()).collect::<Vec<_>>(), want);
}

#[test]
fn a_drain_ends_keeps_or_removes_and_is_taken_back() {
    let health = Health::new("");
    REALS.iter().for_each(|real| health.up(real));
    let dataplane = FakeDataplane::start(&health.site.link());
    let _sluiced = health.site.start();
    in_force(&dataplane, &[1, 2]);
    let answer = health.site.ask(r#"{"command":"real_drain","service":"web","address":"172.16.0.2:80"}"#);
    let message = "Draining real 172.16.0.2:80 of web: no new connections; `sluice real enable` takes it back.";
    assert_eq!((answer["message"].as_str(), &answer["in_force"]), (Some(message), &true.into()));
    let phase = dataplane.shared().tables.last().map(|(_, table)| table.services[0].reals[0].phase);
    assert_eq!(phase, Some(Phase::Draining));
    let row = health.states(["drained", "up"]);
    assert_eq!((&row["reals"][0]["weight"], &row["reals"][0]["health"]["left"]), (&1.into(), &0.into()));
    let enable = r#"{"command":"real_enable","service":"web","address":"172.16.0.2:80"}"#;
    assert_eq!(health.site.ask(enable)["message"], "Enabled real 172.16.0.2:80 of web.");
    in_force(&dataplane, &[1, 2]);
    let (code, message) = health.site.refused(enable);
    assert_eq!(code, Code::Refused);
    assert!(message.starts_with("service \"web\", real 172.16.0.2:80 is not drained"), "{message}");
    let (code, _) = health.site.refused(r#"{"command":"real_drain","service":"web","address":"172.16.0.7:80"}"#);
    assert_eq!(code, Code::NotFound);

    health.site.ask(r#"{"command":"real_drain","service":"web","address":"172.16.0.2:80","then":"remove"}"#);
    in_force(&dataplane, &[2]);
    eventually("the running services have lost it", || {
        let status = health.site.ask(r#"{"command":"status"}"#);
        (status["differences"][0] == "+ real 172.16.0.2:80 of web, nat, weight 1").then_some(())
    });
}

#[test]
fn events_are_followed_as_they_come() {
    let health = Health::new("");
    health.up(REALS[0]);
    let dataplane = FakeDataplane::start(&health.site.link());
    let _sluiced = health.site.start();
    in_force(&dataplane, &[1, 0]);
    let mut follower = health.site.client();
    follower.send(r#"{"command":"events","follow":true}"#);
    health.site.ask(r#"{"command":"real_drain","service":"web","address":"172.16.0.2:80"}"#);
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("drained") {
        let row = follower.row();
        seen.push(row["event"].as_str().expect("an event").to_owned());
    }
    assert!(seen.contains(&"up".to_owned()) && seen.contains(&"draining".to_owned()), "{seen:?}");
}
