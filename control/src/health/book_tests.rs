//! What follows from results, for tables that are written as an operator writes them.

use super::*;
use crate::health::drain::Step;
use link::model::{RealServer, SchedulerKind};
use std::net::{Ipv4Addr, SocketAddrV4};

const WEB: &str = r#"
[[service]]
name = "web"
protocol = "tcp"
address = "192.0.2.1:80"
scheduler = "lc"
[service.check]
type = "tcp"
rise = 1
fall = 1
[[service.real]]
address = "10.0.0.1:80"
weight = 1
[[service.real]]
address = "10.0.0.2:80"
weight = 3
"#;

const REALS: [&str; 2] = ["10.0.0.1:80", "10.0.0.2:80"];

fn services(text: &str) -> Services {
    Services::parse(text, "test").expect("valid services")
}

fn web(with: &str) -> Services {
    services(&WEB.replace("[service.check]", &format!("{with}\n[service.check]")))
}

fn key(real: &str) -> RealKey {
    let service = services(WEB).services[0].service.key;
    RealKey { service, real: real.parse().expect("an address") }
}

/// A book of a sluiced that has just started with these services, and its clock.
struct Bench {
    book: Book,
    services: Services,
    now: Now,
}

impl Bench {
    fn new(services: Services) -> Self {
        Self::with(Book::default(), services)
    }

    fn with(mut book: Book, services: Services) -> Self {
        let now = Now::read();
        book.prepare(&services, &Services::default(), now);
        book.settle(&services, now);
        Self { book, services, now }
    }

    fn change(&mut self, services: Services) {
        self.book.prepare(&services, &self.services, self.now);
        self.book.settle(&services, self.now);
        self.services = services;
    }

    fn later(&mut self, seconds: u64) {
        let step = Duration::from_secs(seconds);
        self.now = Now { instant: self.now.instant + step, wall: self.now.wall + step };
    }

    fn found(&mut self, real: &str, found: Found) -> Vec<String> {
        let target =
            Arc::clone(target::of(&self.services, &CheckAddresses::default()).get(&key(real)).expect("a target"));
        let event = self.book.take(&Report { target, found, took: Duration::from_millis(1) }, self.now);
        let events = event.into_iter().chain(self.book.review(&self.services, self.now));
        events.map(|event| event.event).collect()
    }

    fn well(&mut self, real: &str) -> Vec<String> {
        self.found(real, Found::Well(None))
    }

    fn ill(&mut self, real: &str) -> Vec<String> {
        self.found(real, Found::Ill("connection refused".to_owned()))
    }

    /// Address, weight and scheduler as the dataplane gets them.
    fn table(&self) -> Vec<(String, u32)> {
        let table = self.book.effective(&self.services, self.now);
        table.services[0].service.reals.iter().map(|real| (real.address.to_string(), real.weight)).collect()
    }

    fn weights(&self) -> Vec<u32> {
        self.table().into_iter().map(|(_, weight)| weight).collect()
    }

    fn scheduler(&self) -> SchedulerKind {
        self.book.effective(&self.services, self.now).services[0].service.options.scheduler
    }
}

#[test]
fn a_real_is_in_the_pool_after_its_first_success_and_out_after_a_failure() {
    let mut bench = Bench::new(web(""));
    assert_eq!(bench.weights(), [0, 0]);
    assert_eq!(bench.well(REALS[1]), ["up", "quorum_gained"]);
    assert_eq!(bench.weights(), [0, 3], "with the operator's weight");
    assert_eq!(bench.well(REALS[0]), ["up"]);
    assert_eq!(bench.ill(REALS[1]), ["down"]);
    assert_eq!(bench.weights(), [1, 0]);
    assert_eq!(bench.services.services[0].service.reals[1].weight, 3, "which is never touched");
    let (service, reals) = bench.book.of_service(&bench.services.services[0], |_| None, bench.now).expect("health");
    assert_eq!((service.quorum, service.in_pool, service.weight), (true, 1, 1));
    assert_eq!(reals[1].reason.as_deref(), Some("connection refused"));
}

