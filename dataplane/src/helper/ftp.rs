//! FTP (RFC 959, RFC 2428): `PORT` and `EPRT` of the client, the replies 227 (to `PASV`) and 229 (to `EPSV`) of the real.
//!
//! As the reference: a client's command passes unchanged, since the real sees the client's own address; the real's
//! connection from the port before its own leaves from the port before the service's. In a 227 reply the real's address
//! becomes the service's; a 229 reply has only a port. A reply counts only after the command that it answers.
//! Stricter than the reference: see docs/helpers.md.

use super::{Action, Announce, Ends, Helper, Side, Text};
use std::ops::Range;

/// Ports below are no client's to be connected to (they would make the real attack other services).
const FIRST_CLIENT_PORT: u16 = 1024;
/// Replies that a client may have outstanding; more are not kept apart.
const MAX_OUTSTANDING: u8 = 16;

/// What is remembered of a control connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ftp {
    /// `PASV` commands without a 227 yet.
    passive: u8,
    /// `EPSV` commands without a 229 yet.
    extended: u8,
}

impl Helper for Ftp {
    fn line(&mut self, from: Side, line: &[u8], ends: &Ends, announce: &mut impl Announce) -> Action {
        match from {
            Side::Client => self.command(without_telnet(line), ends, announce),
            Side::Real => self.reply(line, ends, announce),
        }
    }

    fn may_replace(&self, from: Side, beginning: &[u8]) -> Option<usize> {
        if from == Side::Client || self.passive == 0 || !beginning.starts_with(b"227 ") {
            return None;
        }
        let digit = beginning.iter().skip(4).position(u8::is_ascii_digit)?;
        Some(4 + digit)
    }

    fn concerns(&self, from: Side, beginning: &[u8]) -> bool {
        match from {
            Side::Client => {
                let line = without_telnet(beginning);
                argument(line, b"PORT").is_some() || argument(line, b"EPRT").is_some()
            }
            Side::Real => {
                self.passive > 0 && beginning.starts_with(b"227 ")
                    || self.extended > 0 && beginning.starts_with(b"229 ")
            }
        }
    }
}

impl Ftp {
    fn command(&mut self, line: &[u8], ends: &Ends, announce: &mut impl Announce) -> Action {
        let named = if let Some(rest) = argument(line, b"PORT") {
            six_numbers(rest).filter(|(_, used)| is_end(rest, *used)).map(|(named, _)| named)
        } else if let Some(rest) = argument(line, b"EPRT") {
            extended_port(rest)
        } else {
            self.passive_command(line);
            return Action::Pass;
        };
        // Another's address is an attack on it by means of the real (RFC 2577 section 3).
        let own = named.filter(|(address, port)| *address == ends.client.address && *port >= FIRST_CLIENT_PORT);
        match own {
            Some((_, port)) if announce.expect_real(port) => Action::Pass,
            _ => Action::Refuse,
        }
    }

    fn passive_command(&mut self, line: &[u8]) {
        if argument(line, b"PASV").is_some_and(|rest| is_end(rest, 0)) {
            self.passive = (self.passive + 1).min(MAX_OUTSTANDING);
        } else if argument(line, b"EPSV").is_some_and(|rest| !rest.eq_ignore_ascii_case(b"ALL\r\n")) {
            self.extended = (self.extended + 1).min(MAX_OUTSTANDING);
        }
    }

    fn reply(&mut self, line: &[u8], ends: &Ends, announce: &mut impl Announce) -> Action {
        if self.passive > 0 && line.starts_with(b"227 ") {
            self.passive -= 1;
            return entering_passive(line, ends, announce);
        }
        if self.extended > 0 && line.starts_with(b"229 ") {
            self.extended -= 1;
            return entering_extended(line, announce);
        }
        Action::Pass
    }
}

/// 227: the first six numbers between commas are address and port.
fn entering_passive(line: &[u8], ends: &Ends, announce: &mut impl Announce) -> Action {
    let Some((range, (address, port))) = find_six_numbers(line, 4) else { return Action::Refuse };
    // A real that has been told its service's address announces that.
    let own = address == ends.real.address || address == ends.service.address;
    if !own || port == 0 {
        return Action::Refuse;
    }
    let Some(announced) = announce.expect_client(port) else { return Action::Refuse };
    if address == ends.service.address && announced == port {
        return Action::Pass;
    }
    let mut text = Text::default();
    for byte in ends.service.address.to_be_bytes() {
        text.push_number(u16::from(byte));
        text.push(b",");
    }
    text.push_number(announced >> 8);
    text.push(b",");
    text.push_number(announced & 0xff);
    Action::Replace(range, text)
}

/// 229: `(<d><d><d>port<d>)` (RFC 2428 section 3).
fn entering_extended(line: &[u8], announce: &mut impl Announce) -> Action {
    let Some((range, port)) = find_extended(line).filter(|(_, port)| *port != 0) else { return Action::Refuse };
    match announce.expect_client(port) {
        Some(announced) if announced == port => Action::Pass,
        Some(announced) => {
            let mut text = Text::default();
            text.push_number(announced);
            Action::Replace(range, text)
        }
        None => Action::Refuse,
    }
}

