//! The numbers by which enums travel and are kept in shared memory. 0 is never used, so that zeroed memory is not
//! taken for a value.

use crate::capture::CaptureRefusal;
use crate::message::{ConnectionState, Refusal, Table, Template};
use crate::model::{ForwardMethod, Helper, SchedulerKind};

/// An enum with a stable number on the link.
pub(crate) trait WireNumber: Copy + PartialEq + 'static {
    /// The values; the number of each is its place, from 1.
    const VALUES: &'static [Self];
    /// The allowed numbers, for error messages.
    const ALLOWED: &'static str;

    /// Its number.
    fn wire_number(self) -> u8 {
        let place = Self::VALUES.iter().position(|value| *value == self).unwrap_or(0);
        u8::try_from(place + 1).unwrap_or(0)
    }

    /// The value with this number.
    fn from_wire_number(number: u8) -> Option<Self> {
        Self::VALUES.get(usize::from(number).checked_sub(1)?).copied()
    }
}

impl WireNumber for Table {
    const VALUES: &'static [Self] = &[Self::Services, Self::NextHops];
    const ALLOWED: &'static str = "1 (services), 2 (next hops)";
}

impl WireNumber for ForwardMethod {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 (nat), 2 (tunnel), 3 (direct)";
}

impl WireNumber for SchedulerKind {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 (rr), 2 (wrr), 3 (lc), 4 (wlc), 5 (sed), 6 (nq), 7 (lblc), 8 (lblcr), 9 (dh), 10 (sh), \
                                   11 (mh), 12 (fo), 13 (ovf), 14 (twos)";
}

impl WireNumber for Refusal {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 to 15";
}

impl WireNumber for Helper {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 (ftp)";
}

impl WireNumber for CaptureRefusal {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 to 3";
}

impl WireNumber for Template {
    const VALUES: &'static [Self] = &[Self::Fresh, Self::Assured];
    const ALLOWED: &'static str = "1 (fresh), 2 (assured)";
}

impl WireNumber for ConnectionState {
    const VALUES: &'static [Self] = &Self::ALL;
    const ALLOWED: &'static str = "1 to 12";
}

#[cfg(test)]
mod tests {
    use super::WireNumber;
    use crate::message::{ConnectionState, Refusal, Table};
    use crate::model::{ForwardMethod, SchedulerKind};

    fn numbers_are_one_to_one<T: WireNumber + std::fmt::Debug>() {
        for number in 0..=u8::MAX {
            let value = T::from_wire_number(number);
            assert_eq!(value.is_some(), (1..=T::VALUES.len()).contains(&usize::from(number)));
            assert_eq!(value.map_or(number, T::wire_number), number);
        }
    }

    #[test]
    fn every_value_has_a_number_from_one_and_no_other_number_is_taken() {
        numbers_are_one_to_one::<Table>();
        numbers_are_one_to_one::<ForwardMethod>();
        numbers_are_one_to_one::<SchedulerKind>();
        numbers_are_one_to_one::<Refusal>();
        numbers_are_one_to_one::<ConnectionState>();
    }

    #[test]
    fn the_allowed_text_counts_as_the_values_do() {
        assert!(Refusal::ALLOWED.ends_with(&Refusal::VALUES.len().to_string()));
        assert!(ConnectionState::ALLOWED.ends_with(&ConnectionState::VALUES.len().to_string()));
        for kind in SchedulerKind::VALUES {
            assert!(SchedulerKind::ALLOWED.contains(&format!("{} ({})", kind.wire_number(), kind.name())));
        }
    }
}
