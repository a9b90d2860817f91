//! OPS-1: a check that goes the way of clients sees a tunnel, or a real's share of the VIP, that is broken; one that goes to
//! the real itself does not.

use lab::{DIRECT_VIP, Lab, NAT_VIP, REALS, Result, TUNNEL_VIP, wait_until};

use crate::support::{LIMIT, ask, next_answers, shares, url, with_services};

fn services() -> String {
    let service = |name: &str, vip, method: &str, via: &str| {
        let reals = REALS[..2].iter().map(|real| format!("[[service.real]]\naddress = \"{real}:80\"\n"));
        format!(
            "[[service]]\nname = \"{name}\"\nprotocol = \"tcp\"\naddress = \"{vip}:80\"\nscheduler = \"rr\"\n\
             method = \"{method}\"\n[service.check]\ntype = \"http\"\nvia = \"{via}\"\ninterval = \"200ms\"\n\
             timeout = \"150ms\"\nrise = 2\nfall = 2\nbody = \"^real\"\n{}",
            reals.collect::<String>()
        )
    };
    service("plain", NAT_VIP, "nat", "real")
        + &service("pass", TUNNEL_VIP, "tunnel", "vip")
        + &service("link", DIRECT_VIP, "direct", "vip")
}

/// Waits until the first real of each service is as it should be; the reason given for that of one.
fn wait_for(lab: &Lab, wanted: [(&str, &str); 3], reason_of: &str) -> Result<String> {
    wait_until(format!("{wanted:?}"), LIMIT, || {
        let mut reason = String::new();
        for (service, state) in wanted {
            let health = ask(lab, &format!("service show {service}"))?["reals"][0]["health"].clone();
            if health["state"] != state {
                return Ok(None);
            }
            if service == reason_of {
                reason = health["reason"].as_str().unwrap_or_default().to_owned();
            }
        }
        Ok(Some(reason))
    })
}

/// Signals the first real's decapsulator.
fn signal_decapsulator(lab: &Lab, name: &str) -> Result<()> {
    let real = lab.require_real(1)?;
    let script = format!(
        "for pid in $(ip netns pids {}); do [ \"$(cat /proc/$pid/comm)\" = lab-decapsulate ] && kill -{name} $pid; done; true",
        real.namespace()
    );
    real.shell(&script).map(drop)
}

#[test]
fn what_is_broken_on_the_clients_way_is_seen_by_checks_that_go_it() -> Result<()> {
    let lab = with_services(&services())?;
    let all_up = [("plain", "up"), ("pass", "up"), ("link", "up")];
    wait_for(&lab, all_up, "")?;
    lab.client().wait_for_answer(&url(TUNNEL_VIP), LIMIT)?;
    let mut load = lab.client().load(&url(TUNNEL_VIP), 50)?;
    assert_eq!(shares(&next_answers(&mut load, 20)?), [("real1", 10), ("real2", 10)].into());

    // Nobody takes the real's packets out of the tunnel; the real itself answers as ever.
    signal_decapsulator(&lab, "STOP")?;
    let reason = wait_for(&lab, [("plain", "up"), ("pass", "down"), ("link", "up")], "pass")?;
    assert!(reason.starts_with("by way of the VIP: "), "{reason}");
    lab.sluice_ok(["connection", "flush", "--real", "172.16.0.2:80"])?;
    wait_until("the load goes on", LIMIT, || Ok(next_answers(&mut load, 1)?[0].is_ok().then_some(())))?;
    assert_eq!(shares(&next_answers(&mut load, 20)?), [("real2", 20)].into());
    signal_decapsulator(&lab, "CONT")?;
    wait_for(&lab, all_up, "")?;
    assert_eq!(shares(&next_answers(&mut load, 20)?), [("real1", 10), ("real2", 10)].into());

    // The real does not take the VIP for its own any more.
    let real = lab.require_real(1)?;
    real.ip(&format!("addr del {DIRECT_VIP}/32 dev lo\n"))?;
    wait_for(&lab, [("plain", "up"), ("pass", "up"), ("link", "down")], "link")?;
    real.ip(&format!("addr add {DIRECT_VIP}/32 dev lo\n"))?;
    wait_for(&lab, all_up, "").map(drop)
}
