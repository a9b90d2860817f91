//! Clients: curl for HTTP, the echo client for UDP and greetings.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::director::program;
use crate::{LabError, Node, Process, Result};

/// A line of its own after each body, so that answers can be told apart: status, seconds, curl's error message.
const MARK: &str = "@answer";
const WRITE_OUT: &str = "\\n@answer %{http_code} %{time_total} %{errormsg}\\n";
/// The most a single request may take, seconds.
const REQUEST_LIMIT: &str = "5";

/// The answer to one request, or its failure.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The HTTP status; 0 if there was no answer. For an echo or a greeting: 200 or 0.
    pub status: u16,
    /// The first word of the answer, which is the name of the real that gave it.
    pub real: String,
    /// The whole body.
    pub body: String,
    /// From the first packet to the last.
    pub latency: Duration,
    /// Why there was no answer; empty if there was one.
    pub error: String,
}

impl Answer {
    /// Whether the request was served.
    pub fn is_ok(&self) -> bool {
        self.status == 200
    }
}

/// Requests that go on in the background at a steady rate, each on a connection of its own.
#[derive(Debug)]
pub struct Load {
    process: Process,
    protocol: Protocol,
}

/// What the answers are read from.
#[derive(Clone, Copy, Debug)]
enum Protocol {
    /// The marks that curl writes.
    Http,
    /// The lines of the echo client.
    Udp,
}

impl Load {
    /// The answers so far, in order.
    ///
    /// # Errors
    /// The client has ended, or printed what cannot be read.
    pub fn answers(&mut self) -> Result<Vec<Answer>> {
        self.process.check_running()?;
        let log = self.process.log();
        // What follows the last whole line, or mark, belongs to a request under way.
        let last = match self.protocol {
            Protocol::Http => log.rfind(MARK).and_then(|at| log[at..].find('\n').map(|length| at + length)),
            Protocol::Udp => log.rfind('\n'),
        };
        let whole = &log[..last.map_or(0, |at| at + 1)];
        match self.protocol {
            Protocol::Http => parse(whole),
            Protocol::Udp => whole.lines().map(parse_echo).collect(),
        }
    }
}

impl Node {
    /// One HTTP request.
    ///
    /// # Errors
    /// There was no answer at all (refused, timed out); curl's message says why.
    pub fn curl(&self, url: &str) -> Result<Answer> {
        match self.get(url, 1)?.pop() {
            Some(answer) if answer.status != 0 => Ok(answer),
            Some(Answer { error, .. }) => {
                Err(LabError::Failed { command: format!("curl {url}"), status: "no answer".into(), said: error })
            }
            None => Err(LabError::Unreadable { what: "curl".into(), text: String::new() }),
        }
    }

    /// `count` HTTP requests one after the other, each on a connection of its own. A request that fails is an answer
    /// with status 0.
    ///
    /// # Errors
    /// curl is missing, or the requests take more than 120 s together.
    pub fn get(&self, url: &str, count: usize) -> Result<Vec<Answer>> {
        let output = self.capture_with("curl", curl_arguments(url, count), "", Duration::from_secs(120))?;
        let answers = parse(&output.stdout)?;
        if answers.len() == count {
            return Ok(answers);
        }
        Err(LabError::Unreadable { what: format!("curl {url}: {}", output.stderr.trim()), text: output.stdout })
    }

    /// Starts requests at `per_second` that go on until the [`Load`] is dropped.
    ///
    /// # Errors
    /// curl is missing.
    pub fn load(&self, url: &str, per_second: u32) -> Result<Load> {
        const ENDLESS: usize = 1_000_000;
        // Line by line, so that the log shows each answer as it comes.
        let mut arguments: Vec<String> = ["-oL", "curl", "--rate"].map(Into::into).into();
        arguments.push(format!("{per_second}/s"));
        arguments.extend(curl_arguments(url, ENDLESS));
        Ok(Load { process: self.spawn("load", "stdbuf", arguments)?, protocol: Protocol::Http })
    }

    /// Starts datagrams to a UDP echo, one every `pause` and from a port of its own, that go on until the [`Load`] is
    /// dropped.
    ///
    /// # Errors
    /// The client is not built.
    pub fn udp_load(&self, address: SocketAddrV4, pause: Duration) -> Result<Load> {
        let echo = program("lab-echo")?;
        let (count, pause) = (usize::MAX.to_string(), pause.as_millis().to_string());
        let arguments = ["ask", "udp", &address.to_string(), "--count", &count, "--pause", &pause].map(str::to_owned);
        let process = self.spawn("udp-load", &echo.to_string_lossy(), arguments)?;
        Ok(Load { process, protocol: Protocol::Udp })
    }

    /// `count` datagrams to a UDP echo, each from a port of its own.
    ///
    /// # Errors
    /// The client is not built, or printed what cannot be read.
    pub fn ask_udp(&self, address: SocketAddrV4, count: usize) -> Result<Vec<Answer>> {
        self.ask("udp", address, count)
    }

