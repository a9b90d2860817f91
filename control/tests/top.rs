//! `sluice top` in a terminal: keys, sizes, and that the terminal is as before when it ends.

mod support;

use nix::sys::termios::LocalFlags;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use std::io::{Read, Write};
use std::process::Command;
use std::sync::{Arc, Mutex};
use support::{FakeDataplane, Site, eventually};

/// A terminal with a shell's worth of program in it.
struct Screen {
    parser: Arc<Mutex<vt100::Parser>>,
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Screen {
    /// Runs `sluice --socket ... <words>` in a terminal of this size.
    fn open(site: &Site, words: &[&str], rows: u16, cols: u16) -> Self {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_sluice"));
        command.arg("--socket");
        command.arg(site.socket());
        command.args(words);
        Self::run(command, rows, cols)
    }

    /// Runs a program in a terminal of this size.
    fn run(mut command: CommandBuilder, rows: u16, cols: u16) -> Self {
        let size = PtySize { rows, cols, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).expect("a terminal");
        command.env("TERM", "xterm-256color");
        let child = pair.slave.spawn_command(command).expect("it starts");
        drop(pair.slave);
        let parser = Arc::new(Mutex::new(vt100::Parser::new(rows, cols, 0)));
        let mut output = pair.master.try_clone_reader().expect("its output");
        let written = Arc::clone(&parser);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                written.lock().expect("not poisoned").process(&bytes[..count]);
            }
        });
        let keys = pair.master.take_writer().expect("its input");
        Self { parser, master: pair.master, keys, child }
    }

    fn text(&self) -> String {
        self.parser.lock().expect("not poisoned").screen().contents()
    }

    /// Waits until this is on the screen.
    fn shows(&self, part: &str) -> String {
        eventually(&format!("{part:?} on the screen:\n{}", self.text()), || {
            let text = self.text();
            text.contains(part).then_some(text)
        })
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("pressed");
        self.keys.flush().expect("pressed");
    }

    fn resize(&self, rows: u16, cols: u16) {
        self.parser.lock().expect("not poisoned").screen_mut().set_size(rows, cols);
        self.master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 }).expect("resized");
    }

    /// Whether what is typed is shown, and comes by lines, as a shell has it.
    fn is_cooked(&self) -> bool {
        let flags = self.master.get_termios().expect("its settings").local_flags;
        flags.contains(LocalFlags::ECHO | LocalFlags::ICANON)
    }

    /// Waits for its end: the exit code, and that the terminal is as a shell needs it.
    fn ends(&mut self) -> u32 {
        let status = eventually("it ends", || self.child.try_wait().expect("its status"));
        eventually("the terminal is restored", || {
            let parser = self.parser.lock().expect("not poisoned");
            let screen = parser.screen();
            (!screen.alternate_screen() && !screen.hide_cursor() && self.is_cooked()).then_some(())
        });
        status.exit_code()
    }
}

fn site() -> (Site, FakeDataplane, support::Sluiced) {
    let site = Site::new();
    let dataplane = FakeDataplane::start(&site.link());
    let sluiced = site.start();
    site.connected();
    (site, dataplane, sluiced)
}

#[test]
fn keys_lead_through_services_reals_drops_and_workers_and_out() {
    let (site, _dataplane, _sluiced) = site();
    let mut screen = Screen::open(&site, &["top", "--interval", "0.5"], 24, 80);
    let first = screen.shows("web");
    assert!(first.contains("forwarding") && first.contains("dns") && first.contains("q quit"), "{first}");
    screen.press("\r");
    let reals = screen.shows("172.16.0.3:8000");
    assert!(reals.contains("Services: web") && reals.contains("serving"), "{reals}");
    screen.press("\u{1b}[D");
    screen.shows("dns");
    screen.press("/dn\r");
    screen.shows("/dn");
    eventually("web is filtered out", || (!screen.text().contains("web")).then_some(()));
    screen.press("\t");
    screen.shows("No packet was dropped or answered.");
    screen.press("3");
    screen.shows("ROUNDS/s");
    screen.resize(12, 120);
    screen.press("1\u{1b}");
    screen.shows("202.103.106.5:80");
    assert!(!screen.is_cooked(), "keys come one by one");
    screen.press("q");
    assert_eq!(screen.ends(), 0);
}

#[test]
fn a_signal_and_a_panic_leave_the_terminal_as_it_was() {
    let (site, _dataplane, _sluiced) = site();
    let mut screen = Screen::open(&site, &["top"], 24, 80);
    screen.shows("forwarding");
    let pid = screen.child.process_id().expect("it runs").to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    assert_eq!(screen.ends(), 0);

    let mut command = CommandBuilder::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "the_screen_is_taken_and_then_a_panic_comes", "--ignored", "--nocapture"]);
    let mut screen = Screen::run(command, 24, 80);
    let said = screen.shows("on purpose");
    assert_eq!(screen.ends(), 101, "{said}");
}

#[test]
#[ignore = "panics: run in a terminal by a_signal_and_a_panic_leave_the_terminal_as_it_was"]
fn the_screen_is_taken_and_then_a_panic_comes() {
    let outcome: std::io::Result<()> = control::client::on_screen(|terminal| {
        terminal.draw(|frame| frame.render_widget("a screen", frame.area()))?;
        panic!("on purpose");
    });
    unreachable!("{outcome:?}");
}

#[test]
fn it_goes_on_without_dataplane_and_without_sluiced() {
    let (site, dataplane, sluiced) = site();
    let mut screen = Screen::open(&site, &["top", "--interval", "0.5"], 24, 80);
    screen.shows("forwarding");
    drop(dataplane);
    screen.shows("dataplane gone for");
    sluiced.kill();
    screen.shows("control cannot be reached");
    let _dataplane = FakeDataplane::start(&site.link());
    let _sluiced = site.start();
    screen.shows("forwarding");
    screen.press("\u{3}");
    assert_eq!(screen.ends(), 0);
}

#[test]
fn one_frame_needs_no_terminal_and_the_live_view_says_that_it_does() {
    let (site, _dataplane, _sluiced) = site();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.arg("--socket").arg(site.socket()).args(words).output().expect("it runs")
    };
    let frame = run(&["top", "--once"]);
    let text = String::from_utf8_lossy(&frame.stdout).into_owned();
    assert!(frame.status.success(), "{text}");
    for part in ["Sluice forwarding", "web ", "  172.16.0.3:8000", "No packet was dropped or answered.", "WORKER"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let live = run(&["top"]);
    assert_eq!(live.status.code(), Some(2));
    let said = String::from_utf8_lossy(&live.stderr).into_owned();
    assert!(said.starts_with("sluice top needs a terminal; `sluice top --once` prints"), "{said}");
    let wrong = run(&["top", "--interval", "0.1"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("allowed 0.5 to 3600 seconds"));
}

#[test]
fn nothing_is_done_to_the_terminal_where_sluiced_can_not_be_reached() {
    let site = Site::new();
    let mut screen = Screen::open(&site, &["top"], 24, 80);
    screen.shows("is not reachable");
    assert_eq!(screen.ends(), 4);
}
