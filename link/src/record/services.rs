//! The layouts of a services transaction's rows.

use super::check::Check;
use super::key::KeyRow;
use super::request::payload;
use super::{Payload, RecordError};
use crate::message::Request;
use crate::model::{
    Helper, Persistence, Phase, Protocol, RealServer, SchedulerFlags, SchedulerKind, ServiceEndpoint, ServiceKey,
    ServiceOptions, Settings, TimeoutOverrides, Timeouts,
};
use crate::wire_number::WireNumber;
use std::net::{Ipv4Addr, SocketAddrV4};
use zerocopy::native_endian::U32 as Word32;
use zerocopy::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, transmute};

payload!(
    /// In the order of [`Timeouts::entries`], seconds.
    TimeoutsRow { seconds: [Word32; 12], } reserved 4
);
payload!(
    /// `values`: in the order of [`Settings::ALL`], those of at most 255; 0 for the three that follow.
    SettingsRow {
        values: [u8; 15],
        zero: u8,
        am_droprate: Word32,
        lblc_expiration: Word32,
        lblcr_expiration: Word32,
    } reserved 24
);
payload!(GroupRow { group: Word32, endpoint: KeyRow, } reserved 40);
payload!(
    ServiceRow {
        key: KeyRow,
        scheduler: u8,
        scheduler_flags: u8,
        flags: u8,
        helper: u8,
        reals: Word32,
        persistence_timeout: Word32,
        netmask_be: U32,
    } reserved 28
);
payload!(
    RealRow {
        address_be: U32,
        port_be: U16,
        method: u8,
        phase: u8,
        weight: Word32,
        upper_threshold: Word32,
        lower_threshold: Word32,
        check_address_be: U32,
    } reserved 28
);

/// Flags of a service.
const IS_PERSISTENT: u8 = 1;
const IS_ONE_PACKET: u8 = 2;
const CLAMPS_MSS: u8 = 4;

pub(super) fn encode_timeouts(seconds: [u32; 12]) -> Payload {
    transmute!(TimeoutsRow { seconds: seconds.map(Word32::from), reserved: [0; 4] })
}

pub(super) fn encode_group(group: u32, endpoint: ServiceEndpoint) -> Payload {
    transmute!(GroupRow { group: group.into(), endpoint: ServiceKey::Endpoint(endpoint).into(), reserved: [0; 40] })
}

pub(super) fn encode_settings(settings: &Settings) -> Payload {
    let mut values = settings.values().map(|value| u8::try_from(value).unwrap_or(u8::MAX));
    for (value, setting) in values.iter_mut().zip(&Settings::ALL) {
        if setting.most > u32::from(u8::MAX) {
            *value = 0;
        }
    }
    transmute!(SettingsRow {
        values,
        zero: 0,
        am_droprate: settings.am_droprate.into(),
        lblc_expiration: settings.lblc_expiration.into(),
        lblcr_expiration: settings.lblcr_expiration.into(),
        reserved: [0; 24],
    })
}

pub(super) fn encode_service(key: ServiceKey, options: &ServiceOptions, reals: u32) -> Payload {
    let flag = |set, flag| if set { flag } else { 0 };
    transmute!(ServiceRow {
        key: key.into(),
        scheduler: options.scheduler.wire_number(),
        scheduler_flags: options.flags.0,
        flags: flag(options.persistence.is_some(), IS_PERSISTENT)
            | flag(options.one_packet, IS_ONE_PACKET)
            | flag(options.clamp_mss, CLAMPS_MSS),
        helper: options.helper.map_or(0, Helper::wire_number),
        reals: reals.into(),
        persistence_timeout: options.persistence.map_or(0, |persistence| persistence.timeout).into(),
        netmask_be: options.persistence.map_or(0, |persistence| persistence.netmask.to_bits()).into(),
        reserved: [0; 28],
    })
}

pub(super) fn encode_real(real: RealServer) -> Payload {
    transmute!(RealRow {
        address_be: real.address.ip().to_bits().into(),
        port_be: real.address.port().into(),
        method: real.method.wire_number(),
        phase: real.phase as u8,
        weight: real.weight.into(),
        upper_threshold: real.upper_threshold.into(),
        lower_threshold: real.lower_threshold.into(),
        check_address_be: real.check_address.map_or(0, Ipv4Addr::to_bits).into(),
        reserved: [0; 28],
    })
}

pub(super) fn decode_timeouts(row: TimeoutsRow) -> Result<Request, RecordError> {
    let check = Check("timeouts");
    check.zero("reserved", &row.reserved)?;
    let timeouts = Timeouts::from_seconds(row.seconds.map(Word32::get));
    for (name, seconds) in timeouts.entries() {
        check.within(name, seconds, 1, Timeouts::MAX_SECONDS, "1 to 2678400 seconds")?;
    }
    Ok(Request::Timeouts(timeouts))
}

const _: () = assert!(Timeouts::MAX_SECONDS == 2_678_400 && RealServer::MAX_WEIGHT == 65_535);

