//! What control and dataplane agree on, and nothing else: the model of what is balanced ([`model`]), the messages that
//! carry it ([`message`]), the fixed-layout records they travel in ([`record`]), the single-producer single-consumer
//! rings over shared memory ([`ring`]), and the region both processes map ([`region`]), with its counters
//! ([`counters`]) and the directory of slots ([`directory`]).
//!
//! # The ABI
//!
//! One file, mode 0600, made by the dataplane and mapped by control. Everything in it is in the machine's byte order
//! (both processes run on one machine) except fields whose name ends in `_be`. It holds no pointers and no Rust enums;
//! what is shared while it changes consists of atomics of four and eight bytes. [`ABI_VERSION`] changes with any change
//! of what follows, and a control of another version does not attach.
//!
//! - **Header** at offset 0: `magic` u64 ("SLUICELK"), `abi` u32, `pid` u32, `total` u64 (bytes of the file), `started`
//!   u64 (Unix time, nanoseconds), `instance` u64 (random), `workers` u16, `ports` u16, `services` u32, `reals` u32,
//!   `ring_slots` u32, `drop_reasons` u32, reserved u32, then twelve sections (`offset` u64, `length` u64) in the order of
//!   the table in [`region`]. The first 16 bytes are the same in every version.
//! - **Sections** begin at multiples of 64 KiB and follow from the counts; see [`region`] for what each holds and who
//!   writes it. Control can write one of them.
//! - **Rings**: see [`ring`]; records: see [`record`], [`record::request`], [`record::reply`].
//! - **Counters**: see [`counters`]; drop reasons have 64 counters each way, so new reasons at the end of the list
//!   ([`DropReason`]) do not change the ABI.
//! - **Directory**: see [`directory`].
//!
//! Byte 0 of the file is locked (open file description lock) by the dataplane for as long as it runs, byte 1 by the
//! attached control. The kernel releases the lock of a process that dies, so a lock that is held means a process that
//! lives, and a stale file is told from one in use without asking for a pid.
//!
//! # Trust
//!
//! Neither side trusts the other: every record, index and length that comes out of shared memory is copied, then
//! validated by the reader, once, and refused with a reason. Whatever is written into the section that control writes,
//! the dataplane neither faults nor loops: it counts garbage and goes on. A request is taken only in the session of the
//! last hello and only if it is newer than the one before, so what an earlier control left in the slots is not taken
//! for a request again. What a process of the same user can do beyond that - cut the file short under the mapping, or
//! kill the dataplane - is not defended against.
//!
//! # A session
//!
//! Control attaches, sends [`message::Request::Hello`] and waits for [`message::Reply::Welcome`] (it says hello again if
//! none comes: garbage of a control before it may have swallowed the first); then it asks and pushes tables
//! ([`transaction`]). The dataplane goes on with the last valid table whatever becomes of control.

pub mod capture;
pub mod counters;
pub mod directory;
pub mod drop_reason;
pub mod layout;
pub mod message;
pub mod model;
pub mod record;
pub mod region;
pub mod ring;
pub mod transaction;

mod file;
mod memory;
mod port;
mod seqlock;
mod status;
#[cfg(test)]
mod strategies;
mod wire_number;

pub use drop_reason::DropReason;
pub use layout::{ABI_VERSION, Layout};
pub use memory::{Handle, Shared};
pub use port::{PortDescription, PortError, PortQueues, Steering};
pub use region::{
    AttachError, ControlLink, CreateError, DataplaneLink, Garbage, Identity, RealReport, Received, ServiceReport, View,
    Viewer,
};
pub use ring::RingFull;
pub use status::{RefusalReport, Status, StatusReport};
