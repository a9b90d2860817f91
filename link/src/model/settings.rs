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

/// How many settings there are.
const COUNT: usize = 15;

/// The settings of all services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// 1: a TCP packet without a connection may open one, whatever its flags but RST.
    pub sloppy_tcp: u32,
    /// Which connections a SYN replaces by a new one: 0 none; bit 0: those in TIME_WAIT or CLOSE; bit 1: also those of
    /// tunnel and direct in FIN_WAIT.
    pub conn_reuse_mode: u32,
    /// 1: connections and templates of a real that was removed end at once; a packet of one is handled as if it never was.
    pub expire_nodest_conn: u32,
    /// 1: a template whose real has weight 0 is not followed: a new real is chosen.
    pub expire_quiescent_template: u32,
    /// Stricter TCP states (a client alone can't reach ESTABLISHED): 0 off, 1 and 2 under pressure, 3 always.
    pub secure_tcp: u32,
    /// Ends half-open and long idle connections, and templates that nothing assures, early: 0 off, 1 and 2 under pressure, 3 always.
    pub drop_entry: u32,
    /// Drops some of the packets that would open a connection: 0 off, 1 and 2 under pressure, 3 always.
    pub drop_packet: u32,
    /// `drop_packet` 3 drops one in so many.
    pub am_droprate: u32,
    /// 1: a packet from a NAT real without a connection is answered with port unreachable, not passed on.
    pub nat_icmp_send: u32,
    /// 1: an ICMP error about a packet without a connection is scheduled by the packet that it quotes.
    pub schedule_icmp: u32,
    /// 1: a tunnel's outer packet has the inner packet's "don't fragment"; too large ones are refused. 0: never.
    pub pmtu_disc: u32,
    /// Seconds after which lblc forgets a destination that nobody asked for.
    pub lblc_expiration: u32,
    /// Seconds after which lblcr takes a server away from a destination's set.
    pub lblcr_expiration: u32,
    /// 1: when an idle established TCP connection expires, both ends get a RST. Not in the reference.
    pub reset_on_expiry: u32,
    /// Percent of the places for connections, or for templates, in use from which on there is pressure (modes 1 and 2).
    /// Not in the reference, which looks at free memory.
    pub pressure_percent: u32,
}

impl Settings {
    /// Every setting, in wire order.
    pub const ALL: [Setting; COUNT] = [
        setting("sloppy_tcp", 0, 0, 1),
        setting("conn_reuse_mode", 1, 0, 3),
        setting("expire_nodest_conn", 0, 0, 1),
        setting("expire_quiescent_template", 0, 0, 1),
        setting("secure_tcp", 0, 0, 3),
        setting("drop_entry", 0, 0, 3),
        setting("drop_packet", 0, 0, 3),
        setting("am_droprate", 10, 1, 1_000_000),
        setting("nat_icmp_send", 0, 0, 1),
        setting("schedule_icmp", 0, 0, 1),
        setting("pmtu_disc", 1, 0, 1),
        setting("lblc_expiration", 86_400, 1, super::Timeouts::MAX_SECONDS),
        setting("lblcr_expiration", 86_400, 1, super::Timeouts::MAX_SECONDS),
        setting("reset_on_expiry", 0, 0, 1),
        setting("pressure_percent", 90, 1, 100),
    ];

    /// The values, in the order of [`Settings::ALL`].
    pub const fn values(&self) -> [u32; COUNT] {
        [
            self.sloppy_tcp,
            self.conn_reuse_mode,
            self.expire_nodest_conn,
            self.expire_quiescent_template,
            self.secure_tcp,
            self.drop_entry,
            self.drop_packet,
            self.am_droprate,
            self.nat_icmp_send,
            self.schedule_icmp,
            self.pmtu_disc,
            self.lblc_expiration,
            self.lblcr_expiration,
            self.reset_on_expiry,
            self.pressure_percent,
        ]
    }

    /// The inverse of [`Settings::values`]; not validated.
    pub const fn from_values(values: [u32; COUNT]) -> Self {
        let [
            sloppy_tcp,
            conn_reuse_mode,
            expire_nodest_conn,
            expire_quiescent_template,
            secure_tcp,
            drop_entry,
            drop_packet,
            am_droprate,
            nat_icmp_send,
            schedule_icmp,
            pmtu_disc,
            lblc_expiration,
            lblcr_expiration,
            reset_on_expiry,
            pressure_percent,
        ] = values;
        Self {
            sloppy_tcp,
            conn_reuse_mode,
            expire_nodest_conn,
            expire_quiescent_template,
            secure_tcp,
            drop_entry,
            drop_packet,
            am_droprate,
            nat_icmp_send,
            schedule_icmp,
            pmtu_disc,
            lblc_expiration,
            lblcr_expiration,
            reset_on_expiry,
            pressure_percent,
        }
    }

    /// Each setting with its value.
    pub fn entries(&self) -> impl Iterator<Item = (&'static Setting, u32)> {
        Self::ALL.iter().zip(self.values())
    }
}

const fn setting(name: &'static str, default: u32, least: u32, most: u32) -> Setting {
    Setting { name, default, least, most }
}

impl Default for Settings {
    fn default() -> Self {
        Self::from_values(Self::ALL.map(|setting| setting.default))
    }
}