pub(super) fn decode_service_timeouts(row: TimeoutsRow) -> Result<Request, RecordError> {
    let check = Check("service timeouts");
    check.zero("reserved", &row.reserved)?;
    let seconds = row.seconds.map(Word32::get);
    for seconds in seconds {
        check.within("seconds", seconds, 0, Timeouts::MAX_SECONDS, "0 to 2678400 seconds")?;
    }
    if seconds == [0; 12] {
        return check.refuse("seconds", 0u32, "one at least that is not 0");
    }
    Ok(Request::ServiceTimeouts(TimeoutOverrides(seconds)))
}

pub(super) fn decode_settings(row: &SettingsRow) -> Result<Request, RecordError> {
    let check = Check("settings");
    check.zero("reserved", &[row.zero])?;
    check.zero("reserved", &row.reserved)?;
    let mut large = [row.am_droprate, row.lblc_expiration, row.lblcr_expiration].map(Word32::get).into_iter();
    let mut values = row.values.map(u32::from);
    for (value, setting) in values.iter_mut().zip(&Settings::ALL) {
        if setting.most > u32::from(u8::MAX) {
            check.within(setting.name, *value, 0, 0, "0 among the small values")?;
            *value = large.next().unwrap_or(0);
        }
        check.within(setting.name, *value, setting.least, setting.most, "a value in its range")?;
    }
    Ok(Request::Settings(Settings::from_values(values)))
}

pub(super) fn decode_group(row: GroupRow) -> Result<Request, RecordError> {
    let check = Check("group endpoint");
    check.zero("reserved", &row.reserved)?;
    let group = check.within("group", row.group.get(), 1, u32::MAX, "1 or more")?;
    match row.endpoint.decode(check)? {
        ServiceKey::Endpoint(endpoint) => Ok(Request::GroupEndpoint { group, endpoint }),
        ServiceKey::Group(_) => check.refuse("protocol", 0u32, "6 (tcp), 17 (udp)"),
    }
}

pub(super) fn decode_service(row: ServiceRow) -> Result<Request, RecordError> {
    let check = Check("service");
    check.zero("reserved", &row.reserved)?;
    let key = row.key.decode(check)?;
    let flags = check.flags(row.flags, IS_PERSISTENT | IS_ONE_PACKET | CLAMPS_MSS)?;
    let persistence = if flags & IS_PERSISTENT != 0 {
        let allowed = "1 to 2678400 seconds";
        let timeout = row.persistence_timeout.get();
        let timeout = check.within("persistence timeout", timeout, 1, Timeouts::MAX_SECONDS, allowed)?;
        let netmask = check.within("netmask", row.netmask_be.get(), 1, u32::MAX, "a netmask other than 0.0.0.0")?;
        Some(Persistence { timeout, netmask: Ipv4Addr::from_bits(netmask) })
    } else {
        check.zero("persistence timeout", row.persistence_timeout.as_bytes())?;
        check.zero("netmask", row.netmask_be.as_bytes())?;
        None
    };
    let one_packet = flags & IS_ONE_PACKET != 0;
    if one_packet && key.protocol() == Some(Protocol::Tcp) {
        return check.refuse("flags", flags, "one-packet scheduling for UDP and groups only");
    }
    let helper = if row.helper == 0 { None } else { Some(check.number::<Helper>("helper", row.helper)?) };
    let scheduler_flags = check.within("scheduler flags", row.scheduler_flags.into(), 0, 7, "0 to 7")?;
    let options = ServiceOptions {
        scheduler: check.number::<SchedulerKind>("scheduler", row.scheduler)?,
        flags: SchedulerFlags(scheduler_flags as u8),
        persistence,
        one_packet,
        clamp_mss: flags & CLAMPS_MSS != 0,
        helper,
        timeouts: TimeoutOverrides::default(),
    };
    Ok(Request::Service { key, options, reals: row.reals.get() })
}

pub(super) fn decode_real(row: RealRow) -> Result<Request, RecordError> {
    let check = Check("real");
    check.zero("reserved", &row.reserved)?;
    let upper_threshold = row.upper_threshold.get();
    let most = "0 to the upper threshold";
    let phase = match Phase::ALL.get(usize::from(row.phase)) {
        Some(phase) => *phase,
        None => return check.refuse("phase", row.phase, "0 (serving), 1 (draining), 2 (closing), 3 (removing)"),
    };
    if phase != Phase::Serving && row.weight.get() != 0 {
        return check.refuse("weight", row.weight.get(), "0 unless the real is serving");
    }
    let check_address = match row.check_address_be.get() {
        0 => None,
        _ => Some(check.host("check address", row.check_address_be)?),
    };
    Ok(Request::Real(RealServer {
        address: SocketAddrV4::new(check.host("address", row.address_be)?, row.port_be.get()),
        method: check.number("method", row.method)?,
        weight: check.within("weight", row.weight.get(), 0, RealServer::MAX_WEIGHT, "0 to 65535")?,
        upper_threshold,
        lower_threshold: check.within("lower threshold", row.lower_threshold.get(), 0, upper_threshold, most)?,
        phase,
        check_address,
    }))
}
