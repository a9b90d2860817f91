//! Captured packets as pcapng (draft-ietf-opsawg-pcapng), for Wireshark and its kin.

use super::describe::comment;
use crate::client::Stop;
use crate::protocol::CapturedPacket;
use link::capture::FramePlace;
use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption};
use pcap_file::pcapng::blocks::interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, PcapError};
use std::borrow::Cow;
use std::io::{self, Write};
use std::time::Duration;

/// Time stamps are in nanoseconds.
const NANOSECONDS: u8 = 9;
/// `epb_flags`: the direction.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;
/// Interfaces of each port, in the order of [`interface`].
const PLACES: [&str; 3] = ["in", "out", "kernel"];

/// A capture file, being written.
pub(super) struct CaptureFile<W: Write> {
    writer: PcapNgWriter<W>,
}

impl<W: Write> CaptureFile<W> {
    /// Begins one: of each port, what came in, what left, and what the kernel got are interfaces.
    pub(super) fn begin(out: W, ports: &[String], snaplen: u32) -> Result<Self, Stop> {
        let program = format!("sluice {}", env!("CARGO_PKG_VERSION"));
        let options = vec![SectionHeaderOption::UserApplication(Cow::Owned(program))];
        let head = SectionHeaderBlock { options, ..SectionHeaderBlock::default() };
        let mut writer = PcapNgWriter::with_section_header(out, head).map_err(failed)?;
        for (port, place) in ports.iter().flat_map(|port| PLACES.map(|place| (port, place))) {
            let name = InterfaceDescriptionOption::IfName(Cow::Owned(format!("{port} {place}")));
            let options = vec![name, InterfaceDescriptionOption::IfTsResol(NANOSECONDS)];
            let block = InterfaceDescriptionBlock { linktype: DataLink::ETHERNET, snaplen, options };
            writer.write_pcapng_block(block).map_err(failed)?;
        }
        Ok(Self { writer })
    }

    /// Adds the frames of a packet.
    pub(super) fn add(&mut self, packet: &CapturedPacket) -> Result<(), Stop> {
        // The same for all frames of a packet, so that they can be found by it.
        let comment = format!("{}; packet {} of worker {}", comment(packet), packet.number, packet.worker);
        for frame in &packet.frames {
            let direction = if frame.place == FramePlace::In { INBOUND } else { OUTBOUND };
            let block = EnhancedPacketBlock {
                interface_id: interface(frame.port, frame.place),
                timestamp: Duration::from_nanos(packet.time_nanoseconds),
                original_len: frame.length,
                data: Cow::Borrowed(&frame.bytes),
                options: vec![
                    EnhancedPacketOption::Comment(Cow::Borrowed(&comment)),
                    EnhancedPacketOption::Flags(direction),
                ],
            };
            self.writer.write_pcapng_block(block).map_err(failed)?;
        }
        Ok(())
    }

    /// Where it goes.
    pub(super) fn out(&mut self) -> &mut W {
        self.writer.get_mut()
    }
}

fn interface(port: u16, place: FramePlace) -> u32 {
    let place = match place {
        FramePlace::In => 0,
        FramePlace::Out => 1,
        FramePlace::Kernel => 2,
    };
    u32::from(port) * PLACES.len() as u32 + place
}

fn failed(error: PcapError) -> Stop {
    match error {
        PcapError::IoError(error) => Stop::Output(error),
        other => Stop::Output(io::Error::other(other.to_string())),
    }
}
