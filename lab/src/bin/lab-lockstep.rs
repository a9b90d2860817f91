//! The two ends of a reference director in a virtual machine, one event at a time: sends frames into its interfaces and
//! runs commands, each at its moment, and prints every frame that leaves before the next event.
//!
//! It makes two TAP devices, `wan` and `lan`, in the network namespace it is started in, runs the set-up (a shell
//! script), then the events, of standard input. A line is `MILLISECONDS F wan|lan HEX` (a frame into the director),
//! `MILLISECONDS R PROGRAM ARGUMENTS` or `MILLISECONDS C COMMAND` (for the shell). What happened goes to standard output, after the last event: `I N` for
//! the N-th line, with `late` if it began more than 2 ms after its time; below it `O wan|lan HEX` for each frame that
//! left, and `X TEXT` for each line that the command printed.

use std::io::{BufRead, Read, Write};
use std::process::{Command, ExitCode};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use clap::Parser;
use tun::{Layer, Reader, Writer};

/// The longest frame.
const FRAME: usize = 65_550;
/// How late an event may begin.
const LATE: Duration = Duration::from_millis(2);
/// The sides of a director.
const SIDES: [&str; 2] = ["wan", "lan"];

/// Runs the events of standard input against the director of this network namespace.
#[derive(Parser)]
struct Arguments {
    /// A shell script that sets the director up, once its interfaces are there.
    #[arg(long)]
    setup: String,
    /// Milliseconds after the last event in which frames still count.
    #[arg(long, default_value_t = 20)]
    settle: u64,
}

type Failure = Box<dyn std::error::Error>;
/// A side, and a frame that left there.
type Left = (usize, Vec<u8>);

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("E {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let lines: Vec<String> = std::io::stdin().lock().lines().collect::<Result<_, _>>()?;
    let (sender, left) = channel();
    let mut writers = Vec::new();
    for (side, name) in SIDES.iter().enumerate() {
        let (reader, writer) = device(name)?;
        let sender = sender.clone();
        std::thread::spawn(move || listen(side, reader, &sender));
        writers.push(writer);
    }
    let setup = Command::new("sh").arg(&arguments.setup).output()?;
    if !setup.status.success() {
        return Err(format!("{}: {}", arguments.setup, String::from_utf8_lossy(&setup.stderr)).into());
    }
    // What the interfaces said as they came up is nobody's answer.
    std::thread::sleep(Duration::from_secs(1));
    left.try_iter().for_each(drop);
    let mut text = String::new();
    let start = Instant::now() + Duration::from_millis(10);
    for (index, line) in lines.iter().enumerate() {
        let (at, event) = split_time(line)?;
        gather(&left, start + at, &mut text);
        let late = if start.elapsed() > at + LATE { " late" } else { "" };
        text += &format!("I {index}{late}\n");
        act(event, &mut writers, &mut text)?;
    }
    gather(&left, Instant::now() + Duration::from_millis(arguments.settle), &mut text);
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn device(name: &str) -> Result<(Reader, Writer), Failure> {
    let mut configuration = tun::Configuration::default();
    configuration.layer(Layer::L2).tun_name(name);
    Ok(tun::create(&configuration)?.split())
}

fn listen(side: usize, mut reader: Reader, sender: &Sender<Left>) {
    let mut buffer = vec![0; FRAME];
    while let Ok(length) = reader.read(&mut buffer) {
        if sender.send((side, buffer[..length].to_vec())).is_err() {
            return;
        }
    }
}

fn split_time(line: &str) -> Result<(Duration, &str), Failure> {
    let (time, event) = line.split_once(' ').ok_or_else(|| format!("no event in: {line}"))?;
    let milliseconds = time.parse().map_err(|_| format!("{time:?} is no number of milliseconds, in: {line}"))?;
    Ok((Duration::from_millis(milliseconds), event))
}

/// Writes down what leaves until `until`.
fn gather(left: &Receiver<Left>, until: Instant, text: &mut String) {
    while let Ok((side, frame)) = left.recv_timeout(until.saturating_duration_since(Instant::now())) {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        *text += &format!("O {} {hex}\n", SIDES[side]);
    }
}

fn act(event: &str, writers: &mut [Writer], text: &mut String) -> Result<(), Failure> {
    let (kind, rest) = event.split_once(' ').unwrap_or((event, ""));
    match kind {
        "F" => {
            let (name, hex) = rest.split_once(' ').unwrap_or((rest, ""));
            let side = SIDES.iter().position(|side| *side == name).ok_or_else(|| format!("{name:?} is no side"))?;
            writers[side].write_all(&bytes(hex)?)?;
        }
        "R" => {
            let mut words = rest.split_whitespace();
            run_program(Command::new(words.next().unwrap_or_default()).args(words), text)?;
        }
        "C" => run_program(Command::new("sh").args(["-c", rest]), text)?,
        other => return Err(format!("{other:?} is no event, allowed: F, R, C").into()),
    }
    Ok(())
}

fn run_program(command: &mut Command, text: &mut String) -> Result<(), Failure> {
    let output = command.output()?;
    for stream in [&output.stdout, &output.stderr] {
        for line in String::from_utf8_lossy(stream).lines() {
            *text += &format!("X {line}\n");
        }
    }
    Ok(())
}

fn bytes(hex: &str) -> Result<Vec<u8>, Failure> {
    let digits = (0..hex.len()).step_by(2).map(|at| hex.get(at..at + 2));
    let byte = |pair: Option<&str>| pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
    digits.map(|pair| byte(pair).ok_or_else(|| format!("{hex:?} is not bytes in hex").into())).collect()
}

#[cfg(test)]
mod tests {
    use super::{bytes, split_time};
    use std::time::Duration;

    #[test]
    fn an_event_is_a_time_and_what_happens() {
        assert_eq!(split_time("1500 F wan 00ff").unwrap(), (Duration::from_millis(1500), "F wan 00ff"));
        assert!(split_time("F").is_err(), "no time");
        assert!(split_time("soon F wan").is_err(), "no number");
    }

    #[test]
    fn frames_are_hex() {
        assert_eq!(bytes("00ff10").unwrap(), [0, 255, 16]);
        assert!(bytes("0").is_err(), "half a byte");
        assert!(bytes("zz").is_err(), "no digits");
    }
}