#[test]
fn a_service_without_quorum_is_not_announced_unless_a_sorry_server_serves() {
    let announced = |more: &str| {
        let mut bench = Bench::new(web(&format!("quorum = 3\n{more}")));
        bench.well(REALS[0]);
        let table = bench.book.announced(&bench.services, bench.now);
        let weights: Vec<_> = table.services[0].service.reals.iter().map(|real| real.weight).collect();
        (weights, bench.weights())
    };
    assert_eq!(announced(""), (vec![0, 0], vec![1, 0]), "what is left serves on, for who is there");
    assert_eq!(announced("[service.sorry]\naddress = \"10.0.0.9:80\""), (vec![0, 0, 1], vec![0, 0, 1]));
    let mut bench = Bench::new(web("quorum = 3"));
    bench.well(REALS[1]);
    assert_eq!(bench.book.announced(&bench.services, bench.now).services[0].service.reals[1].weight, 3, "enough");
}

#[test]
fn a_real_that_fails_is_removed_where_that_is_wanted() {
    let mut bench = Bench::new(web("on_failure = \"remove\""));
    bench.well(REALS[0]);
    assert_eq!(bench.table(), [(REALS[0].to_owned(), 1)], "what was never up is not there either");
    bench.well(REALS[1]);
    assert_eq!(bench.weights(), [1, 3]);
    bench.ill(REALS[0]);
    assert_eq!(bench.table(), [(REALS[1].to_owned(), 3)]);
}

#[test]
fn the_quorum_has_a_hysteresis_and_the_sorry_server_serves_without_it() {
    let more = "quorum = 3\nquorum_hysteresis = 1\n[service.sorry]\naddress = \"10.0.0.9:80\"";
    let mut bench = Bench::new(web(more));
    assert_eq!(bench.weights(), [0, 0, 1], "nothing is known yet");
    assert_eq!(
        bench.well(REALS[1]),
        ["up", "quorum_gained"],
        "weight 3 of 3: the first time counts without hysteresis"
    );
    assert_eq!(bench.weights(), [0, 3, 0]);
    bench.well(REALS[0]);
    assert_eq!(bench.ill(REALS[1]), ["down", "quorum_lost"], "1 is below 3 - 1");
    assert_eq!(bench.weights(), [0, 0, 1], "the real that is well serves neither");
    bench.ill(REALS[0]);
    assert_eq!(bench.well(REALS[1]), ["up"], "3 is below 3 + 1");
    assert_eq!(bench.weights(), [0, 0, 1]);
    assert_eq!(bench.well(REALS[0]), ["up", "quorum_gained"]);
    assert_eq!(bench.weights(), [1, 3, 0]);
    assert_eq!(bench.ill(REALS[0]), ["down"], "3 is not below 3 - 1");
}

#[test]
fn a_loss_that_the_start_explains_is_no_event_and_one_that_results_explain_is() {
    let mut bench = Bench::new(web(""));
    assert_eq!(bench.book.review(&bench.services, bench.now), []);
    assert_eq!(bench.ill(REALS[0]), ["down"], "the other may be well");
    assert_eq!(bench.ill(REALS[1]), ["down", "quorum_lost"]);
    assert_eq!(bench.weights(), [0, 0]);
}

