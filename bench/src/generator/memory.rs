//! What the checker remembers of flows: the real that each one goes to, and the last packet of it that came.

/// The most flows that are remembered at a time; of two that share a place, the later one is.
const MOST: u64 = 1 << 24;

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// Number of the last packet.
    last: u64,
    /// The flow, counted from 1; 0 = free.
    flow: u32,
    /// Its real, counted from 1; 0 = not known.
    real: u32,
}

/// What is remembered of the flows of one stream.
#[derive(Debug)]
pub(super) struct Memory {
    entries: Vec<Entry>,
    mask: u64,
}

/// What a packet is to the one before it of its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sequel {
    /// It came later, or is the first, and went the same way.
    Follows,
    /// It was sent earlier.
    Overtaken,
    /// It is the same packet again.
    Twice,
    /// It went to another real.
    OtherReal,
}

impl Memory {
    /// Memory of so many flows.
    pub(super) fn new(flows: u64) -> Self {
        let places = flows.min(MOST).next_power_of_two();
        Self { entries: vec![Entry::default(); places as usize], mask: places - 1 }
    }

    /// The same reals, and no packet yet.
    pub(super) fn reals_only(&self) -> Self {
        let entries = self.entries.iter().map(|entry| Entry { last: 0, ..*entry }).collect();
        Self { entries, mask: self.mask }
    }

    /// Takes a packet with this number, of the flow with this number (from 0), that went to this real, in.
    #[inline]
    pub(super) fn note(&mut self, flow: u64, sequence: u64, real: usize) -> Sequel {
        let Some(entry) = self.entries.get_mut((flow & self.mask) as usize) else { return Sequel::Follows };
        let (tag, real) = (flow as u32 + 1, real as u32 + 1);
        if entry.flow != tag {
            *entry = Entry { last: sequence, flow: tag, real };
            return Sequel::Follows;
        }
        let sequel = match () {
            () if entry.last == sequence => Sequel::Twice,
            () if entry.last > sequence => Sequel::Overtaken,
            () if entry.real != real && entry.real != 0 => Sequel::OtherReal,
            () => Sequel::Follows,
        };
        entry.last = entry.last.max(sequence);
        entry.real = real;
        sequel
    }

    /// The real (from 0) of a flow, if it is known.
    #[inline]
    pub(super) fn real(&self, flow: u64) -> Option<usize> {
        let entry = self.entries.get((flow & self.mask) as usize)?;
        (entry.flow == flow as u32 + 1 && entry.real > 0).then(|| entry.real as usize - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_packets_to_the_same_real_follow() {
        let mut memory = Memory::new(10);
        for sequence in 5..9 {
            assert_eq!(memory.note(3, sequence, 1), Sequel::Follows);
        }
        assert_eq!((memory.real(3), memory.real(4)), (Some(1), None));
    }

    #[test]
    fn an_earlier_packet_the_same_and_one_to_another_real_are_noticed() {
        let mut memory = Memory::new(10);
        memory.note(3, 7, 1);
        assert_eq!(memory.note(3, 6, 1), Sequel::Overtaken);
        assert_eq!(memory.note(3, 7, 1), Sequel::Twice);
        assert_eq!(memory.note(3, 8, 0), Sequel::OtherReal);
        assert_eq!(memory.note(4, 2, 0), Sequel::Follows, "another flow");
    }
}
