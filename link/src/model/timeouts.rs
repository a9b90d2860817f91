//! How long idle connections are kept.

/// Seconds that an idle connection is kept, by state. Existing connections follow a change with their next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TCP, no packet classified yet.
    pub tcp_none: u32,
    /// TCP ESTABLISHED.
    pub tcp_established: u32,
    /// TCP SYN_SENT.
    pub tcp_syn_sent: u32,
    /// TCP SYN_RECV.
    pub tcp_syn_recv: u32,
    /// TCP FIN_WAIT.
    pub tcp_fin_wait: u32,
    /// TCP TIME_WAIT.
    pub tcp_time_wait: u32,
    /// TCP CLOSE.
    pub tcp_close: u32,
    /// TCP CLOSE_WAIT.
    pub tcp_close_wait: u32,
    /// TCP LAST_ACK.
    pub tcp_last_ack: u32,
    /// TCP LISTEN.
    pub tcp_listen: u32,
    /// TCP SYNACK.
    pub tcp_synack: u32,
    /// UDP.
    pub udp: u32,
}

impl Timeouts {
    /// The largest timeout, in seconds: 31 days, as in ipvsadm. The smallest is 1.
    pub const MAX_SECONDS: u32 = 31 * 24 * 3600;

    /// Config key and value of each, in wire order.
    pub const fn entries(&self) -> [(&'static str, u32); 12] {
        [
            ("tcp_none", self.tcp_none),
            ("tcp_established", self.tcp_established),
            ("tcp_syn_sent", self.tcp_syn_sent),
            ("tcp_syn_recv", self.tcp_syn_recv),
            ("tcp_fin_wait", self.tcp_fin_wait),
            ("tcp_time_wait", self.tcp_time_wait),
            ("tcp_close", self.tcp_close),
            ("tcp_close_wait", self.tcp_close_wait),
            ("tcp_last_ack", self.tcp_last_ack),
            ("tcp_listen", self.tcp_listen),
            ("tcp_synack", self.tcp_synack),
            ("udp", self.udp),
        ]
    }

    /// The inverse of [`Timeouts::entries`], by position; not validated.
    pub const fn from_seconds(seconds: [u32; 12]) -> Self {
        let [
            tcp_none,
            tcp_established,
            tcp_syn_sent,
            tcp_syn_recv,
            tcp_fin_wait,
            tcp_time_wait,
            tcp_close,
            tcp_close_wait,
            tcp_last_ack,
            tcp_listen,
            tcp_synack,
            udp,
        ] = seconds;
        Self {
            tcp_none,
            tcp_established,
            tcp_syn_sent,
            tcp_syn_recv,
            tcp_fin_wait,
            tcp_time_wait,
            tcp_close,
            tcp_close_wait,
            tcp_last_ack,
            tcp_listen,
            tcp_synack,
            udp,
        }
    }
}

impl Default for Timeouts {
    /// The LVS papers' values where they give one (SYN 1 min, ESTABLISHED 15 min, FIN 1 min, UDP 5 min), Linux's else.
    fn default() -> Self {
        Self::from_seconds([2, 900, 120, 60, 60, 120, 10, 60, 30, 120, 120, 300])
    }
}

/// Timeouts of one service, in seconds, in the order of [`Timeouts::entries`]; 0 = as for all services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeoutOverrides(pub [u32; 12]);

impl TimeoutOverrides {
    /// Whether it overrides nothing.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|seconds| *seconds == 0)
    }

    /// Config key and seconds of those that it overrides.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let keys = Timeouts::default().entries().map(|(key, _)| key);
        keys.into_iter().zip(self.0).filter(|(_, seconds)| *seconds != 0)
    }

    /// The timeouts of the service, where `general` holds for all.
    pub fn over(&self, general: &Timeouts) -> Timeouts {
        let mut seconds = general.entries().map(|(_, seconds)| seconds);
        for (own, value) in self.0.iter().zip(&mut seconds) {
            if *own != 0 {
                *value = *own;
            }
        }
        Timeouts::from_seconds(seconds)
    }
}