#[test]
fn a_share_grows_during_slow_start_and_looks_at_weights_meanwhile() {
    let mut bench = Bench::new(web("slow_start = \"30s\""));
    bench.well(REALS[1]);
    bench.later(60);
    bench.book.review(&bench.services, bench.now);
    assert!(!bench.book.grows());
    assert_eq!((bench.weights(), bench.scheduler()), (vec![0, 3], SchedulerKind::LeastConnection));
    bench.well(REALS[0]);
    assert_eq!(bench.weights(), [1, 300], "never nothing");
    assert_eq!(bench.scheduler(), SchedulerKind::WeightedLeastConnection);
    bench.later(15);
    assert_eq!(bench.weights(), [49, 300], "half of its share of 100");
    bench.later(15);
    bench.book.review(&bench.services, bench.now);
    assert_eq!((bench.weights(), bench.scheduler()), (vec![1, 3], SchedulerKind::LeastConnection));
    assert!(!bench.book.grows());
    // One that is added later comes in slowly too; one that stays keeps its share.
    let added = WEB.replace(
        "weight = 3",
        "weight = 3\n[[service.real]]\naddress = \"10.0.0.3:80\"\n[service.real.check]\ntype = \"none\"",
    );
    bench.change(services(&added.replace("[service.check]", "slow_start = \"30s\"\n[service.check]")));
    assert_eq!(bench.weights(), [100, 300, 1]);
}

#[test]
fn a_program_may_set_the_weight() {
    let text = WEB.replace("type = \"tcp\"", "type = \"exec\"\ncommand = [\"/bin/true\"]\nexit_weight = true");
    let mut bench = Bench::new(services(&text));
    bench.found(REALS[0], Found::Well(Some(20)));
    assert_eq!(bench.weights(), [20, 0]);
    bench.found(REALS[0], Found::Well(Some(0)));
    assert_eq!(bench.weights(), [0, 0], "well, and wants nothing");
    bench.found(REALS[0], Found::Well(None));
    assert_eq!(bench.weights(), [1, 0], "status 0: the operator's");
}

#[test]
fn what_an_earlier_sluiced_knew_holds_until_a_result_says_otherwise() {
    let mut bench = Bench::new(web(""));
    bench.well(REALS[0]);
    bench.ill(REALS[1]);
    bench.book.drain(key(REALS[0]), Some(Duration::from_secs(60)), true, bench.now);
    let events = bench.book.review(&bench.services, bench.now);
    assert_eq!(events.iter().map(|event| event.event.as_str()).collect::<Vec<_>>(), ["quorum_lost"]);
    let kept = bench.book.keep().expect("something new");
    assert_eq!(bench.book.keep(), None, "and nothing since");
    let text = serde_json::to_vec(&kept).expect("JSON");
    let kept: Kept = serde_json::from_slice(&text).expect("the same");
    let mut next = Bench::with(Book::restore(kept), web(""));
    assert_eq!(next.weights(), [0, 0], "drained, and down");
    assert_eq!(next.book.review(&next.services, next.now), [], "nothing has happened");
    assert!(next.book.enable(&key(REALS[0])));
    assert_eq!(next.weights(), [1, 0]);
    assert_eq!(next.well(REALS[0]), ["quorum_gained"]);
    assert_eq!(next.ill(REALS[0]), ["down", "quorum_lost"]);

    // Without any knowledge, what the dataplane has been serving goes on.
    let mut book = Book::default();
    book.assume_serving(&web(""), next.now);
    assert_eq!(Bench::with(book, web("")).weights(), [1, 3]);
}

#[test]
fn a_check_that_comes_later_takes_nobody_out_and_a_reload_keeps_what_is_known() {
    let unchecked = services(&WEB.replace("[service.check]\ntype = \"tcp\"\nrise = 1\nfall = 1\n", ""));
    let mut bench = Bench::new(unchecked);
    assert_eq!(bench.weights(), [1, 3]);
    bench.change(web(""));
    assert_eq!(bench.weights(), [1, 3], "they served without it");
    bench.ill(REALS[0]);
    bench.change(services(&WEB.replace("fall = 1", "fall = 2")));
    assert_eq!(bench.weights(), [0, 3], "what is known survives another check");
    let added = WEB.replace("weight = 3", "weight = 3\n[[service.real]]\naddress = \"10.0.0.3:80\"");
    bench.change(services(&added));
    assert_eq!(bench.weights(), [0, 3, 0], "a new one has to succeed first");
}

