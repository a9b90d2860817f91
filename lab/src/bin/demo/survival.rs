//! What a load sees while control is killed, comes back and removes a real.

use std::time::Duration;

use lab::{Answer, Lab, Load, NAT_VIP, Result, wait_until};

use super::check;

/// New connections a second, all through.
const RATE: u32 = 50;
/// How many answers each step must see.
const ANSWERS: usize = 50;
/// How long they may take.
const LIMIT: Duration = Duration::from_secs(10);

/// The real that is removed: the second of the service `web`.
const REMOVED: (&str, &str) = ("172.16.0.3:8000", "real2");

/// Kills control under load, starts it again, removes a real, and prints what the command line shows. Whether every
/// line holds.
pub(super) fn show(lab: &mut Lab) -> Result<bool> {
    println!("A load of {RATE} new connections a second to http://{NAT_VIP}/ while control is killed:\n");
    let services_before = lab.sluice_ok(["--format", "json", "service", "list"])?;
    let mut load = lab.client().load(&format!("http://{NAT_VIP}/"), RATE)?;
    next_answers(&mut load)?;

    if let Some(control) = lab.control() {
        control.kill()?;
    }
    let answers = next_answers(&mut load)?;
    let mut held =
        check(&format!("sluiced is gone (kill -9): {} further connections served", answers.len()), served(&answers));
    let code = lab.sluice(["status"])?.code;
    held &= check("`sluice status` says that control cannot be reached (exit code 4)", same(&code, &Some(4)));

    lab.start_control()?;
    let answers = next_answers(&mut load)?;
    held &= check(&format!("sluiced is back: {} further connections served", answers.len()), served(&answers));
    let services_after = lab.sluice_ok(["--format", "json", "service", "list"])?;
    held &= check("It found the services as they were", same(&names(&services_after), &names(&services_before)));

    // Drained first, so that no connection is cut; then it can go.
    for action in ["drain", "remove"] {
        let said = lab.sluice_ok(["real", action, "web", REMOVED.0])?;
        let answers = next_answers(&mut load)?;
        let line = format!("{} {} further connections, none to {}", said.trim(), answers.len(), REMOVED.1);
        held &= check(&line, served(&answers).and_then(|()| none_from(&answers, REMOVED.1)));
    }

    let all = load.answers()?;
    drop(load);
    held &= check(&format!("All through: {} connections, all of them served", all.len()), served(&all));

    for command in ["service list", "stats", "drops"] {
        println!("\n$ sluice {command}\n{}", lab.sluice_ok(command.split(' '))?.trim_end());
    }
    println!();
    Ok(held)
}

/// The next answers to requests that begin from now on.
fn next_answers(load: &mut Load) -> Result<Vec<Answer>> {
    // One request may be under way.
    let begin = load.answers()?.len() + 1;
    wait_until(format!("{ANSWERS} answers to the load"), LIMIT, || {
        let answers = load.answers()?;
        Ok((answers.len() >= begin + ANSWERS).then(|| answers[begin..begin + ANSWERS].to_vec()))
    })
}

fn served(answers: &[Answer]) -> Result<(), String> {
    let failed: Vec<&Answer> = answers.iter().filter(|answer| !answer.is_ok()).collect();
    match failed.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} were not; the first: status {} {}", failed.len(), first.status, first.error)),
    }
}

fn none_from(answers: &[Answer], real: &str) -> Result<(), String> {
    match answers.iter().filter(|answer| answer.real == real).count() {
        0 => Ok(()),
        count => Err(format!("{count} went to {real}")),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(got: &T, wanted: &T) -> Result<(), String> {
    if got == wanted { Ok(()) } else { Err(format!("{got:?}, wanted {wanted:?}")) }
}

/// Names of services and addresses of reals, without the counters.
fn names(list: &str) -> Vec<String> {
    fn walk(value: &serde_json::Value, names: &mut Vec<String>) {
        match value {
            serde_json::Value::Array(items) => items.iter().for_each(|item| walk(item, names)),
            serde_json::Value::Object(fields) => {
                let named = ["name", "address", "weight"].iter().filter_map(|key| fields.get(*key));
                names.extend(named.map(ToString::to_string));
                fields.values().for_each(|field| walk(field, names));
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    let values = serde_json::Deserializer::from_str(list).into_iter::<serde_json::Value>();
    values.filter_map(Result::ok).for_each(|value| walk(&value, &mut found));
    found
}
