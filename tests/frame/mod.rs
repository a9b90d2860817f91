//! A frame in one line of text, to bytes.
//!
//! ```text
//! tcp 202.100.1.2:3456 > 202.103.106.5:80 syn ttl=63 "hello"
//! icmp 3/4 10.0.1.254 > 202.103.106.5 mtu=1400 [udp 202.103.106.5:53 > 202.100.1.2:5000 cut=28]
//! ```
//! First what it is: `tcp`, `udp`, `icmp TYPE/CODE`, `echo` (request), `ip`, `ipip`, each with `FROM > TO`;
//! `arp who-has A tell B`, `arp A told B`; `type 0x86dd`; `hex` (the whole frame). Then, in any order:
//!
//! - payload: `"text"` (`\r`, `\n` in it end a line), `len=N` (bytes that count up), `bytes=HEX`, `[packet]` (in `icmp` and `ipip`);
//! - TCP: `syn ack fin rst psh`, `seq=`, `ack=` (sets the flag too), `win=`, `tcpoptions=HEX`, `offset=` (words);
//! - UDP: `udplen=`; ICMP: `mtu=`, `rest=HEX`;
//! - checksum of TCP, UDP, ICMP: right, or `badsum`, `nosum` (0), `sum=HEX`;
//! - IPv4: `ttl=` (64), `tos=`, `id=` (0), `df`, `mf`, `at=` (fragment offset), `options=HEX`, `proto=`, `total=`,
//!   `version=HEX` (first byte), `badip` (checksum);
//! - `piece=K/N`: the K-th fragment (from 0) of the packet cut into N bytes of payload;
//! - `cut=N`: only the first N bytes of the packet;
//! - Ethernet: `to=`, `from=` (MAC address, or the address of a neighbour), `vlan=`, `padded`.

mod ends;

pub(crate) use ends::Ends;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::str::FromStr;
use wire::build::{Frame, eth};

/// Bytes before the packet in a frame without tags.
const ETHERNET: usize = 14;

/// One word of the text.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Group(Vec<Self>),
}

/// The bytes of a frame. `ends` says which MAC addresses it has if the text does not.
pub(crate) fn parse(text: &str, ends: &Ends<'_>) -> Result<Vec<u8>, String> {
    let mut rest = text.chars();
    let tokens = tokens(&mut rest, false)?;
    build(&tokens, ends).map_err(|reason| format!("{reason}, in: {text}"))
}

fn tokens(rest: &mut std::str::Chars<'_>, within: bool) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut word = String::new();
    while let Some(char) = rest.next() {
        if !word.is_empty() && (char.is_whitespace() || "[]\"".contains(char)) {
            found.push(Token::Word(std::mem::take(&mut word)));
        }
        match char {
            '[' => found.push(Token::Group(tokens(rest, true)?)),
            ']' if within => return Ok(found),
            ']' => return Err("a ] without a [".to_owned()),
            '"' => found.push(Token::Text(unescaped(rest.by_ref().take_while(|char| *char != '"')))),
            char if char.is_whitespace() => {}
            char => word.push(char),
        }
    }
    if within {
        return Err("a [ without a ]".to_owned());
    }
    if !word.is_empty() {
        found.push(Token::Word(word));
    }
    Ok(found)
}

/// Text in which `\r` and `\n` stand for the two control characters of a line's end.
fn unescaped(text: impl Iterator<Item = char>) -> String {
    text.collect::<String>().replace("\\r", "\r").replace("\\n", "\n")
}

/// What can only be done to finished bytes.
#[derive(Default)]
struct After {
    sum: Option<u16>,
    cut: Option<usize>,
    piece: Option<(usize, usize)>,
}