#[test]
fn results_of_an_earlier_check_are_not_taken() {
    let mut bench = Bench::new(web(""));
    let old =
        Arc::clone(target::of(&bench.services, &CheckAddresses::default()).get(&key(REALS[0])).expect("a target"));
    bench.change(services(&WEB.replace("type = \"tcp\"", "type = \"icmp\"")));
    let report = Report { target: old, found: Found::Well(None), took: Duration::ZERO };
    assert_eq!(bench.book.take(&report, bench.now), None);
    assert_eq!(bench.weights(), [0, 0]);
    assert_eq!(bench.well(REALS[0]), ["up", "quorum_gained"], "those of the present one are");
}

#[test]
fn a_drain_ends_when_nothing_is_left_or_is_closed_at_its_deadline() {
    let mut bench = Bench::new(web(""));
    REALS.iter().for_each(|real| drop(bench.well(real)));
    let (first, second) = (key(REALS[0]), key(REALS[1]));
    bench.book.drain(first, None, true, bench.now);
    bench.book.drain(second, Some(Duration::from_secs(10)), false, bench.now);
    let phases = |bench: &Bench| -> Vec<(u32, Phase)> {
        let table = bench.book.effective(&bench.services, bench.now);
        table.services[0].service.reals.iter().map(|real| (real.weight, real.phase)).collect()
    };
    assert_eq!(phases(&bench), [(0, Phase::Draining); 2]);
    assert_eq!(bench.book.due(|_| Some(1), bench.now), [], "both still have connections");
    assert_eq!(bench.book.due(|_| None, bench.now), [], "nobody knows");
    assert_eq!(bench.book.due(|key| Some(u64::from(*key != first)), bench.now), [Step::Remove(first)]);
    bench.later(10);
    assert_eq!(bench.book.due(|_| Some(1), bench.now), [Step::Close(second)], "the other has no deadline");
    bench.book.stepped(Step::Close(second), bench.now);
    assert_eq!(phases(&bench), [(0, Phase::Draining), (0, Phase::Closing)]);
    bench.later(5);
    assert_eq!(bench.book.due(|_| Some(1), bench.now), [Step::Drop(second)], "what says nothing is not waited for");
    bench.book.stepped(Step::Keep(second), bench.now);
    assert_eq!(bench.book.due(|_| Some(0), bench.now), [Step::Remove(first)], "that is over");
    let (_, reals) = bench.book.of_service(&bench.services.services[0], |_| Some(7), bench.now).expect("health");
    assert_eq!(reals.iter().map(|real| real.state.name()).collect::<Vec<_>>(), ["draining", "drained"]);
    assert_eq!(reals[0].left, Some(7));
    let address: SocketAddrV4 = REALS[1].parse().expect("an address");
    assert!(bench.book.enable(&RealKey { real: address, ..second }));
    assert_eq!(phases(&bench), [(0, Phase::Draining), (3, Phase::Serving)]);
}

#[test]
fn an_operator_is_told_how_many_reals_have_no_check_address() {
    let vip = WEB.replace("rise = 1", "via = \"vip\"").replace("scheduler = \"lc\"", "method = \"direct\"");
    let mut services = services(&vip);
    let reals = &mut services.services[0].service.reals;
    let many = (0..CheckAddresses::MOST + 3).map(|number| {
        let ip = Ipv4Addr::from_bits(u32::from(Ipv4Addr::new(10, 0, 0, 1)) + number);
        RealServer { address: SocketAddrV4::new(ip, 80), ..reals[0] }
    });
    *reals = many.collect();
    let mut bench = Bench::new(services.clone());
    let told = |bench: &Bench| bench.book.warnings(&bench.services, bench.now).pop().unwrap_or_default();
    assert!(
        told(&bench).starts_with("3 reals with via = \"vip\" are checked at their own addresses"),
        "{}",
        told(&bench)
    );
    services.services[0].service.reals.truncate(2);
    bench.change(services);
    assert!(!told(&bench).contains("own addresses"), "{}", told(&bench));
}
