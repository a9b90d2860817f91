//! The reference's TCP state tables: what a segment does to a connection's state. Flags only; sequence numbers and
//! windows are not looked at, as in the reference.
//!
//! A NAT connection sees both halves ([`Direction::Inbound`], [`Direction::Outbound`]). Behind a tunnel or direct
//! routing only the client's half passes the director ([`Direction::InboundOnly`]), so there a client's FIN is taken
//! for the end.

use link::message::ConnectionState;
use link::model::ForwardMethod;

/// Whose segment it is, and whether the other half is ever seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// Client to real, of a connection whose replies pass here too (NAT).
    Inbound,
    /// Real to client (NAT).
    Outbound,
    /// Client to real, of a connection whose replies do not pass here (tunnel, direct).
    InboundOnly,
}

impl Direction {
    /// That of a client's segment, by the connection's method.
    #[inline]
    pub const fn of_inbound(method: ForwardMethod) -> Self {
        match method {
            ForwardMethod::Nat => Self::Inbound,
            ForwardMethod::Tunnel | ForwardMethod::Direct => Self::InboundOnly,
        }
    }
}

/// Which of the reference's two sets of tables holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Rules {
    /// Those of every day.
    #[default]
    Plain,
    /// Those of the setting `secure_tcp`: half-open connections are told apart by whether the real has answered
    /// (SYN_RECV, then SYNACK), and where its segments are seen a client alone can't make a connection ESTABLISHED.
    Secure,
}

/// What a segment means to the tables: the first set flag in the order RST, SYN, FIN, ACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Event {
    /// SYN, with or without ACK.
    Syn,
    /// FIN without SYN.
    Fin,
    /// ACK without SYN or FIN.
    Ack,
    /// RST, whatever else is set.
    Rst,
    /// None of them.
    Other,
}

/// Flag bits of the TCP header's byte 13 (RFC 9293 section 3.1).
mod flag {
    pub(super) const FIN: u8 = 0x01;
    pub(super) const SYN: u8 = 0x02;
    pub(super) const RST: u8 = 0x04;
    pub(super) const ACK: u8 = 0x10;
}

impl Event {
    /// Classifies byte 13 of a TCP header.
    #[inline]
    pub const fn from_flags(flags: u8) -> Self {
        if flags & flag::RST != 0 {
            Self::Rst
        } else if flags & flag::SYN != 0 {
            Self::Syn
        } else if flags & flag::FIN != 0 {
            Self::Fin
        } else if flags & flag::ACK != 0 {
            Self::Ack
        } else {
            Self::Other
        }
    }
}

const STATES: usize = ConnectionState::ALL.len();

/// By event; the states in the order of [`ConnectionState::ALL`].
type Table = [[ConnectionState; STATES]; 5];

/// The state after `event` in `direction`. A UDP connection stays one.
#[inline]
#[expect(clippy::indexing_slicing, reason = "a variant's number is below the array's length; no check is left")]
pub const fn next_state(rules: Rules, direction: Direction, state: ConnectionState, event: Event) -> ConnectionState {
    TABLES[rules as usize][direction as usize][event as usize][state as usize]
}

const TABLES: [[Table; 3]; 2] = [PLAIN, SECURE];

const PLAIN: [Table; 3] = {
    use ConnectionState::{
        Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI, SynRecv as SR,
        SynSent as SS, TimeWait as TW, Udp as UD,
    };
    // Columns, the current state: NO ES SS SR FW TW CL CW LA LI SA UDP.
    const OTHER: [ConnectionState; STATES] = [CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, CL, UD];
    let inbound = [
        /* syn */ [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR, UD],
        /* fin */ [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW, UD],
        /* ack */ [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES, UD],
        /* rst */ [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR, UD],
        OTHER,
    ];
    let outbound = [
        /* syn */ [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR, UD],
        /* fin */ [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW, UD],
        /* ack */ [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES, UD],
        /* rst */ [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL, UD],
        OTHER,
    ];
    let inbound_only = [
        /* syn */ [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR, UD],
        /* fin */ [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW, UD],
        /* ack */ [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES, UD],
        /* rst */ [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL, UD],
        OTHER,
    ];
    [inbound, outbound, inbound_only]
};

