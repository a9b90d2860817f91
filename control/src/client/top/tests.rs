use super::data::Sample;
use super::draw;
use super::keys::Step;
use super::view::{SortBy, Tab, View};
use crate::protocol::History;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use serde_json::json;

/// Two services, of three reals and one; `seconds` after the start, with 100 packets a second on the worker.
fn sample(seconds: u64, is_running: bool) -> Sample {
    let real = |address: &str, weight: u32, connections: u64| {
        json!({
            "address": address, "method": "nat", "weight": weight, "removed": false, "active": connections,
            "inactive": 7, "traffic": null, "rates": {"connections": connections, "in_packets": 4, "out_packets": 3,
            "in_bytes": 1000, "out_bytes": 500_000},
        })
    };
    let service = |name: &str, address: &str, connections: u64, reals: Vec<serde_json::Value>| {
        json!({
            "name": name, "protocol": "tcp", "address": address, "scheduler": "wrr", "method": "nat", "traffic": null,
            "rates": {"connections": connections, "in_packets": 12, "out_packets": 9, "in_bytes": 3000,
            "out_bytes": 1_500_000}, "reals": reals,
        })
    };
    let reals = vec![real("172.16.0.2:80", 1, 5), real("172.16.0.3:80", 0, 0), real("172.16.0.4:80", 2, 9)];
    let services = json!([
        service("web", "10.0.0.1:80", 14, reals),
        service("shop", "10.0.0.2:443", 50, vec![real("172.16.0.9:443", 1, 50)]),
    ]);
    let status = json!({
        "version": "0.1.0", "pid": 1, "uptime_seconds": 100, "machine_file": "m", "services_file": "s", "services": 2,
        "reals": 4, "differences": [], "services_file_error": null, "warnings": [],
        "gone_seconds": (!is_running).then_some(75),
        "dataplane": is_running.then(|| json!({
            "pid": 2, "instance": "ab", "uptime_seconds": 3700, "connected": true, "services_generation": 1,
            "next_hops_generation": 1, "last_refusal": null, "workers": 1, "connections": 1234,
        })),
    });
    let worker: serde_json::Value = serde_json::to_value(crate::protocol::WorkerRow {
        worker: Some(0),
        received: 100 * seconds,
        // A quarter of each second.
        busy_cycles: 500_000_000 * seconds,
        cycles_per_second: 2_000_000_000,
        ..crate::protocol::WorkerRow::default()
    })
    .expect("JSON");
    let drops = json!({
        "received": 10, "transmitted": 9, "to_kernel": 0, "answers_suppressed": 0, "reasons": [
            {"reason": "no_service", "help": "The virtual address has no service.", "dropped": 0, "answered": 2 * seconds},
            {"reason": "no_route", "help": "There is no route.", "dropped": 0, "answered": 0},
        ],
    });
    Sample {
        status: serde_json::from_value(status).expect("a status"),
        services: serde_json::from_value(services).expect("services"),
        totals: serde_json::from_value(json!({"at_milliseconds": 1000 * seconds, "workers": [worker]}))
            .expect("totals"),
        drops: is_running.then(|| serde_json::from_value(drops).expect("drops")),
        history: History::default(),
    }
}

fn view() -> View {
    let mut view = View::default();
    view.take(sample(1, true));
    view.take(sample(3, true));
    view
}

fn press(view: &mut View, codes: &[KeyCode]) {
    for code in codes {
        assert_eq!(view.key(KeyEvent::new(*code, KeyModifiers::NONE)), Step::GoOn, "{code:?}");
    }
}

fn lines(view: &View, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    let frame = terminal.draw(|frame| draw::draw(frame, view)).expect("drawn");
    let rows = frame.buffer.content().chunks(usize::from(width));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn a_screen_of_80_by_24_has_the_director_the_services_and_the_keys() {
    let want = "\
Sluice forwarding, up 1h 1m
1.23k connections  64 new/s  packets/s 24 in 18 out  bit/s 48.0k in 24.0M out
 1 Services  2 Drops  3 Workers
SERVICE      REALS   ACTIVE  INACT CONN/s PKT/s IN    OUT BIT/s IN    OUT
web          2 of 3      14     21     14       12      9    24.0k  12.0M
shop         1 of 1      50      7     50       12      9    24.0k  12.0M";
    let lines = lines(&view(), 80, 24);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: Vec<String> = lines[..6].iter().map(|line| squeezed(line)).collect();
    assert_eq!(shown, want.lines().map(squeezed).collect::<Vec<_>>(), "{}", lines.join("\n"));
    assert_eq!(lines[23], "↑↓ select  Enter reals  Esc back  Tab view  s sort  r reverse  / filter  q quit");
}

#[test]
fn services_are_sorted_by_what_is_chosen() {
    let mut view = view();
    let names = |view: &View| view.services().iter().map(|row| row.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&view), ["web", "shop"]);
    press(&mut view, &[KeyCode::Char('s')]);
    assert_eq!((view.sort, names(&view)), (SortBy::Name, vec!["shop".to_owned(), "web".to_owned()]));
    press(&mut view, &[KeyCode::Char('r')]);
    assert_eq!(names(&view), ["web", "shop"]);
    press(&mut view, &[KeyCode::Char('r'), KeyCode::Char('s'), KeyCode::Char('s')]);
    assert_eq!((view.sort, names(&view)), (SortBy::Connections, vec!["shop".to_owned(), "web".to_owned()]));
    assert!(lines(&view, 80, 24)[2].ends_with("by conn/s"));
}

