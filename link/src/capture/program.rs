//! Filters: programs of the classic BSD packet filter, as libpcap compiles them (McCanne and Jacobson 1993).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The longest program: each packet of a capture takes at most so many steps.
pub const MAX_INSTRUCTIONS: usize = 256;
/// Words of scratch memory (bpf(4), BPF_MEMWORDS).
const MEMORY: u32 = 16;

/// One instruction, in the form of `struct bpf_insn`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Instruction {
    /// What it does.
    pub code: u16,
    /// Instructions to skip where the test holds.
    pub jt: u8,
    /// Instructions to skip where it does not.
    pub jf: u8,
    /// Its operand.
    pub k: u32,
}

const _: () = assert!(size_of::<Instruction>() == 8);

/// A program that ends for every packet: it has at most [`MAX_INSTRUCTIONS`], all known, jumps only forward and inside, and
/// ends in a return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program(Vec<Instruction>);

/// Why instructions are no [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// Too few or too many.
    #[error("the filter has {0} instructions, allowed: 1 to {MAX_INSTRUCTIONS}; make it simpler")]
    Length(usize),
    /// An instruction that does not exist, or not with this operand.
    #[error("instruction {place} of the filter, code {code:#06x} with {k}, is not known")]
    Unknown {
        /// Which, from 0.
        place: usize,
        /// Its code.
        code: u16,
        /// Its operand.
        k: u32,
    },
    /// A jump out of the program.
    #[error("instruction {place} of the filter jumps out of it")]
    Jump {
        /// Which, from 0.
        place: usize,
    },
    /// The last one is no return.
    #[error("the filter does not end in a return")]
    Endless,
}

impl Program {
    /// Checks the instructions.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub fn new(instructions: &[Instruction]) -> Result<Self, ProgramError> {
        if !(1..=MAX_INSTRUCTIONS).contains(&instructions.len()) {
            return Err(ProgramError::Length(instructions.len()));
        }
        for (place, instruction) in instructions.iter().enumerate() {
            let Instruction { code, jt, jf, k } = *instruction;
            if !is_known(code, k) {
                return Err(ProgramError::Unknown { place, code, k });
            }
            let skipped = match code {
                0x05 => Some(k as usize),
                _ => (code & 7 == 5).then(|| usize::from(jt.max(jf))),
            };
            let behind = instructions.len() - place - 1;
            if skipped.is_some_and(|skipped| skipped >= behind) {
                return Err(ProgramError::Jump { place });
            }
        }
        // Whatever stands before it goes on to the next.
        match instructions.last() {
            Some(last) if last.code & 7 == 6 => Ok(Self(instructions.to_vec())),
            _ => Err(ProgramError::Endless),
        }
    }

    /// The program that every packet passes.
    pub fn everything() -> Self {
        Self(vec![Instruction { code: 0x06, jt: 0, jf: 0, k: u32::MAX }])
    }

    /// Its instructions.
    pub fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

/// Whether an instruction exists, with this operand.
const fn is_known(code: u16, k: u32) -> bool {
    match code {
        // Loads: absolute, by index and the length; the header length of IPv4.
        0x20 | 0x28 | 0x30 | 0x40 | 0x48 | 0x50 | 0x80 | 0x81 | 0xb1 | 0x00 | 0x01 => true,
        // Scratch memory.
        0x60 | 0x61 | 0x02 | 0x03 => k < MEMORY,
        // Arithmetic; not by zero.
        0x04 | 0x0c | 0x14 | 0x1c | 0x24 | 0x2c | 0x3c | 0x44 | 0x4c | 0x54 | 0x5c | 0x6c | 0x7c | 0x84 | 0x9c
        | 0xa4 | 0xac => true,
        0x34 | 0x94 => k != 0,
        0x64 | 0x74 => k < 32,
        // Jumps.
        0x05 | 0x15 | 0x1d | 0x25 | 0x2d | 0x35 | 0x3d | 0x45 | 0x4d => true,
        // Returns, and moves between the two registers.
        0x06 | 0x16 | 0x07 | 0x87 => true,
        _ => false,
    }
}
