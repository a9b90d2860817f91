//! `sluice top`: the director in a terminal, live.

mod data;
mod draw;
mod keys;
mod view;

use super::Stop;
use crate::protocol::Failure;
use crossterm::event::{self, Event, KeyEventKind};
use data::{Feed, Sample};
use keys::Step;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use signal_hook::consts::{SIGHUP, SIGTERM};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use view::View;

/// How long a key may wait for nothing to happen before the screen is looked after.
const GLANCE: Duration = Duration::from_millis(100);
/// The size of `--once`'s frame; the height is what is needed.
const ONCE_WIDTH: u16 = 120;
const ONCE_HEIGHT: u16 = 4000;

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Top {
    /// Between two looks.
    pub(super) interval: Duration,
    /// One frame as text, and no terminal needed.
    pub(super) once: bool,
}

/// Runs until the user ends it.
///
/// # Errors
/// sluiced can't be reached at the start; standard output is no terminal; the terminal fails.
pub(super) fn run(socket: &Path, top: Top, out: &mut dyn Write) -> Result<(), Stop> {
    let mut feed = Feed::open(socket, top.interval)?;
    if top.once {
        return once(&mut feed, out);
    }
    if !(io::stdout().is_terminal() && io::stdin().is_terminal()) {
        let text =
            "sluice top needs a terminal; `sluice top --once` prints what it shows, `sluice stats` is for programs.";
        return Err(Failure::usage(text).into());
    }
    let mut view = View::default();
    view.take(feed.first()?);
    feed.follow();
    let ended = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&ended))?;
    }
    Ok(on_screen(|terminal| live(terminal, &mut view, &feed, &ended))?)
}

/// Runs `work` with the whole terminal, keys coming one by one. The terminal is as before at its end, and before the
/// message of a panic.
///
/// # Errors
/// The terminal fails, or what `work` returns.
pub fn on_screen<T>(work: impl FnOnce(&mut ratatui::DefaultTerminal) -> io::Result<T>) -> io::Result<T> {
    let mut terminal = ratatui::try_init()?;
    let outcome = work(&mut terminal);
    ratatui::try_restore()?;
    outcome
}

fn live(terminal: &mut ratatui::DefaultTerminal, view: &mut View, feed: &Feed, ended: &AtomicBool) -> io::Result<()> {
    while !ended.load(Ordering::Relaxed) {
        terminal.draw(|frame| draw::draw(frame, view))?;
        let has_event = event::poll(GLANCE)?;
        while let Some(news) = feed.news() {
            match news {
                Ok(sample) => view.take(sample),
                Err(why) => view.lose(why),
            }
        }
        if has_event
            && let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
            && view.key(key) == Step::End
        {
            break;
        }
    }
    Ok(())
}

/// Two samples a second apart, and one frame of them: services with their reals, drops, workers.
fn once(feed: &mut Feed, out: &mut dyn Write) -> Result<(), Stop> {
    let mut view = View::default();
    view.take(feed.first()?);
    std::thread::sleep(Duration::from_secs(1));
    let sample: Sample = feed.first()?;
    view.take(sample);
    let mut terminal = match Terminal::new(TestBackend::new(ONCE_WIDTH, ONCE_HEIGHT)) {
        Ok(terminal) => terminal,
        Err(never) => match never {},
    };
    for (number, tab) in view::Tab::ALL.into_iter().enumerate() {
        view.show(tab);
        let frame = match terminal.draw(|frame| draw::plain(frame, &view, number == 0)) {
            Ok(frame) => frame,
            Err(never) => match never {},
        };
        let width = usize::from(ONCE_WIDTH);
        let lines: Vec<String> = frame
            .buffer
            .content()
            .chunks(width)
            .map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned())
            .collect();
        let used = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        for line in lines.into_iter().take(used) {
            writeln!(out, "{line}")?;
        }
        if number + 1 < view::Tab::ALL.len() {
            writeln!(out)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
