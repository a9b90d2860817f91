//! What a director has at one moment, in rows that can be compared.

use crate::services::UNUSED_PORT;
use serde_json::Value;
use std::collections::BTreeMap;

/// Connections, services, reals and their numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Dump {
    /// A connection, and the seconds until it expires.
    pub(crate) connections: BTreeMap<String, f64>,
    /// All else.
    pub(crate) rows: Vec<String>,
}

const METHODS: [(&str, &str); 4] = [("Masq", "nat"), ("Tunnel", "tunnel"), ("Route", "direct"), ("Local", "local")];

impl Dump {
    /// From what ipvsadm printed: connections, services, statistics.
    pub(crate) fn of_lines(lines: &[String]) -> Self {
        let mut dump = Self::default();
        let (mut service, mut statistics) = (String::new(), false);
        for line in lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["Prot", ..] => statistics = line.contains("Conns"),
                [protocol @ ("TCP" | "UDP" | "IP"), expires, state, client, service, real] if real.contains(':') => {
                    let row = format!("{} {client} {service} {real} {state}", protocol.to_lowercase());
                    dump.connections.insert(row, seconds(expires));
                }
                [protocol @ ("TCP" | "UDP" | "FWM"), key, ref rest @ ..] => {
                    service = format!(
                        "{} {key}",
                        if protocol == "FWM" { "group".to_owned() } else { protocol.to_lowercase() }
                    );
                    let rest = if statistics { format!("traffic {}", rest.join(" ")) } else { rest[..1].join(" ") };
                    dump.rows.push(format!("{service} {rest}"));
                }
                ["->", "RemoteAddress:Port", ..] => {}
                ["->", real, ref numbers @ ..] if statistics => {
                    dump.rows.push(format!("{service} -> {real} traffic {}", numbers.join(" ")));
                }
                ["->", real, method, weight, active, inactive] => {
                    let method = METHODS.iter().find(|(theirs, _)| *theirs == method).map_or(method, |(_, ours)| ours);
                    dump.rows.push(format!(
                        "{service} -> {real} {method} weight {weight} active {active} inactive {inactive}"
                    ));
                }
                _ => {}
            }
        }
        dump.rows.sort();
        dump
    }

    /// From a state of a replay.
    pub(crate) fn of_state(state: &Value) -> Self {
        let mut dump = Self::default();
        for entry in list(&state["connections"]) {
            let [protocol, client, service, real, state] =
                ["protocol", "client", "virtual", "real", "state"].map(|key| text(&entry[key]));
            let row = format!("{protocol} {client} {service} {real} {state}");
            dump.connections.insert(row, entry["expires_in"].as_f64().unwrap_or(-1.0));
        }
        let unused = format!(":{UNUSED_PORT}");
        for service in list(&state["services"]).filter(|service| !text(&service["service"]).ends_with(&unused)) {
            let key = text(&service["service"]);
            dump.rows.push(format!("{key} {}", text(&service["scheduler"])));
            dump.rows.push(format!("{key} traffic {}", traffic(service)));
            for real in list(&service["reals"]).filter(|real| real["removed"] == false) {
                let [address, method, weight, active, inactive] =
                    ["address", "method", "weight", "active", "inactive"].map(|name| text(&real[name]));
                dump.rows
                    .push(format!("{key} -> {address} {method} weight {weight} active {active} inactive {inactive}"));
                dump.rows.push(format!("{key} -> {address} traffic {}", traffic(real)));
            }
        }
        dump.rows.sort();
        dump
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn traffic(of: &Value) -> String {
    ["connections", "in_packets", "out_packets", "in_bytes", "out_bytes"].map(|key| text(&of[key])).join(" ")
}

/// Seconds from minutes and seconds, `14:59`.
fn seconds(text: &str) -> f64 {
    let mut parts = text.split(':').map(|part| part.parse::<f64>().unwrap_or(-1.0));
    parts.next().unwrap_or(-1.0) * 60.0 + parts.next().unwrap_or(-1.0)
}
