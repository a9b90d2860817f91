//! Filters in the syntax of tcpdump (pcap-filter(7)), compiled by libpcap: here, with the rights of who asks, and not in
//! sluiced, as a name in a filter is looked up.

use crate::client::Stop;
use crate::protocol::Failure;
use link::capture::{Instruction, Program};
use pcap::{Capture, Linktype};

/// Compiles a filter for Ethernet frames.
pub(super) fn compile(text: &str) -> Result<Vec<(u16, u8, u8, u32)>, Stop> {
    let refused =
        |why: String| Failure::usage(format!("The filter {text:?} is not understood: {why}. See pcap-filter(7)."));
    let compiled = Capture::dead(Linktype::ETHERNET).and_then(|nowhere| nowhere.compile(text, true));
    let program = compiled.map_err(|error| refused(reason(&error)))?;
    let rows: Option<Vec<_>> = program.get_instructions().iter().map(|one| row(&one.to_string())).collect();
    let rows = rows.ok_or_else(|| refused("libpcap gave an unknown instruction".to_owned()))?;
    let instructions: Vec<_> = rows.iter().map(|&(code, jt, jf, k)| Instruction { code, jt, jf, k }).collect();
    Program::new(&instructions).map_err(|error| refused(error.to_string()))?;
    Ok(rows)
}

/// What libpcap says, without what the binding puts before it.
fn reason(error: &pcap::Error) -> String {
    match error {
        pcap::Error::PcapError(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `code jt jf k`, as `tcpdump -ddd` prints an instruction.
fn row(text: &str) -> Option<(u16, u8, u8, u32)> {
    let mut numbers = text.split(' ');
    let row = (
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
        numbers.next()?.parse().ok()?,
    );
    Some(row)
}

#[cfg(test)]
mod tests {
    use super::{compile, row};

    #[test]
    fn filters_are_compiled_and_what_is_none_is_refused_in_libpcap_s_words() {
        let all = compile("").expect("every packet");
        assert_eq!(all.len(), 1);
        assert!(compile("tcp port 80 and host 10.0.0.1").expect("a filter").len() > 5);
        let refused = compile("tcp prot 80").expect_err("a slip of the pen").to_string();
        assert!(refused.starts_with("The filter \"tcp prot 80\" is not understood: "), "{refused}");
        assert!(refused.contains("syntax error"), "{refused}");
        let long: Vec<String> = (0..200).map(|n| format!("host 10.0.{n}.1")).collect();
        let refused = compile(&long.join(" or ")).expect_err("too long").to_string();
        assert!(refused.contains("allowed: 1 to 256"), "{refused}");
    }

    #[test]
    fn instructions_are_read_as_tcpdump_prints_them() {
        assert_eq!(row("21 0 8 34525"), Some((21, 0, 8, 34525)));
        assert_eq!(row("6 0 0"), None);
        assert_eq!(row("21 0 300 1"), None);
    }
}