    /// `count` TCP connections of which the server's first line is read.
    ///
    /// # Errors
    /// As [`Node::ask_udp`].
    pub fn read_greetings(&self, address: SocketAddrV4, count: usize) -> Result<Vec<Answer>> {
        self.ask("tcp", address, count)
    }

    /// Waits until an HTTP request is served.
    ///
    /// # Errors
    /// None is within `limit`; the message has the last failure.
    pub fn wait_for_answer(&self, url: &str, limit: Duration) -> Result<()> {
        let mut last = String::new();
        let waited = crate::wait_until(format!("an answer from {url}"), limit, || {
            let answer = self.get(url, 1)?.pop();
            last = answer.as_ref().map(|answer| answer.error.clone()).unwrap_or_default();
            Ok(answer.filter(Answer::is_ok).map(drop))
        });
        waited.map_err(|error| match error {
            LabError::TimedOut { what, limit, .. } => LabError::TimedOut { what, limit, seen: last },
            other => other,
        })
    }

    fn ask(&self, protocol: &str, address: SocketAddrV4, count: usize) -> Result<Vec<Answer>> {
        let echo = program("lab-echo")?;
        let arguments = ["ask", protocol, &address.to_string(), "--count", &count.to_string()].map(str::to_owned);
        let output = self.run(&echo.to_string_lossy(), arguments)?;
        output.stdout.lines().map(parse_echo).collect()
    }
}

fn curl_arguments(url: &str, count: usize) -> Vec<String> {
    let fixed = ["-s", "-m", REQUEST_LIMIT, "-H", "Connection: close", "-w", WRITE_OUT].map(str::to_owned);
    // The number makes curl repeat the request; servers ignore it.
    fixed.into_iter().chain([format!("{url}?request=[1-{count}]")]).collect()
}

fn parse(text: &str) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    let mut body = String::new();
    for line in text.split_inclusive('\n') {
        let Some(fields) = line.strip_prefix(MARK) else {
            body.push_str(line);
            continue;
        };
        let mut fields = fields.trim().splitn(3, ' ');
        let status = fields.next().and_then(|word| word.parse().ok());
        let latency = fields.next().and_then(|word| word.parse().ok()).map(Duration::from_secs_f64);
        let (Some(status), Some(latency)) = (status, latency) else {
            return Err(LabError::Unreadable { what: "curl".into(), text: line.into() });
        };
        let error = fields.next().unwrap_or_default().to_owned();
        let real = body.split_whitespace().next().unwrap_or_default().to_owned();
        // The mark's own line feed.
        let end = body.len().saturating_sub(1);
        body.truncate(end);
        answers.push(Answer { status, real, body: std::mem::take(&mut body), latency, error });
    }
    Ok(answers)
}

/// `real1 0.000123` or `- 1.0 why`.
fn parse_echo(line: &str) -> Result<Answer> {
    let mut fields = line.splitn(3, ' ');
    let (real, seconds) = (fields.next(), fields.next().and_then(|word| word.parse().ok()));
    let (Some(real), Some(seconds)) = (real, seconds) else {
        return Err(LabError::Unreadable { what: "lab-echo".into(), text: line.into() });
    };
    let latency = Duration::from_secs_f64(seconds);
    let error = fields.next().unwrap_or_default().to_owned();
    let (status, real) = if real == "-" { (0, "") } else { (200, real) };
    Ok(Answer { status, real: real.into(), body: real.into(), latency, error })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart_by_their_marks() {
        let text =
            "real1 a\n\n@answer 200 0.002 \nreal2 b\n\n@answer 503 0.5 \n\n@answer 000 5.0 Connection timed out\n";
        let answers = parse(text).expect("readable");
        let seen: Vec<_> = answers.iter().map(|a| (a.status, a.real.as_str(), a.error.as_str())).collect();
        assert_eq!(seen, [(200, "real1", ""), (503, "real2", ""), (0, "", "Connection timed out")]);
        assert_eq!((answers[0].body.as_str(), answers[0].latency), ("real1 a\n", Duration::from_millis(2)));
    }

    #[test]
    fn a_mark_that_cannot_be_read_is_an_error() {
        assert!(parse("@answer two 0.1 \n").is_err());
        assert!(parse("").expect("nothing is fine").is_empty());
    }

    #[test]
    fn echo_lines_give_the_real_or_the_failure() {
        let served = parse_echo("real3 0.000250").expect("readable");
        assert_eq!((served.status, served.real.as_str(), served.latency), (200, "real3", Duration::from_micros(250)));
        let failed = parse_echo("- 1.0 no answer in 1 s").expect("readable");
        assert_eq!((failed.status, failed.error.as_str()), (0, "no answer in 1 s"));
    }
}
