//! What each key does.

use super::view::{Tab, View};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key means for the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on.
    GoOn,
    /// It ends.
    End,
}

/// The line at the bottom.
pub(super) const HELP: &str = "↑↓ select  Enter reals  Esc back  Tab view  s sort  r reverse  / filter  q quit";
/// The same while a filter is typed.
pub(super) const HELP_TYPING: &str = "type a name or an address  Enter keep  Esc clear";

/// Rows that Page Up and Page Down go.
const PAGE: usize = 10;

impl View {
    /// Does what the key means.
    pub(super) fn key(&mut self, key: KeyEvent) -> Step {
        if key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Step::End;
        }
        let step = if self.typing { self.type_filter(key.code) } else { self.command(key.code) };
        self.stay_inside();
        step
    }

    fn type_filter(&mut self, code: KeyCode) -> Step {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.filter.clear();
                self.typing = false;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) if !letter.is_control() && self.filter.len() < 64 => self.filter.push(letter),
            _ => {}
        }
        Step::GoOn
    }

    fn command(&mut self, code: KeyCode) -> Step {
        match code {
            KeyCode::Char('q') => return Step::End,
            KeyCode::Up | KeyCode::Char('k') => self.selected = self.selected.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => self.selected += 1,
            KeyCode::PageUp => self.selected = self.selected.saturating_sub(PAGE),
            KeyCode::PageDown => self.selected += PAGE,
            KeyCode::Home => self.selected = 0,
            KeyCode::End => self.selected = usize::MAX,
            KeyCode::Tab => self.show(self.tab.next()),
            KeyCode::Char(digit @ '1'..='3') => {
                let place = usize::from(digit as u8 - b'1');
                self.show(Tab::ALL.get(place).copied().unwrap_or_default());
            }
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('r') => self.reversed = !self.reversed,
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Enter => self.enter(),
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left => self.back(),
            _ => {}
        }
        Step::GoOn
    }

    /// The reals of the selected service.
    fn enter(&mut self) {
        if self.tab == Tab::Services && self.service.is_none() {
            self.service = self.services().get(self.selected).map(|row| row.name.clone());
            self.selected = 0;
        }
    }

    /// From the reals to the services, the one that was looked at selected; else the filter goes.
    fn back(&mut self) {
        match self.service.take() {
            Some(name) => self.selected = self.services().iter().position(|row| row.name == name).unwrap_or(0),
            None => self.filter.clear(),
        }
    }
}
