//! CARD-2: a port that does not start ends the dataplane at once, with a message that names the port and the reason.

use std::fs;

use lab::{Lab, Result};

use crate::support::run_on_director;

/// One line of the machine file that is changed, and what the message then says.
struct Case {
    what: &'static str,
    line: (&'static str, &'static str),
    /// Commands of `ip -batch` on the director before the start.
    before: &'static str,
    message: &'static [&'static str],
}

const WAN: &str = "device = \"net_tap0,iface=wan0\"";

const CASES: [Case; 5] = [
    Case {
        what: "a PCI address where no device is",
        line: (WAN, "device = \"0000:ff:1f.7\""),
        before: "",
        message: &["port wan: device 0000:ff:1f.7: No such device", "dpdk-devbind.py", "`sluice doctor` looks"],
    },
    Case {
        what: "a virtual device of no driver",
        line: (WAN, "device = \"net_nosuch0\""),
        before: "",
        message: &["port wan: device net_nosuch0:", "as net_tap0,iface=tap0"],
    },
    Case {
        what: "a kernel interface whose name another one has",
        line: ("", ""),
        before: "link add sluice-lan type veth peer name peer0\n",
        message: &["port lan: kernel interface sluice-lan:", "the name is taken by another interface"],
    },
    Case {
        what: "a device whose own interface is there already",
        line: ("", ""),
        before: "link add lan0 type veth peer name peer0\n",
        message: &["port lan: device net_tap1,iface=lan0:", "Unable to set TUNSETIFF for lan0"],
    },
    Case {
        what: "less memory than the packets need",
        line: ("\"-m\", \"512\"", "\"-m\", \"16\""),
        before: "",
        message: &["not enough memory for", "it needs about", "lower mbufs in sluice.toml"],
    },
];

#[test]
fn each_is_told_with_its_name_and_reason_and_leaves_nothing() -> Result<()> {
    let lab = Lab::new(0)?;
    for case in CASES {
        lab.director().ip(case.before)?;
        let ordinary = lab.machine().to_string();
        assert!(ordinary.contains(case.line.0), "{}: {:?} is in {ordinary}", case.what, case.line.0);
        let machine = if case.line.0.is_empty() { ordinary } else { ordinary.replace(case.line.0, case.line.1) };
        fs::write(lab.folder().join("sluice.toml"), machine).expect("the laboratory's folder can be written");
        let ended = run_on_director(&lab, "sluice-dataplane", &[])?;
        assert_eq!(ended.code, Some(1), "{}: {}", case.what, ended.stderr);
        let last = ended.stderr.lines().last().unwrap_or_default();
        for part in case.message {
            assert!(last.contains(part), "{}: {part:?} is not in {last:?}", case.what);
        }
        assert!(!fs::exists(lab.machine().link()).is_ok_and(|is_there| is_there), "{}: the link stays", case.what);
        lab.director().ip(if case.before.is_empty() { "" } else { "link delete peer0\n" })?;
        let left = lab.director().run("ip", ["-brief", "link"])?.stdout;
        assert_eq!(left.lines().count(), 1, "{}: beside lo there is {left}", case.what);
    }
    Ok(())
}
