//! The stages of a burst, for those who time them.

/// A part of a burst's way. All its packets are parsed before the first is looked up; then the other two take turns, some
/// packets each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stage {
    /// Frames are validated, owners and keys found.
    Parse,
    /// The table of connections is asked for many keys at once.
    LookUp,
    /// Packet by packet: state, counters, rewriting, and into the burst of the way out.
    Forward,
}

impl Stage {
    /// All, in the order in which a burst passes them.
    pub const ALL: [Self; 3] = [Self::Parse, Self::LookUp, Self::Forward];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Parse => "parse",
            Self::LookUp => "look-up",
            Self::Forward => "forward",
        }
    }
}

/// What a burst may wait for, told to who asks for it between look-up and forwarding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The same look-up once more, with all it reads in the cache: what the first took longer was waiting.
    LookUpAgain,
    /// The entries that were found came into the cache.
    Connections,
}

/// Told when a stage of a burst ends. `()` is the one that does nothing and costs nothing.
pub trait Stopwatch {
    /// Whether it is told of waits too; they take time of their own.
    const WAITS: bool = false;

    /// A wait has just ended; the first one began with the lap of the look-up.
    fn wait(&mut self, _wait: Wait) {}

    /// `stage` has just ended, for all packets or for some; the first one of a burst began with the call of `process_timed`.
    fn lap(&mut self, stage: Stage);
}

impl Stopwatch for () {
    #[inline(always)]
    fn lap(&mut self, _stage: Stage) {}
}
