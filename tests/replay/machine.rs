//! The machine of a case: tests/replay/sluice.toml with what the case sets.

use toml::{Table, Value};

const MACHINE: &str = include_str!("sluice.toml");

/// The text of a case's sluice.toml. Keys are paths; an element of a list is found by its name: `port.lan.mtu`.
/// A key without a dot is a whole section: `route`.
pub(crate) fn text(changes: &Table) -> Result<String, String> {
    let mut machine: Table = MACHINE.parse().map_err(|error| format!("sluice.toml: {error}"))?;
    for (path, value) in changes {
        let Some((parents, key)) = path.rsplit_once('.') else {
            machine.insert(path.clone(), value.clone());
            continue;
        };
        let missing = || format!("machine: {path:?} is not in sluice.toml");
        let mut names = parents.split('.');
        let first = names.next().and_then(|name| machine.get_mut(name)).ok_or_else(missing)?;
        let parent = names.try_fold(first, child).ok_or_else(missing)?;
        parent.as_table_mut().ok_or_else(missing)?.insert(key.to_owned(), value.clone());
    }
    Ok(machine.to_string())
}

fn child<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match value {
        Value::Table(table) => table.get_mut(name),
        Value::Array(elements) => {
            elements.iter_mut().find(|element| element.get("name").and_then(Value::as_str) == Some(name))
        }
        _ => None,
    }
}
