//! CARD-5: whatever a process writes where only control may write, the dataplane goes on with the last valid table and
//! counts the garbage; the next control is served.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use lab::{Lab, NAT_VIP, Result, wait_until};
use link::message::{Reply, Request, Table};
use link::model::Timeouts;
use link::{ControlLink, StatusReport, Viewer};

use crate::support::{LIMIT, Random, ask, assert_served, next_answers, paper, shares, url};

/// Where the header of the region has the section that control writes (offset, then length; the fourth of the sections,
/// which follow 64 bytes): the layout of ABI version 1.
const CONTROL_SECTION: u64 = 64 + 3 * 16;

#[test]
fn random_bytes_from_the_holder_of_the_control_lock_do_no_harm() -> Result<()> {
    let mut lab = paper()?;
    let mut load = lab.client().load(&url(NAT_VIP), 50)?;
    lab.control().expect("it was started").kill()?;
    let before = status(&lab);

    let hostile = ControlLink::attach(&link_path(&lab)).expect("control is gone");
    let mut random = Random::new(11);
    for _ in 0..300 {
        write_garbage(&lab, &mut random);
        sleep(Duration::from_millis(3));
    }
    let during = next_answers(&mut load, 20)?;
    assert_served(&during);
    let after = wait_until("garbage to be counted", LIMIT, || {
        Ok(Some(status(&lab)).filter(|now| now.garbage >= before.garbage + 100))
    })?;
    assert_eq!(after.services_generation, before.services_generation);
    drop(hostile);

    lab.start_control()?;
    lab.sluice_ok(["real", "remove", "web", "172.16.0.3:8000"])?;
    assert_eq!(shares(&next_answers(&mut load, 20)?), [("real1", 20)].into());
    assert_served(&load.answers()?);
    Ok(())
}

#[test]
fn a_control_that_vanishes_in_a_transaction_leaves_the_old_table() -> Result<()> {
    let mut lab = paper()?;
    lab.control().expect("it was started").kill()?;
    let before = status(&lab).services_generation;

    let mut control = ControlLink::attach(&link_path(&lab)).expect("control is gone");
    control.send(&Request::Hello { pid: 1 }).expect("room in the ring");
    wait_until("the dataplane's welcome", LIMIT, || {
        Ok(matches!(control.receive(), Some(Ok((_, Reply::Welcome { .. })))).then_some(()))
    })?;
    // Five rows are announced; one comes.
    let begin = Request::Begin { table: Table::Services, generation: before + 1, rows: 5 };
    for request in [begin, Request::Timeouts(Timeouts::default())] {
        control.send(&request).expect("room in the ring");
    }
    drop(control);

    assert_served(&lab.client().get(&url(NAT_VIP), 6)?);
    assert_eq!(status(&lab).services_generation, before);
    lab.start_control()?;
    lab.sluice_ok(["real", "set", "web", "172.16.0.2:80", "--weight", "2"])?;
    assert_eq!(ask(&lab, "status")?["dataplane"]["services_generation"], before + 1);
    assert_eq!(shares(&lab.client().get(&url(NAT_VIP), 10)?), [("real1", 5), ("real2", 5)].into());
    Ok(())
}

/// Up to 4 KiB anywhere in the section, and a number of records written that is anything.
fn write_garbage(lab: &Lab, random: &mut Random) {
    let file = File::options().read(true).write(true).open(link_path(lab)).expect("root may");
    let mut header = [0; 16];
    file.read_exact_at(&mut header, CONTROL_SECTION).expect("the header is there");
    let (offset, length) = header.split_at(8);
    let word = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().expect("eight bytes"));
    let (offset, length) = (word(offset), word(length));
    let from = random.next() % length;
    let count = (random.next() % 4096).min(length - from);
    let bytes: Vec<u8> = (0..count).map(|_| random.next() as u8).collect();
    file.write_all_at(&bytes, offset + from).expect("it can be written");
    file.write_all_at(&(random.next() as u32).to_ne_bytes(), offset).expect("it can be written");
}

fn status(lab: &Lab) -> StatusReport {
    Viewer::open(&link_path(lab)).expect("the dataplane runs").view().status()
}

fn link_path(lab: &Lab) -> PathBuf {
    lab.machine().link().to_owned()
}
