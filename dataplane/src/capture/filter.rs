//! Runs a filter over a frame: the classic BSD packet filter (McCanne and Jacobson 1993; bpf(4)).

use link::capture::{Instruction, MAX_INSTRUCTIONS};

/// Words of scratch memory (bpf(4), BPF_MEMWORDS).
const MEMORY: usize = 16;

/// A filter. It ends for every frame, whatever its instructions are: each is reached once at most.
#[derive(Clone, Debug)]
pub struct Filter {
    instructions: [Instruction; MAX_INSTRUCTIONS],
    length: usize,
}

impl Default for Filter {
    /// Lets nothing pass.
    fn default() -> Self {
        Self { instructions: [Instruction::default(); MAX_INSTRUCTIONS], length: 0 }
    }
}

/// The registers.
#[derive(Default)]
struct Machine {
    accumulator: u32,
    index: u32,
    memory: [u32; MEMORY],
}

/// What an instruction leads to.
enum Next {
    /// So many are skipped.
    Skip(u32),
    /// The end.
    Return(bool),
}

impl Filter {
    /// Takes these instructions, [`MAX_INSTRUCTIONS`] at most.
    pub fn load(&mut self, instructions: impl Iterator<Item = Instruction>) {
        self.length = 0;
        for (place, instruction) in self.instructions.iter_mut().zip(instructions) {
            *place = instruction;
            self.length += 1;
        }
    }

    /// Whether a frame passes. An instruction that is not known, or that reads beyond the frame, lets it not.
    #[inline]
    pub fn passes(&self, frame: &[u8]) -> bool {
        let mut machine = Machine::default();
        let mut skip = 0;
        for instruction in self.instructions.iter().take(self.length) {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            match machine.step(*instruction, frame) {
                Some(Next::Skip(count)) => skip = count,
                Some(Next::Return(passes)) => return passes,
                None => return false,
            }
        }
        false
    }
}

impl Machine {
    /// One instruction; `None`: the packet does not pass.
    #[inline(always)]
    fn step(&mut self, Instruction { code, jt, jf, k }: Instruction, frame: &[u8]) -> Option<Next> {
        match code & 7 {
            0 => self.accumulator = self.load(code, k, frame)?,
            1 => self.index = self.load_index(code, k, frame)?,
            2 => *self.memory.get_mut(k as usize)? = self.accumulator,
            3 => *self.memory.get_mut(k as usize)? = self.index,
            4 => self.accumulator = self.compute(code, self.operand(code, k))?,
            5 => {
                return self
                    .jump(code, k)
                    .map(|skip| Next::Skip(skip.unwrap_or_else(|holds| u32::from(if holds { jt } else { jf }))));
            }
            6 => return Some(Next::Return(if code & 0x18 == 0 { k } else { self.accumulator } != 0)),
            _ if code & 0x80 == 0 => self.index = self.accumulator,
            _ => self.accumulator = self.index,
        }
        Some(Next::Skip(0))
    }

    /// The constant or the index register.
    #[inline(always)]
    fn operand(&self, code: u16, k: u32) -> u32 {
        if code & 8 == 0 { k } else { self.index }
    }

    #[inline(always)]
    fn load(&self, code: u16, k: u32, frame: &[u8]) -> Option<u32> {
        let place = match code & 0xe0 {
            0x00 => return Some(k),
            0x20 => k,
            0x40 => self.index.checked_add(k)?,
            0x60 => return self.memory.get(k as usize).copied(),
            _ => return Some(frame.len() as u32),
        };
        let rest = frame.get(place as usize..)?;
        match code & 0x18 {
            0x00 => rest.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)),
            0x08 => rest.first_chunk().map(|bytes| u32::from(u16::from_be_bytes(*bytes))),
            _ => rest.first().map(|byte| u32::from(*byte)),
        }
    }

    #[inline(always)]
    fn load_index(&self, code: u16, k: u32, frame: &[u8]) -> Option<u32> {
        match code & 0xe0 {
            0x00 => Some(k),
            0x60 => self.memory.get(k as usize).copied(),
            0x80 => Some(frame.len() as u32),
            // Four times the low half of a byte: the length of an IPv4 header.
            _ => frame.get(k as usize).map(|byte| u32::from(byte & 0xf) << 2),
        }
    }

    #[inline(always)]
    fn compute(&self, code: u16, operand: u32) -> Option<u32> {
        let value = self.accumulator;
        Some(match code & 0xf0 {
            0x00 => value.wrapping_add(operand),
            0x10 => value.wrapping_sub(operand),
            0x20 => value.wrapping_mul(operand),
            0x30 => value.checked_div(operand)?,
            0x40 => value | operand,
            0x50 => value & operand,
            0x60 => value.checked_shl(operand).unwrap_or(0),
            0x70 => value.checked_shr(operand).unwrap_or(0),
            0x80 => value.wrapping_neg(),
            0x90 => value.checked_rem(operand)?,
            0xa0 => value ^ operand,
            _ => return None,
        })
    }

    /// How many to skip: so many, or it depends on whether this holds.
    #[inline(always)]
    fn jump(&self, code: u16, k: u32) -> Option<Result<u32, bool>> {
        let (value, operand) = (self.accumulator, self.operand(code, k));
        Some(match code & 0xf0 {
            0x00 => Ok(k),
            0x10 => Err(value == operand),
            0x20 => Err(value > operand),
            0x30 => Err(value >= operand),
            0x40 => Err(value & operand != 0),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests;