/// The plain tables but for what `secure_tcp` changes.
#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const SECURE: [Table; 3] = {
    use ConnectionState::{Close, CloseWait, FinWait, LastAck, Listen, None, SynAck, SynRecv, TimeWait};
    let [mut inbound, mut outbound, mut inbound_only] = PLAIN;
    inbound[Event::Syn as usize][SynAck as usize] = SynAck;
    inbound[Event::Fin as usize][SynAck as usize] = SynAck;
    inbound[Event::Ack as usize][SynRecv as usize] = SynRecv;
    inbound[Event::Ack as usize][SynAck as usize] = SynAck;
    inbound[Event::Rst as usize][SynAck as usize] = Close;
    outbound[Event::Syn as usize][SynRecv as usize] = SynAck;
    outbound[Event::Syn as usize][SynAck as usize] = SynAck;
    let from = [None, FinWait, TimeWait, Close, CloseWait, LastAck, Listen, SynAck];
    let mut next = 0;
    while next < from.len() {
        inbound_only[Event::Syn as usize][from[next] as usize] = SynAck;
        next += 1;
    }
    [inbound, outbound, inbound_only]
};

#[cfg(test)]
mod tests {
    use super::{Direction, Event, Rules, next_state};
    use link::message::ConnectionState;

    /// The eleven TCP states in column order, by the two-letter names of the reference.
    const NAMES: [&str; 11] = ["NO", "ES", "SS", "SR", "FW", "TW", "CL", "CW", "LA", "LI", "SA"];

    fn assert_row(direction: Direction, event: Event, row: &str) {
        assert_row_of(Rules::Plain, direction, event, row);
    }

    fn assert_row_of(rules: Rules, direction: Direction, event: Event, row: &str) {
        let got: Vec<_> = ConnectionState::ALL[..11]
            .iter()
            .map(|state| NAMES[next_state(rules, direction, *state, event) as usize])
            .collect();
        assert_eq!(got.join(" "), row, "{rules:?} {direction:?} {event:?}");
    }

    #[test]
    fn inbound_rows_are_the_references() {
        assert_row(Direction::Inbound, Event::Syn, "SR ES ES SR SR SR SR SR SR SR SR");
        assert_row(Direction::Inbound, Event::Fin, "CL CW SS TW TW TW CL CW LA LI TW");
        assert_row(Direction::Inbound, Event::Ack, "ES ES SS ES FW TW CL CW CL LI ES");
        assert_row(Direction::Inbound, Event::Rst, "CL CL CL SR CL CL CL CL LA LI SR");
    }

    #[test]
    fn outbound_rows_are_the_references() {
        assert_row(Direction::Outbound, Event::Syn, "SS ES SS SR SS SS SS SS SS LI SR");
        assert_row(Direction::Outbound, Event::Fin, "TW FW SS TW FW TW CL TW LA LI TW");
        assert_row(Direction::Outbound, Event::Ack, "ES ES SS ES FW TW CL CW LA ES ES");
        assert_row(Direction::Outbound, Event::Rst, "CL CL SS CL CL TW CL CL CL CL CL");
    }

    #[test]
    fn inbound_only_rows_are_the_references() {
        assert_row(Direction::InboundOnly, Event::Syn, "SR ES ES SR SR SR SR SR SR SR SR");
        assert_row(Direction::InboundOnly, Event::Fin, "CL FW SS TW FW TW CL CW LA LI TW");
        assert_row(Direction::InboundOnly, Event::Ack, "ES ES SS ES FW TW CL CW CL LI ES");
        assert_row(Direction::InboundOnly, Event::Rst, "CL CL CL SR CL CL CL CL LA LI CL");
    }

    #[test]
    fn secure_rows_are_the_references() {
        let assert_row = |direction, event, row| assert_row_of(Rules::Secure, direction, event, row);
        assert_row(Direction::Inbound, Event::Syn, "SR ES ES SR SR SR SR SR SR SR SA");
        assert_row(Direction::Inbound, Event::Fin, "CL CW SS TW TW TW CL CW LA LI SA");
        assert_row(Direction::Inbound, Event::Ack, "ES ES SS SR FW TW CL CW CL LI SA");
        assert_row(Direction::Inbound, Event::Rst, "CL CL CL SR CL CL CL CL LA LI CL");
        assert_row(Direction::Outbound, Event::Syn, "SS ES SS SA SS SS SS SS SS LI SA");
        assert_row(Direction::Outbound, Event::Fin, "TW FW SS TW FW TW CL TW LA LI TW");
        assert_row(Direction::Outbound, Event::Ack, "ES ES SS ES FW TW CL CW LA ES ES");
        assert_row(Direction::Outbound, Event::Rst, "CL CL SS CL CL TW CL CL CL CL CL");
        assert_row(Direction::InboundOnly, Event::Syn, "SA ES ES SR SA SA SA SA SA SA SA");
        assert_row(Direction::InboundOnly, Event::Fin, "CL FW SS TW FW TW CL CW LA LI TW");
        assert_row(Direction::InboundOnly, Event::Ack, "ES ES SS ES FW TW CL CW CL LI ES");
        assert_row(Direction::InboundOnly, Event::Rst, "CL CL CL SR CL CL CL CL LA LI CL");
    }

