use super::{between, show};
use crate::protocol::{Perf, PerfRow, StageCycles};

fn stage(stage: &str, cycles: u64, waiting: Option<u64>) -> StageCycles {
    StageCycles { stage: stage.to_owned(), cycles, waiting }
}

/// `times` times the same: 10 bursts of 32 and 10 of one packet, 400 cycles a packet, each second packet handed off.
fn sample(at_microseconds: u64, times: u64) -> Perf {
    let mut bursts = vec![0; 32];
    bursts[0] = 10 * times;
    bursts[31] = 10 * times;
    Perf {
        at_microseconds,
        instance: "1".to_owned(),
        workers: vec![PerfRow {
            worker: 0,
            cycles_per_second: 1_000_000,
            busy_cycles: 132_000 * times,
            loops: 50 * times,
            empty_polls: 30 * times,
            sleeps: 0,
            received: 330 * times,
            taken_over: 0,
            handed_off: 165 * times,
            bursts,
            timed_rounds: times,
            timed_packets: 32 * times,
            stages: vec![
                stage("receive", 320 * times, None),
                stage("look-up", 960 * times, Some(640 * times)),
                stage("house", 0, None),
            ],
        }],
    }
}

#[test]
fn a_report_is_the_difference_by_packets_and_time() {
    let report = between(&sample(1_000_000, 1), &sample(3_000_000, 3)).expect("one dataplane");
    assert_eq!(report.seconds, 2.0);
    let json = serde_json::to_value(&report).expect("JSON");
    let worker = &json["workers"][0];
    assert_eq!(worker["packets_per_second"], 330);
    assert_eq!(worker["cycles_per_packet"], 400.0);
    assert_eq!(worker["idle_percent"], 86.8);
    assert_eq!(worker["packets_per_burst"], 16.5);
    assert_eq!(worker["full_bursts_percent"], 50.0);
    assert_eq!(worker["handed_off_percent"], 50.0);
    assert_eq!(worker["timed_packets"], 64);
    assert_eq!(worker["stages"][1]["stage"], "look-up");
    assert_eq!(worker["stages"][1]["cycles_per_packet"], 30.0);
    assert_eq!(worker["stages"][1]["percent"], 75.0);
    assert_eq!(worker["stages"][1]["waiting_cycles_per_packet"], 20.0);
    assert_eq!(worker["stages"][0].get("waiting_cycles_per_packet"), None);
}

#[test]
fn an_idle_worker_has_no_figures_by_packet() {
    let report = between(&sample(0, 1), &sample(1_000_000, 1)).expect("one dataplane");
    let worker = serde_json::to_value(&report).expect("JSON")["workers"][0].take();
    assert_eq!(worker["idle_percent"], 100.0);
    assert!(worker["cycles_per_packet"].is_null() && worker["stages"][0]["cycles_per_packet"].is_null());
    let mut text = Vec::new();
    show(&report, &mut text).expect("a Vec takes all");
    let want = "\
WORKER  PACKETS  CYCLES/PACKET    IDLE  PACKETS/BURST  HANDED OFF  TAKEN OVER
     0      0/s              -  100.0%              -           -         0/s
";
    let text = String::from_utf8(text).expect("text");
    assert!(text.starts_with(want), "{text}");
}

#[test]
fn figures_are_tables_for_people() {
    let report = between(&sample(0, 0), &sample(1_000_000, 1)).expect("one dataplane");
    let mut text = Vec::new();
    show(&report, &mut text).expect("a Vec takes all");
    let want = "\
WORKER  PACKETS  CYCLES/PACKET   IDLE  PACKETS/BURST  HANDED OFF  TAKEN OVER
     0    330/s          400.0  86.8%           16.5       50.0%         0/s

WORKER  STAGE    CYCLES/PACKET  SHARE  WAITING FOR MEMORY
     0  receive           10.0  25.0%                   -
     0  look-up           30.0  75.0%                20.0
     0  house              0.0   0.0%                   -

WORKER  BURSTS OF      1   2-3   4-7  8-15  16-31     32
     0             50.0%  0.0%  0.0%  0.0%   0.0%  50.0%
";
    assert_eq!(String::from_utf8(text).expect("text"), want);
}

#[test]
fn samples_of_two_dataplanes_have_no_difference() {
    let other = Perf { instance: "2".to_owned(), ..sample(1, 1) };
    assert!(between(&sample(0, 0), &other).is_err());
}
