//! Application helpers: protocols that name addresses and ports of further connections in their text.
//!
//! A helper reads the lines of a control connection behind NAT, announces the connections that they name
//! ([`crate::connection::expected`]), and may replace a part of a real's line: a client must be told the service's
//! address, not the real's. Lines are put together over segments, and repeated segments are changed as the first ones
//! were ([`stream`], [`sequence`]). Packets are never held back. Nothing here allocates after the start.
//!
//! Only NAT: behind a tunnel or direct routing the real has the service's address itself, and its packets don't pass.

pub mod ftp;
pub mod segment;
pub mod sequence;
pub mod states;
pub mod stream;

pub use sequence::Text;
pub use states::Helpers;

use crate::connection::Endpoint;
use std::ops::Range;

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The client's: it is read only.
    Client,
    /// The real's.
    Real,
}

/// The three ends of a control connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// The client's.
    pub client: Endpoint,
    /// The service's.
    pub service: Endpoint,
    /// The real's.
    pub real: Endpoint,
}

/// What a helper makes of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it passes as it is.
    Pass,
    /// It passes as it is and means nothing to the director, though it looks as if it should: counted.
    Refuse,
    /// A part of the line, of a real, is replaced.
    Replace(Range<usize>, Text),
}

/// Announces connections for a helper.
pub trait Announce {
    /// The client will connect to the service's address; the real listens on `port`. Returns the port of the service's
    /// address that leads there: the same one, or another where that is taken. `None` if no more may be announced.
    fn expect_client(&mut self, port: u16) -> Option<u16>;

    /// The real will connect from its port before the service's (RFC 959 section 5.2) to the client's `port`. False if no
    /// more may be announced.
    fn expect_real(&mut self, port: u16) -> bool;
}

/// One protocol's helper, and what it remembers of one control connection.
pub trait Helper {
    /// A whole line, with its end. Called once for each line, in order.
    fn line(&mut self, from: Side, line: &[u8], ends: &Ends, announce: &mut impl Announce) -> Action;

    /// Where in the beginning of a line, whose end has not come yet, the text begins that [`Helper::line`] may want to
    /// replace; `None` if it has none so far.
    fn may_replace(&self, from: Side, beginning: &[u8]) -> Option<usize>;

    /// Whether a line that begins so would mean something: one that is too long to be read is counted as refused then.
    fn concerns(&self, from: Side, beginning: &[u8]) -> bool;
}
