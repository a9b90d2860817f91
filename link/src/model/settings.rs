//! What holds for all services and can be changed while running. Names and meaning are those of the reference's
//! settings under `/proc/sys/net/ipv4/vs`, where it has one.

/// One setting: its name, its default, what is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its key in services.toml.
    pub name: &'static str,
    /// Its default.
    pub default: u32,
    /// The smallest value.
    pub least: u32,
    /// The largest value.
    pub most: u32,
}

/// Declares each setting once, in wire order: `name: default, least, most;`.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $default:expr, $least:expr, $most:expr;)+) => {
        /// How many settings there are.
        const COUNT: usize = [$(stringify!($name)),+].len();

        /// The settings of all services.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Settings {
            $($(#[$doc])* pub $name: u32,)+
        }

        impl Settings {
            /// Every setting, in wire order.
            pub const ALL: [Setting; COUNT] = [
                $(Setting { name: stringify!($name), default: $default, least: $least, most: $most }),+
            ];

            /// The values, in the order of [`Settings::ALL`].
            pub const fn values(&self) -> [u32; COUNT] {
                [$(self.$name),+]
            }

            /// The inverse of [`Settings::values`]; not validated.
            pub const fn from_values(values: [u32; COUNT]) -> Self {
                let [$($name),+] = values;
                Self { $($name),+ }
            }
        }
    };
}

settings! {
    /// 1: a TCP packet without a connection may open one, whatever its flags but RST.
    sloppy_tcp: 0, 0, 1;
    /// Which connections a SYN replaces by a new one: 0 none; bit 0: those in TIME_WAIT or CLOSE; bit 1: also those of
    /// tunnel and direct in FIN_WAIT.
    conn_reuse_mode: 1, 0, 3;
    /// 1: connections and templates of a real that was removed end at once; a packet of one is handled as if it never was.
    expire_nodest_conn: 0, 0, 1;
    /// 1: a template whose real has weight 0 is not followed: a new real is chosen.
    expire_quiescent_template: 0, 0, 1;
    /// Stricter TCP states (a client alone can't reach ESTABLISHED): 0 off, 1 and 2 under pressure, 3 always.
    secure_tcp: 0, 0, 3;
    /// Ends half-open and long idle connections, and templates that nothing assures, early: 0 off, 1 and 2 under pressure, 3 always.
    drop_entry: 0, 0, 3;
    /// Drops some of the packets that would open a connection: 0 off, 1 and 2 under pressure, 3 always.
    drop_packet: 0, 0, 3;
    /// `drop_packet` 3 drops one in so many.
    am_droprate: 10, 1, 1_000_000;
    /// 1: a packet from a NAT real without a connection is answered with port unreachable, not passed on.
    nat_icmp_send: 0, 0, 1;
    /// 1: an ICMP error about a packet without a connection is scheduled by the packet that it quotes.
    schedule_icmp: 0, 0, 1;
    /// 1: a tunnel's outer packet has the inner packet's "don't fragment"; too large ones are refused. 0: never.
    pmtu_disc: 1, 0, 1;
    /// Seconds after which lblc forgets a destination that nobody asked for.
    lblc_expiration: 86_400, 1, super::Timeouts::MAX_SECONDS;
    /// Seconds after which lblcr takes a server away from a destination's set.
    lblcr_expiration: 86_400, 1, super::Timeouts::MAX_SECONDS;
    /// 1: when an idle established TCP connection expires, both ends get a RST. Not in the reference.
    reset_on_expiry: 0, 0, 1;
    /// Percent of the places for connections, or for templates, in use from which on there is pressure (modes 1 and 2).
    /// Not in the reference, which looks at free memory.
    pressure_percent: 90, 1, 100;
}

impl Settings {
    /// Each setting with its value.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Setting, u32)> {
        Self::ALL.iter().zip(self.values())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(Self::ALL.map(|setting| setting.default))
    }
}