fn build(tokens: &[Token], ends: &Ends<'_>) -> Result<Vec<u8>, String> {
    let mut words = tokens.iter();
    let kind = word(&mut words)?;
    if kind == "hex" {
        return hex(word(&mut words)?);
    }
    let (source, destination) = peers(kind, words.clone())?;
    let mut frame = eth().from(ends.from(source)).to(ends.to(destination));
    let attributes: Vec<Token> = attributes(kind, words.clone());
    for token in &attributes {
        frame = match token {
            Token::Word(word) => link_attribute(frame, word, ends)?,
            _ => frame,
        };
    }
    frame = carry(frame, kind, &mut words)?;
    let mut after = After::default();
    for token in &attributes {
        frame = match token {
            Token::Text(text) => frame.payload(text.as_bytes()),
            Token::Group(tokens) => frame.payload(build(tokens, ends)?.get(ETHERNET..).unwrap_or(&[])),
            Token::Word(word) => attribute(frame, word, kind, &mut after)?,
        };
    }
    finish(&frame, &after)
}

fn word<'a>(words: &mut std::slice::Iter<'a, Token>) -> Result<&'a str, String> {
    match words.next() {
        Some(Token::Word(word)) => Ok(word),
        other => Err(format!("a word is missing before {other:?}")),
    }
}

/// Everything after who sends to whom.
fn attributes(kind: &str, words: std::slice::Iter<'_, Token>) -> Vec<Token> {
    let fixed = match kind {
        "icmp" => 4,
        "type" => 1,
        "arp" if matches!(words.as_slice().first(), Some(Token::Word(word)) if word == "who-has") => 4,
        _ => 3,
    };
    words.skip(fixed).cloned().collect()
}

/// The addresses that decide which MAC addresses a frame has by default.
fn peers(kind: &str, mut words: std::slice::Iter<'_, Token>) -> Result<(Ipv4Addr, Ipv4Addr), String> {
    let address = |word: &str| number::<Ipv4Addr>(word.split(':').next().unwrap_or(word));
    match kind {
        "type" => return Ok((Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED)),
        "arp" => {
            let first = word(&mut words)?;
            if first == "who-has" {
                let target = address(word(&mut words)?)?;
                word(&mut words)?;
                return Ok((address(word(&mut words)?)?, target));
            }
            word(&mut words)?;
            return Ok((address(first)?, address(word(&mut words)?)?));
        }
        "icmp" => drop(word(&mut words)?),
        _ => {}
    }
    let source = address(word(&mut words)?)?;
    word(&mut words)?;
    Ok((source, address(word(&mut words)?)?))
}

fn carry(frame: Frame, kind: &str, words: &mut std::slice::Iter<'_, Token>) -> Result<Frame, String> {
    let first = word(words)?;
    match kind {
        "type" => return Ok(frame.raw(number(first)?, &[])),
        "arp" if first == "who-has" => {
            let target = number::<Ipv4Addr>(word(words)?)?;
            word(words)?;
            return Ok(frame.arp_request(number::<Ipv4Addr>(word(words)?)?, target));
        }
        "arp" => {
            word(words)?;
            return Ok(frame.arp_reply(number::<Ipv4Addr>(first)?, number::<Ipv4Addr>(word(words)?)?));
        }
        _ => {}
    }
    let what = first;
    let from = if kind == "icmp" { word(words)? } else { first };
    if word(words)? != ">" {
        return Err("expected FROM > TO".to_owned());
    }
    let to = word(words)?;
    if matches!(kind, "tcp" | "udp") {
        let (from, to) = (number::<SocketAddrV4>(from)?, number::<SocketAddrV4>(to)?);
        let frame = frame.ipv4(*from.ip(), *to.ip());
        return Ok(if kind == "tcp" { frame.tcp(from.port(), to.port()) } else { frame.udp(from.port(), to.port()) });
    }
    let frame = frame.ipv4(number::<Ipv4Addr>(from)?, number::<Ipv4Addr>(to)?);
    match kind {
        "icmp" => {
            let (kind, code) = what.split_once('/').ok_or("expected icmp TYPE/CODE")?;
            Ok(frame.icmp(number(kind)?, number(code)?))
        }
        "echo" => Ok(frame.echo_request(1, 1)),
        "ip" => Ok(frame),
        "ipip" => Ok(frame.protocol(4)),
        other => Err(format!("{other:?} is no kind of frame; allowed: tcp udp icmp echo ip ipip arp type hex")),
    }
}