    #[test]
    fn a_segment_without_any_flag_closes() {
        for rules in [Rules::Plain, Rules::Secure] {
            for direction in [Direction::Inbound, Direction::Outbound, Direction::InboundOnly] {
                assert_row_of(rules, direction, Event::Other, "CL CL CL CL CL CL CL CL CL CL CL");
            }
        }
    }

    /// What the quick way of packets relies on.
    #[test]
    fn established_stays_established_while_the_connection_goes_on() {
        for direction in [Direction::Inbound, Direction::Outbound, Direction::InboundOnly] {
            for rules in [Rules::Plain, Rules::Secure] {
                let state = ConnectionState::Established;
                assert_eq!(next_state(rules, direction, state, Event::Ack), state, "{rules:?} {direction:?}");
            }
        }
    }

    #[test]
    fn udp_stays_udp() {
        for direction in [Direction::Inbound, Direction::Outbound, Direction::InboundOnly] {
            for event in [Event::Syn, Event::Fin, Event::Ack, Event::Rst, Event::Other] {
                for rules in [Rules::Plain, Rules::Secure] {
                    assert_eq!(next_state(rules, direction, ConnectionState::Udp, event), ConnectionState::Udp);
                }
            }
        }
    }

    #[test]
    fn the_first_flag_of_rst_syn_fin_ack_counts() {
        const FIN: u8 = 0x01;
        const SYN: u8 = 0x02;
        const RST: u8 = 0x04;
        const PSH: u8 = 0x08;
        const ACK: u8 = 0x10;
        for (flags, event) in [
            (RST | SYN | FIN | ACK, Event::Rst),
            (SYN | FIN | ACK, Event::Syn),
            (FIN | ACK | PSH, Event::Fin),
            (ACK | PSH, Event::Ack),
            (PSH, Event::Other),
            (0, Event::Other),
        ] {
            assert_eq!(Event::from_flags(flags), event, "{flags:#04x}");
        }
    }

    fn walk(steps: &[(Direction, Event)]) -> Vec<&'static str> {
        walk_by(Rules::Plain, steps)
    }

    fn walk_by(rules: Rules, steps: &[(Direction, Event)]) -> Vec<&'static str> {
        let mut state = ConnectionState::None;
        steps
            .iter()
            .map(|(direction, event)| {
                state = next_state(rules, *direction, state, *event);
                state.name()
            })
            .collect()
    }

    #[test]
    fn a_nat_connection_that_the_client_closes_ends_in_time_wait() {
        use Direction::{Inbound, Outbound};
        let states = walk(&[
            (Inbound, Event::Syn),
            (Outbound, Event::Syn),
            (Inbound, Event::Ack),
            (Inbound, Event::Fin),
            (Outbound, Event::Fin),
        ]);
        assert_eq!(states, ["SYN_RECV", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "TIME_WAIT"]);
    }

    #[test]
    fn under_secure_rules_the_real_must_answer_twice_before_a_nat_connection_is_established() {
        use Direction::{Inbound, Outbound};
        let states = walk_by(
            Rules::Secure,
            &[
                (Inbound, Event::Syn),
                (Inbound, Event::Ack),
                (Outbound, Event::Syn),
                (Inbound, Event::Ack),
                (Outbound, Event::Ack),
            ],
        );
        assert_eq!(states, ["SYN_RECV", "SYN_RECV", "SYNACK", "SYNACK", "ESTABLISHED"]);
    }

    #[test]
    fn a_half_connection_that_the_client_closes_stays_in_fin_wait() {
        use Direction::InboundOnly;
        let states = walk(&[
            (InboundOnly, Event::Syn),
            (InboundOnly, Event::Ack),
            (InboundOnly, Event::Fin),
            (InboundOnly, Event::Ack),
        ]);
        assert_eq!(states, ["SYN_RECV", "ESTABLISHED", "FIN_WAIT", "FIN_WAIT"]);
    }

    #[test]
    fn a_reset_in_syn_recv_closes_only_if_the_server_sent_it() {
        use Direction::{Inbound, Outbound};
        assert_eq!(walk(&[(Inbound, Event::Syn), (Inbound, Event::Rst)]), ["SYN_RECV", "SYN_RECV"]);
        assert_eq!(walk(&[(Inbound, Event::Syn), (Outbound, Event::Rst)]), ["SYN_RECV", "CLOSE"]);
    }
}