#[test]
fn a_filter_is_typed_kept_and_cleared() {
    let mut view = view();
    press(&mut view, &[KeyCode::Char('/'), KeyCode::Char('S'), KeyCode::Char('h'), KeyCode::Char('q')]);
    assert_eq!(view.services().len(), 0, "q is a letter here");
    assert!(lines(&view, 80, 24)[3].starts_with("No service matches the filter."));
    press(&mut view, &[KeyCode::Backspace, KeyCode::Enter]);
    assert_eq!((view.typing, view.services().len(), view.services()[0].name.as_str()), (false, 1, "shop"));
    press(&mut view, &[KeyCode::Esc]);
    assert_eq!(view.services().len(), 2);
    press(&mut view, &[KeyCode::Char('/'), KeyCode::Char('.'), KeyCode::Char('9')]);
    assert_eq!(view.services()[0].name, "shop", "by its real");
}

#[test]
fn a_service_is_opened_and_left_again() {
    let mut view = view();
    press(&mut view, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    assert_eq!(view.service.as_deref(), Some("shop"));
    press(&mut view, &[KeyCode::Esc]);
    assert_eq!((view.service.as_deref(), view.selected), (None, 1));
    press(&mut view, &[KeyCode::Up, KeyCode::Enter]);
    let shown = lines(&view, 80, 24);
    assert!(shown[2].starts_with(" 1 Services: web"), "{}", shown[2]);
    let states: Vec<_> =
        (4..7).map(|line| shown[line].split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(states, ["172.16.0.2:80 serving 1", "172.16.0.3:80 quiesced 0", "172.16.0.4:80 serving 2"]);
}

#[test]
fn drops_and_workers_have_rates_of_the_two_last_samples() {
    let mut view = view();
    press(&mut view, &[KeyCode::Tab]);
    let shown = lines(&view, 80, 24);
    assert_eq!((view.tab, view.rows()), (Tab::Drops, 1));
    let cells: Vec<&str> = shown[4].split_whitespace().take(4).collect();
    assert_eq!(cells, ["no_service", "0", "6", "2"], "{}", shown[4]);
    press(&mut view, &[KeyCode::Char('3')]);
    let shown = lines(&view, 80, 24);
    let cells: Vec<&str> = shown[4].split_whitespace().take(3).collect();
    assert_eq!((view.tab, cells), (Tab::Workers, vec!["0", "25.0%", "100"]), "{}", shown[4]);
}

#[test]
fn a_dataplane_that_is_gone_and_a_control_that_is_are_said() {
    let mut view = view();
    view.take(sample(5, false));
    let shown = lines(&view, 80, 24);
    assert_eq!(shown[0], "Sluice dataplane gone for 1m 15s: nothing is forwarded; start sluice-dataplane");
    press(&mut view, &[KeyCode::Char('2')]);
    assert_eq!(lines(&view, 80, 24)[3], "Not known: the dataplane is not running.");
    view.lose("no answer.".to_owned());
    assert_eq!(lines(&view, 80, 24)[0], "Sluice control cannot be reached: no answer.");
    view.take(sample(7, true));
    assert_eq!(lines(&view, 80, 24)[0], "Sluice forwarding, up 1h 1m");
}

#[test]
fn any_size_can_be_drawn() {
    let mut view = view();
    for tab in Tab::ALL {
        view.show(tab);
        for (width, height) in [(1, 1), (10, 3), (40, 6), (80, 24), (99, 5), (300, 80)] {
            lines(&view, width, height);
        }
    }
}

#[test]
fn q_and_control_c_end_it() {
    for (code, modifiers) in [(KeyCode::Char('q'), KeyModifiers::NONE), (KeyCode::Char('c'), KeyModifiers::CONTROL)] {
        assert_eq!(view().key(KeyEvent::new(code, modifiers)), Step::End);
    }
}
