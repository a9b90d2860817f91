//! CARD-6: each changing command of the command line, against running programs: what it says, what it changes, and how
//! what it refuses is told.

use std::fs;

use lab::{Lab, NAT_VIP, Result};

use crate::support::{ask, paper, service, shares, url};

const DONE: i32 = 0;
const REFUSED: i32 = 1;
const USAGE: i32 = 2;
const NOT_FOUND: i32 = 3;
const UNREACHABLE: i32 = 4;

/// Runs `sluice <words>`; it has this exit code and says `part` where it belongs: results on standard output, refusals
/// on standard error.
fn says(lab: &Lab, words: &str, code: i32, part: &str) -> Result<()> {
    let said = lab.sluice(words.split(' '))?;
    assert_eq!(said.code, Some(code), "sluice {words}: {said:?}");
    let (text, other) = if code == DONE { (&said.stdout, &said.stderr) } else { (&said.stderr, &said.stdout) };
    assert!(text.contains(part), "sluice {words}: {part:?} is not in {text:?}");
    assert!(other.is_empty(), "sluice {words}: {other:?} too");
    Ok(())
}

#[test]
fn services_and_reals_are_added_changed_and_removed() -> Result<()> {
    let lab = paper()?;
    let vip = format!("{NAT_VIP}:8080");
    says(
        &lab,
        &format!("service add new tcp {vip} --scheduler rr"),
        DONE,
        "Added service new: tcp 202.103.106.5:8080, rr",
    )?;
    says(&lab, &format!("service add new tcp {vip}"), REFUSED, "service \"new\" exists already")?;
    says(&lab, &format!("service add other tcp {vip}"), REFUSED, "belongs to service \"new\" already")?;
    says(&lab, "real add new 172.16.0.2:80 --weight 3", DONE, "Added real 172.16.0.2:80 to new")?;
    says(&lab, "real add new 172.16.0.2:80", REFUSED, "has real 172.16.0.2:80 already")?;
    says(&lab, "real add new 172.16.0.3:80 --weight 70000", REFUSED, "allowed 0 to 65535")?;
    says(&lab, "real add nosuch 172.16.0.3:80", NOT_FOUND, "service \"nosuch\" does not exist; there are: web, ftp")?;
    says(&lab, "real set new 172.16.0.3:80 --weight 1", NOT_FOUND, "has no real 172.16.0.3:80")?;
    says(&lab, "real set new 172.16.0.2:80", USAGE, "--weight")?;
    says(&lab, "real set new 172.16.0.2:80 --weight 5", DONE, "172.16.0.2:80")?;
    says(&lab, "service set new --scheduler wlc", DONE, "new")?;
    says(&lab, "service set new --scheduler best", USAGE, "best")?;
    let served = lab.client().get(&format!("http://{vip}/"), 3)?;
    assert_eq!(shares(&served), [("real1", 3)].into());

    says(&lab, "real drain new 172.16.0.2:80", DONE, "Draining real 172.16.0.2:80 of new")?;
    assert!(lab.client().curl(&format!("http://{vip}/")).is_err(), "no real is available");
    says(&lab, "real remove new 172.16.0.2:80", DONE, "Removed real 172.16.0.2:80 from new")?;
    says(&lab, "real remove new 172.16.0.2:80", NOT_FOUND, "has no real 172.16.0.2:80")?;
    says(&lab, "service remove new", DONE, "Removed service new")?;
    says(&lab, "service remove new", NOT_FOUND, "service \"new\" does not exist")?;
    assert!(lab.client().curl(&url(NAT_VIP))?.is_ok(), "the others serve as before");
    Ok(())
}

#[test]
fn a_services_file_is_shown_as_a_difference_or_applied_whole() -> Result<()> {
    let lab = paper()?;
    let write = |name: &str, text: &str| {
        let path = lab.folder().join(name);
        fs::write(&path, text).expect("the laboratory's folder can be written");
        path.display().to_string()
    };
    let other = write("other.toml", &format!("[timeouts]\nudp = 30\n{}", service("web", "tcp", NAT_VIP, 80, "nat")));
    let broken = write("broken.toml", "[[service]]\nname = \"web\"\nprotocol = \"sctp\"\n");
    let before = ask(&lab, "service list")?;

    let dry = lab.sluice_ok(["apply", &other, "--dry-run"])?;
    for part in ["would change", "- service ftp", "+ real 172.16.0.4:80 of web", "~ timeout udp: 300 -> 30"] {
        assert!(dry.contains(part), "{part:?} is not in {dry:?}");
    }
    says(&lab, &format!("apply {broken}"), REFUSED, "broken.toml:3")?;
    says(&lab, "apply /nosuch.toml", NOT_FOUND, "/nosuch.toml cannot be read")?;
    let names = |list: &serde_json::Value| -> Vec<String> {
        list.as_array().into_iter().flatten().map(|service| service["name"].to_string()).collect()
    };
    assert_eq!(names(&ask(&lab, "service list")?), names(&before), "nothing was changed");

    says(&lab, &format!("apply {other}"), DONE, "other.toml: 1 services, 3 reals")?;
    assert_eq!(names(&ask(&lab, "service list")?), ["\"web\""]);
    assert_eq!(shares(&lab.client().get(&url(NAT_VIP), 6)?), [("real1", 2), ("real2", 2), ("real3", 2)].into());
    says(&lab, "reload --dry-run", DONE, "+ service ftp")?;
    says(&lab, "reload", DONE, "5 services")?;
    assert_eq!(names(&ask(&lab, "service list")?), names(&before));
    Ok(())
}

#[test]
fn timeouts_are_shown_and_set() -> Result<()> {
    let lab = paper()?;
    says(&lab, "timeouts", DONE, "tcp_established      900")?;
    says(&lab, "timeouts set tcp_established=600 udp=30", DONE, "600")?;
    let now = ask(&lab, "timeouts")?;
    assert_eq!((&now["tcp_established"], &now["udp"], &now["tcp_fin_wait"]), (&600.into(), &30.into(), &60.into()));
    says(&lab, "timeouts set udp=0", REFUSED, "allowed 1 to")?;
    says(&lab, "timeouts set sctp=9", USAGE, "key \"sctp\" is not known, allowed: tcp_none")?;
    says(&lab, "timeouts set udp", USAGE, "allowed a key and whole seconds")?;
    assert_eq!(ask(&lab, "timeouts")?, now);
    Ok(())
}

#[test]
fn without_control_every_command_says_so() -> Result<()> {
    let mut lab = paper()?;
    lab.control().expect("it was started").signal(lab::Signal::TERM)?;
    lab.control().expect("it was started").wait(crate::support::LIMIT)?;
    for words in ["status", "service list", "real drain web 172.16.0.2:80", "explain tcp 1.2.3.4:5 6.7.8.9:80"] {
        says(&lab, words, UNREACHABLE, "control.sock")?;
    }
    Ok(())
}
