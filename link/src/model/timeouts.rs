//! How long idle connections are kept.

/// Declares each timeout once, in wire order, with its default.
macro_rules! timeouts {
    ($($(#[$doc:meta])* $name:ident: $default:expr;)+) => {
        /// How many timeouts there are.
        const COUNT: usize = [$(stringify!($name)),+].len();

        /// Seconds that an idle connection is kept, by state. Existing connections follow a change with their next packet.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Timeouts {
            $($(#[$doc])* pub $name: u32,)+
        }

        impl Timeouts {
            /// Config key and value of each, in wire order.
            pub const fn entries(&self) -> [(&'static str, u32); COUNT] {
                [$((stringify!($name), self.$name)),+]
            }

            /// The inverse of [`Timeouts::entries`], by position; not validated.
            pub const fn from_seconds(seconds: [u32; COUNT]) -> Self {
                let [$($name),+] = seconds;
                Self { $($name),+ }
            }
        }

        impl Default for Timeouts {
            /// The LVS papers' values where they give one (SYN 1 min, ESTABLISHED 15 min, FIN 1 min, UDP 5 min), Linux's
            /// else.
            fn default() -> Self {
                Self { $($name: $default),+ }
            }
        }
    };
}

timeouts! {
    /// TCP, no packet classified yet.
    tcp_none: 2;
    /// TCP ESTABLISHED.
    tcp_established: 900;
    /// TCP SYN_SENT.
    tcp_syn_sent: 120;
    /// TCP SYN_RECV.
    tcp_syn_recv: 60;
    /// TCP FIN_WAIT.
    tcp_fin_wait: 60;
    /// TCP TIME_WAIT.
    tcp_time_wait: 120;
    /// TCP CLOSE.
    tcp_close: 10;
    /// TCP CLOSE_WAIT.
    tcp_close_wait: 60;
    /// TCP LAST_ACK.
    tcp_last_ack: 30;
    /// TCP LISTEN.
    tcp_listen: 120;
    /// TCP SYNACK.
    tcp_synack: 120;
    /// UDP.
    udp: 300;
}

impl Timeouts {
    /// The largest timeout, in seconds: 31 days, as in ipvsadm. The smallest is 1.
    pub const MAX_SECONDS: u32 = 31 * 24 * 3600;
}

/// Timeouts of one service, in seconds, in the order of [`Timeouts::entries`]; 0 = as for all services.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TimeoutOverrides(pub [u32; COUNT]);

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
