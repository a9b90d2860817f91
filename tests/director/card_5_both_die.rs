//! CARD-5: either process is killed at random moments under load and while the table changes; what is right in the end
//! is the last table.

use std::thread::sleep;
use std::time::Duration;

use lab::{Lab, NAT_VIP, Result, wait_until};

use crate::support::{LIMIT, Random, ask, assert_served, next_answers, paper, shares, url};

const ROUNDS: u64 = 6;
const REAL3: &str = "172.16.0.4:80";

#[test]
fn after_kills_at_random_points_the_table_is_right_and_in_force() -> Result<()> {
    let mut lab = paper()?;
    let mut random = Random::new(7);
    let mut load = lab.client().load(&url(NAT_VIP), 50)?;
    for round in 0..ROUNDS {
        // Changes go on until control dies under them; each is whole or not at all.
        let socket = lab.folder().join("control.sock");
        let sluice = format!("{} --socket {}", lab::program("sluice")?.display(), socket.display());
        let changes = format!("while {sluice} real add web {REAL3} && {sluice} real remove web {REAL3}; do :; done");
        let mut changes = lab.director().spawn(&format!("changes{round}"), "sh", ["-c", &changes])?;
        sleep(Duration::from_millis(random.next() % 400));
        let victim = random.next() % 3;
        if victim != 1 {
            lab.control().expect("it was started").kill()?;
        }
        if victim != 0 {
            lab.dataplane().expect("it was started").kill()?;
            // Half the time at once, half after control has noticed.
            sleep(Duration::from_millis(random.next() % 2 * 400));
            lab.start_dataplane()?;
        }
        if victim != 1 {
            changes.wait(LIMIT)?;
            lab.start_control()?;
        }
        drop(changes);
        lab.client().wait_for_answer(&url(NAT_VIP), LIMIT)?;
        next_answers(&mut load, 5)?;
    }
    drop(load);
    end_state_is_right(&lab)
}

fn end_state_is_right(lab: &Lab) -> Result<()> {
    // Whether the last change came to its end is a matter of luck; after this line it is not.
    let removed = lab.sluice(["real", "remove", "web", REAL3])?;
    assert!(matches!(removed.code, Some(0 | 3)), "{removed:?}");
    wait_until("the dataplane to have control's table", LIMIT, || {
        let status = ask(lab, "status")?;
        Ok((status["dataplane"]["connected"] == true && status["differences"] == serde_json::json!([])).then_some(()))
    })?;
    let answers = lab.client().get(&url(NAT_VIP), 30)?;
    assert_served(&answers);
    assert_eq!(shares(&answers), [("real1", 10), ("real2", 20)].into());
    let refused = &ask(lab, "status")?["dataplane"]["last_refusal"];
    assert!(refused.is_null(), "{refused}");
    Ok(())
}
