//! Fragments of IPv4 packets (RFC 791 section 3.2): putting together those that come in ([`reassembly`]), and splitting
//! what is too large for its way out ([`split`]).
//!
//! Only the first fragment has ports, so nothing is decided about a packet before all of it is here; then it goes the way
//! of any other, and leaves in the pieces in which it came ([`Cuts`]), as from the reference.

mod cuts;
mod packet;
pub mod reassembly;
mod split;

pub use cuts::Cuts;
pub use packet::PacketKey;
pub use reassembly::{Inserted, Place, Reassembly, SETS};
pub use split::{Piece, Pieces, split, split_as_cut};