/// What follows a command word and, where something does, one space; `None` if the line has another word.
fn argument<'a>(line: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = line.split_at_checked(word.len())?;
    if !first.eq_ignore_ascii_case(word) {
        return None;
    }
    match rest.split_first() {
        Some((b' ', rest)) => Some(without_spaces(rest)),
        Some((b'\r' | b'\n', _)) | None => Some(rest),
        Some(_) => None,
    }
}

fn without_spaces(text: &[u8]) -> &[u8] {
    let spaces = text.iter().take_while(|byte| **byte == b' ').count();
    text.get(spaces..).unwrap_or(&[])
}

/// A line without the telnet commands before it (RFC 854; RFC 959 section 4.1.3 sends some before `ABOR`).
fn without_telnet(mut line: &[u8]) -> &[u8] {
    loop {
        line = match line {
            // WILL, WON'T, DO and DON'T have an option.
            [0xff, 251..=254, _, rest @ ..] | [0xff, 240..=250, rest @ ..] => rest,
            // A data mark that came as urgent data, without its escape.
            [0xf2, rest @ ..] => rest,
            _ => return line,
        }
    }
}

/// Whether nothing but spaces and the line's end is left at `at`.
fn is_end(text: &[u8], at: usize) -> bool {
    text.get(at..).is_some_and(|rest| matches!(without_spaces(rest), b"\r\n" | b"\n"))
}

/// `h1,h2,h3,h4,p1,p2` at the start of a text: address and port in host byte order, and how many bytes it took.
fn six_numbers(text: &[u8]) -> Option<((u32, u16), usize)> {
    let mut numbers = [0u8; 6];
    let mut at = 0;
    for (index, number) in numbers.iter_mut().enumerate() {
        if index > 0 {
            (text.get(at) == Some(&b',')).then_some(())?;
            at += 1;
        }
        let (value, digits) = decimal(text.get(at..)?, 3)?;
        *number = u8::try_from(value).ok()?;
        at += digits;
    }
    let [a, b, c, d, high, low] = numbers;
    Some(((u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([high, low])), at))
}

/// The first six numbers in a line, from `from` on.
fn find_six_numbers(line: &[u8], from: usize) -> Option<(Range<usize>, (u32, u16))> {
    let mut at = from;
    while at < line.len() {
        let digit = line.get(at..)?.iter().position(u8::is_ascii_digit)?;
        at += digit;
        if let Some((named, used)) = six_numbers(line.get(at..)?) {
            return Some((at..at + used, named));
        }
        at += line.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
    }
    None
}

/// A number of at most `digits` digits, and how many it has. A longer one is none.
fn decimal(text: &[u8], digits: usize) -> Option<(u32, usize)> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > digits {
        return None;
    }
    let value = text.iter().take(count).fold(0u32, |value, digit| value * 10 + u32::from(digit - b'0'));
    Some((value, count))
}

/// A port: where in the text it stands, and the port.
fn port(text: &[u8], at: usize) -> Option<(Range<usize>, u16)> {
    let (value, digits) = decimal(text.get(at..)?, 5)?;
    Some((at..at + digits, u16::try_from(value).ok()?))
}

/// A delimiter of RFC 2428 section 2: any of ASCII 33 to 126, but a digit would be no delimiter.
fn delimiter(byte: u8) -> bool {
    byte.is_ascii_graphic() && !byte.is_ascii_digit()
}

/// The argument of `EPRT`: `<d>1<d>address<d>port<d>`, IPv4 (RFC 2428 section 2).
fn extended_port(text: &[u8]) -> Option<(u32, u16)> {
    let (&mark, rest) = text.split_first().filter(|(mark, _)| delimiter(**mark) && **mark != b'.')?;
    let rest = rest.strip_prefix(b"1")?.strip_prefix(&[mark])?;
    let (address, used) = dotted(rest)?;
    let rest = rest.get(used..)?.strip_prefix(&[mark])?;
    let (digits, port) = port(rest, 0)?;
    let rest = rest.get(digits.end..)?.strip_prefix(&[mark])?;
    is_end(rest, 0).then_some((address, port))
}

/// `a.b.c.d`: the address, and how many bytes it took.
fn dotted(text: &[u8]) -> Option<(u32, usize)> {
    let (mut address, mut at) = (0u32, 0);
    for index in 0..4 {
        if index > 0 {
            (text.get(at) == Some(&b'.')).then_some(())?;
            at += 1;
        }
        let (value, digits) = decimal(text.get(at..)?, 3)?;
        address = address << 8 | u32::from(u8::try_from(value).ok()?);
        at += digits;
    }
    Some((address, at))
}

/// The port of a 229 reply, and where it stands.
fn find_extended(line: &[u8]) -> Option<(Range<usize>, u16)> {
    let open = line.iter().position(|byte| *byte == b'(')?;
    let mark = *line.get(open + 1).filter(|mark| delimiter(**mark))?;
    let marks = line.get(open + 1..open + 4)?;
    let (range, port) = port(line, open + 4).filter(|_| marks == [mark; 3])?;
    (line.get(range.end..range.end + 2)? == [mark, b')']).then_some((range, port))
}

#[cfg(test)]
#[path = "ftp_tests.rs"]
mod tests;
