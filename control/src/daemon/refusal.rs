//! What the dataplane refuses, in an operator's terms.

use config::Services;
use link::message::Refusal;

/// A refusal in words, with the name of the row where one is to blame.
pub(super) fn in_words(services: &Services, reason: Refusal, row: u32) -> String {
    match row_name(services, row).filter(|_| reason.blames_a_row()) {
        Some(name) => format!("{name}: {}", reason.help()),
        None => reason.help().to_owned(),
    }
}

/// What stands in this row of a services transaction: the timeouts, then each service followed by its reals.
fn row_name(services: &Services, row: u32) -> Option<String> {
    let mut left = row as usize;
    if left == 0 {
        return Some("timeouts".to_owned());
    }
    left -= 1;
    for named in &services.services {
        let reals = &named.service.reals;
        if left == 0 {
            return Some(format!("service {:?}", named.name));
        }
        if let Some(real) = reals.get(left - 1) {
            return Some(format!("service {:?}, real {}", named.name, real.address));
        }
        left -= 1 + reals.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_row_is_named_where_it_is_to_blame() {
        let text = "[[service]]\nname = \"a\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:80\"\n\
                    [[service.real]]\naddress = \"10.0.0.2:80\"\n\
                    [[service]]\nname = \"b\"\nprotocol = \"tcp\"\naddress = \"10.0.0.1:81\"\n";
        let services = Services::parse(text, "test").expect("a valid file");
        let name = |row| row_name(&services, row);
        assert_eq!(name(0).as_deref(), Some("timeouts"));
        assert_eq!(name(1).as_deref(), Some("service \"a\""));
        assert_eq!(name(2).as_deref(), Some("service \"a\", real 10.0.0.2:80"));
        assert_eq!(name(3).as_deref(), Some("service \"b\""));
        assert_eq!(name(4), None);
        let duplicate = in_words(&services, Refusal::DuplicateReal, 2);
        assert_eq!(duplicate, "service \"a\", real 10.0.0.2:80: two reals of one service share address and port");
        for row in [0, 2] {
            let many = in_words(&services, Refusal::TooManyReals, row);
            assert!(many.starts_with("there are more reals than"), "no row is to blame: {many}");
        }
    }
}
