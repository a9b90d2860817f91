//! What the dataplane refuses, in an operator's terms.

use config::Services;
use link::message::{Refusal, Request};
use link::transaction::rows_of_services;

/// A refusal in words, with the name of the row where one is to blame.
pub(super) fn in_words(services: &Services, reason: Refusal, row: u32) -> String {
    match row_name(services, row).filter(|_| reason.blames_a_row()) {
        Some(name) => format!("{name}: {}", reason.help()),
        None => reason.help().to_owned(),
    }
}

/// What stands in this row of a services transaction.
fn row_name(services: &Services, row: u32) -> Option<String> {
    let table = services.table();
    let mut names = services.services.iter().map(|named| &named.name);
    let mut service = None;
    let mut found = None;
    for request in rows_of_services(&table).take(usize::try_from(row).ok()?.saturating_add(1)) {
        if let Request::Service { .. } = request {
            service = names.next();
        }
        found = Some(request);
    }
    let is_last = rows_of_services(&table).count() > row as usize;
    found.filter(|_| is_last).map(|request| named(&request, service.map_or("", String::as_str)))
}

fn named(request: &Request, service: &str) -> String {
    match request {
        Request::Timeouts(_) => "timeouts".to_owned(),
        Request::Settings(_) => "settings".to_owned(),
        Request::GroupEndpoint { group, endpoint } => format!("group {group}, endpoint {endpoint}"),
        Request::ServiceTimeouts(_) => format!("service {service:?}, timeouts"),
        Request::Real(real) => format!("service {service:?}, real {}", real.address),
        _ => format!("service {service:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_row_is_named_where_it_is_to_blame() {
        let text = "[[group]]\nnumber = 7\nendpoints = [\"tcp 10.0.0.9:80\"]\n[[service]]\nname = \"a\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:80\"\n\
                    [service.timeouts]\nudp = 5\n\
                    [[service.real]]\naddress = \"10.0.0.2:80\"\n\
                    [[service]]\nname = \"b\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:81\"\n";
        let services = Services::parse(text, "test").expect("a valid file");
        let name = |row| row_name(&services, row);
        assert_eq!(name(0).as_deref(), Some("timeouts"));
        assert_eq!(name(1).as_deref(), Some("settings"));
        assert_eq!(name(2).as_deref(), Some("group 7, endpoint tcp 10.0.0.9:80"));
        assert_eq!(name(3).as_deref(), Some("service \"a\""));
        assert_eq!(name(4).as_deref(), Some("service \"a\", timeouts"));
        assert_eq!(name(5).as_deref(), Some("service \"a\", real 10.0.0.2:80"));
        assert_eq!(name(6).as_deref(), Some("service \"b\""));
        assert_eq!(name(7), None);
        let duplicate = in_words(&services, Refusal::DuplicateReal, 5);
        assert_eq!(duplicate, "service \"a\", real 10.0.0.2:80: two reals of one service share address and port");
        for row in [0, 5] {
            let many = in_words(&services, Refusal::TooManyReals, row);
            assert!(many.starts_with("there are more reals than"), "no row is to blame: {many}");
        }
    }
}
