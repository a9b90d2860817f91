//! The arguments of `sluice capture`.

use super::filter;
use crate::client::Stop;
use crate::protocol::CaptureRequest;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Which form of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::client) enum Where {
    /// As it came in
    In,
    /// As it leaves
    Out,
    /// Both
    Both,
}

#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(in crate::client) struct CaptureOptions {
    /// Into this file, as pcapng; - for standard output. Without it: as text
    #[arg(short, long, value_name = "FILE")]
    pub(super) write: Option<PathBuf>,
    /// Only packets that this lets pass as they came in: a filter of tcpdump (pcap-filter), as 'tcp port 80'
    #[arg(long, value_name = "FILTER", default_value = "", hide_default_value = true)]
    filter: String,
    /// Ends after so many packets; 0 = no such end
    #[arg(long, value_name = "PACKETS", default_value_t = 1000)]
    count: u64,
    /// Ends after so many seconds
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Bytes of each frame that are kept
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub(super) snaplen: u32,
    /// Which form of each packet
    #[arg(long = "where", value_enum, default_value = "both")]
    form: Where,
    /// Only packets with a drop reason: dropped, or answered by the director
    #[arg(long)]
    drops_only: bool,
    /// Only this worker
    #[arg(long)]
    worker: Option<u16>,
}

impl CaptureOptions {
    pub(super) fn request(&self) -> Result<CaptureRequest, Stop> {
        Ok(CaptureRequest {
            filter: filter::compile(&self.filter)?,
            snaplen: self.snaplen,
            incoming: self.form != Where::Out,
            outgoing: self.form != Where::In,
            drops_only: self.drops_only,
            hand_offs: false,
            worker: self.worker,
            packets: self.count,
            seconds: self.seconds,
        })
    }
}