/// Those that must be known before what is carried.
fn link_attribute(frame: Frame, word: &str, ends: &Ends<'_>) -> Result<Frame, String> {
    Ok(match word.split_once('=').unwrap_or((word, "")) {
        ("to", mac) => frame.to(ends.mac(mac)?),
        ("from", mac) => frame.from(ends.mac(mac)?),
        ("vlan", id) => frame.vlan(number(id)?),
        ("padded", _) => frame.padded(),
        _ => frame,
    })
}

fn attribute(frame: Frame, word: &str, kind: &str, after: &mut After) -> Result<Frame, String> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    Ok(match (key, value) {
        ("to" | "from" | "vlan" | "padded", _) => frame,
        ("syn", _) => frame.syn(),
        ("ack", "") => frame.ack(),
        ("ack", number_text) => frame.acking(number(number_text)?),
        ("fin", _) => frame.fin(),
        ("rst", _) => frame.rst(),
        ("psh", _) => frame.psh(),
        ("seq", value) => frame.seq(number(value)?),
        ("win", value) => frame.window(number(value)?),
        ("tcpoptions", value) => frame.tcp_options(&hex(value)?),
        ("offset", value) => frame.data_offset(number(value)?),
        ("udplen", value) => frame.udp_length(number(value)?),
        ("mtu", value) => frame.mtu(number(value)?),
        ("rest", value) => frame.rest_of_header(hex(value)?.try_into().map_err(|_| "rest= takes 4 bytes")?),
        ("len", value) => frame.payload_len(number(value)?),
        ("bytes", value) if kind == "type" => frame.raw(0x86dd, &hex(value)?),
        ("bytes", value) => frame.payload(&hex(value)?),
        ("badsum", _) => frame.bad_checksum(),
        ("nosum", _) => frame.no_checksum(),
        ("ttl", value) => frame.ttl(number(value)?),
        ("tos", value) => frame.tos(number(value)?),
        ("id", value) => frame.id(number(value)?),
        ("df", _) => frame.df(),
        ("mf", _) => frame.more_fragments(),
        ("at", value) => frame.fragment_offset(number(value)?),
        ("options", value) => frame.options(&hex(value)?),
        ("proto", value) => frame.protocol(number(value)?),
        ("total", value) => frame.total_len(number(value)?),
        ("version", value) => frame.version_and_length(number(value)?),
        ("badip", _) => frame.bad_ip_checksum(),
        (key, value) => {
            after_attribute(after, key, value)?;
            frame
        }
    })
}

fn after_attribute(after: &mut After, key: &str, value: &str) -> Result<(), String> {
    match key {
        "sum" => after.sum = Some(number(value)?),
        "cut" => after.cut = Some(number(value)?),
        "piece" => {
            let (index, step) = value.split_once('/').ok_or("expected piece=K/N")?;
            after.piece = Some((number(index)?, number(step)?));
        }
        _ => return Err(format!("{key:?} is no attribute of a frame")),
    }
    Ok(())
}

fn finish(frame: &Frame, after: &After) -> Result<Vec<u8>, String> {
    let mut bytes = match after.piece {
        Some((index, step)) => frame.fragments(step).into_iter().nth(index).ok_or("there are fewer pieces")?,
        None => frame.bytes(),
    };
    if let Some(sum) = after.sum {
        let header_len = usize::from(bytes[ETHERNET] & 0x0f) * 4;
        let within = match bytes[ETHERNET + 9] {
            6 => 16,
            17 => 6,
            _ => 2,
        };
        let at = ETHERNET + header_len + within;
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    }
    if let Some(cut) = after.cut {
        bytes.truncate(ETHERNET + cut);
    }
    Ok(bytes)
}

/// A number, decimal or 0x..., or anything else that can be read from text.
fn number<T: FromStr>(text: &str) -> Result<T, String> {
    let decimal = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).map_err(|_| format!("{text:?} is not hex"))?.to_string(),
        None => text.to_owned(),
    };
    decimal.parse().map_err(|_| format!("{text:?} is no {}", std::any::type_name::<T>()))
}

fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digit = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(|at| digit(at).ok_or_else(|| format!("{text:?} is not bytes in hex"))).collect()
}
