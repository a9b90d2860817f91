//! Reads sluice.toml.

use super::{Control, Dataplane, Idle, InterfaceAddress, Machine, Port, Unmatched, Vips};
use crate::error::ConfigError;
use crate::reader::{Document, Section, Unique};
use crate::rules;
use link::model::{MacAddress, Neighbor, Prefix, Route};
use std::net::Ipv4Addr;
use std::path::PathBuf;
use toml::de::DeValue;

const SECTIONS: [&str; 5] = ["dataplane", "port", "route", "neighbor", "control"];
const DATAPLANE: [&str; 11] = [
    "main_lcore",
    "workers",
    "eal",
    "connections",
    "templates",
    "max_services",
    "max_reals",
    "mbufs",
    "idle",
    "unmatched",
    "reject_rate",
];
const PORT: [&str; 7] = ["name", "device", "mac", "addresses", "kernel_interface", "mtu", "faces"];
const ROUTE: [&str; 3] = ["prefix", "port", "via"];
const NEIGHBOR: [&str; 3] = ["address", "port", "mac"];
const CONTROL: [&str; 5] = ["socket", "link", "http", "http_reals", "vips"];

/// Templates where neither they nor many connections are asked for.
const LEAST_TEMPLATES: u32 = 1024;
const MAX_LCORE: u32 = 127;
const MAX_PORTS: usize = 32;
const MAX_ADDRESSES: usize = 8;
const MAX_SOCKET_PATH: usize = 107;

const LCORES: &str = "a list of numbers, each 0 to 127, as [1]";
const PORT_NAME: &str = "1 to 31 of letters, digits, \".\", \"_\" and \"-\"";
const DEVICE: &str = "a PCI address, as \"0000:01:00.0\", or a vdev, as \"net_tap0,iface=wan0\"; at most 255 bytes";
const MAC: &str = "the MAC address of one host: six bytes in hex, not multicast, not zero, as \"02:00:00:00:01:01\"";
const ADDRESSES: &str = "a list of unicast IPv4 addresses with prefix length 1 to 32, as [\"10.0.1.1/24\"]";
const KERNEL_INTERFACE: &str = "1 to 15 bytes without \"/\", \":\" and spaces, as \"sluice-wan\"";
const PREFIX: &str = "an IPv4 prefix of length 0 to 32, as \"10.0.0.0/8\"";
const HOST: &str = "a unicast IPv4 address, as \"10.0.1.254\"";
const SOCKET: &str = "an absolute path of at most 107 bytes";
const EAL: &str = "a list of strings without control characters";

pub(super) fn keys() -> Vec<String> {
    let sections: [(&str, &[&str]); 5] =
        [("dataplane", &DATAPLANE), ("port", &PORT), ("route", &ROUTE), ("neighbor", &NEIGHBOR), ("control", &CONTROL)];
    sections.iter().flat_map(|(section, keys)| keys.iter().map(move |key| format!("{section}.{key}"))).collect()
}

pub(super) fn machine(document: &Document<'_>) -> Result<Machine, ConfigError> {
    let table = document.parse()?;
    let root = Section::root(document, &table, &SECTIONS)?;
    let section = root.table("dataplane", &DATAPLANE)?;
    let section = root.required("[dataplane]", "a table with at least workers, as workers = [1]", section)?;
    let dataplane = dataplane(&section)?;
    let ports = ports(&root)?;
    let routes = routes(&root, &ports)?;
    let neighbors = neighbors(&root, &ports)?;
    let control = control(root.table("control", &CONTROL)?.as_ref())?;
    Ok(Machine { dataplane, ports, routes, neighbors, control })
}

fn dataplane(section: &Section<'_>) -> Result<Dataplane, ConfigError> {
    let main_lcore = lcore(section.number("main_lcore", 0..=MAX_LCORE)?.unwrap_or(0));
    let connections = section.number("connections", 1..=100_000_000)?.unwrap_or(1_000_000);
    let templates = section.number("templates", 1..=100_000_000)?;
    Ok(Dataplane {
        main_lcore,
        workers: workers(section, main_lcore)?,
        eal: eal(section)?,
        connections,
        templates: templates.unwrap_or((connections / 4).max(LEAST_TEMPLATES)),
        max_services: section.number("max_services", 1..=1_048_576)?.unwrap_or(16_384),
        max_reals: section.number("max_reals", 1..=1_048_576)?.unwrap_or(131_072),
        mbufs: section.number("mbufs", 1024..=16_777_215)?,
        idle: section.parsed("idle", "spin, pause, sleep")?.unwrap_or(Idle::Pause),
        unmatched: section.parsed("unmatched", "reject, kernel, drop")?.unwrap_or(Unmatched::Reject),
        reject_rate: section.number("reject_rate", 0..=1_000_000)?.unwrap_or(1000),
    })
}

/// The range was checked: at most [`MAX_LCORE`].
fn lcore(number: u32) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

fn workers(section: &Section<'_>, main_lcore: u16) -> Result<Vec<u16>, ConfigError> {
    let workers = section.numbers("workers", 0..=MAX_LCORE)?;
    let workers: Vec<u16> = section.required("workers", LCORES, workers)?.into_iter().map(lcore).collect();
    if workers.is_empty() {
        return Err(section.refuse_value("workers", "at least one lcore, as [1]"));
    }
    if workers.contains(&main_lcore) {
        let message = format!("workers has lcore {main_lcore}, which is main_lcore; give the workers other lcores");
        return Err(section.refuse("workers", message));
    }
    for (index, worker) in workers.iter().enumerate() {
        if workers.iter().take(index).any(|earlier| earlier == worker) {
            return Err(section.refuse("workers", format!("workers has lcore {worker} twice, allowed once")));
        }
    }
    Ok(workers)
}

/// Whether the program sets this EAL argument itself: the short ones may carry their value with no space between.
/// `--lcores` is not one of them: it says on which CPUs the lcores of `main_lcore` and `workers` run.
fn is_own_eal(argument: &str) -> bool {
    let short = ["-l", "-c"].iter().any(|own| argument.starts_with(own));
    let long = argument.split('=').next().unwrap_or_default();
    short || ["--main-lcore", "--proc-type"].contains(&long)
}

fn eal(section: &Section<'_>) -> Result<Vec<String>, ConfigError> {
    let plain = |text: &str| !text.is_empty() && !text.chars().any(char::is_control);
    let read = |value: &DeValue<'_>| value.as_str().filter(|text| plain(text)).map(str::to_owned);
    let arguments = section.list("eal", EAL, read)?.unwrap_or_default();
    if let Some(argument) = arguments.iter().find(|argument| is_own_eal(argument)) {
        let message = format!("eal has {argument:?}, which main_lcore and workers decide; remove it from eal");
        return Err(section.refuse("eal", message));
    }
    Ok(arguments)
}

fn ports(root: &Section<'_>) -> Result<Vec<Port>, ConfigError> {
    let sections = root.tables("port", "port", &PORT)?;
    if sections.is_empty() {
        return Err(root.refuse("port", "there is no [[port]], give at least one with name and device".to_owned()));
    }
    if sections.len() > MAX_PORTS {
        return Err(root.refuse("port", format!("there are {} [[port]], allowed 1 to {MAX_PORTS}", sections.len())));
    }
    let (mut names, mut devices, mut macs) = (Unique::new(), Unique::new(), Unique::new());
    let (mut interfaces, mut addresses) = (Unique::new(), Unique::new());
    let mut ports = Vec::with_capacity(sections.len());
    for section in sections {
        let port = port(&section)?;
        let owner = format!("port {:?}", port.name);
        names.claim(&section, "name", port.name.clone(), format_args!("{:?}", port.name), "an earlier port")?;
        devices.claim(&section, "device", port.device.clone(), format_args!("{:?}", port.device), &owner)?;
        if let Some(mac) = port.mac {
            macs.claim(&section, "mac", mac, format_args!("\"{mac}\""), &owner)?;
        }
        if let Some(interface) = &port.kernel_interface {
            interfaces.claim(&section, "kernel_interface", interface.clone(), format_args!("{interface:?}"), &owner)?;
        }
        for own in &port.addresses {
            addresses.claim(&section, "addresses", own.address, own.address, &owner)?;
        }
        ports.push(port);
    }
    Ok(ports)
}

fn port(section: &Section<'_>) -> Result<Port, ConfigError> {
    let is_port_name = |text: &str| rules::is_name(text) && text.len() <= 31;
    let name = section.text("name", PORT_NAME, |text| is_port_name(text).then(|| text.to_owned()))?;
    let name = section.required("name", PORT_NAME, name)?;
    let is_device = |text: &str| (1..=255).contains(&text.len()) && !text.chars().any(char::is_control);
    let device = section.text("device", DEVICE, |text| is_device(text).then(|| text.to_owned()))?;
    let device = section.required("device", DEVICE, device)?;
    let mac = mac(section)?;
    let addresses = section.list("addresses", ADDRESSES, |value| value.as_str().and_then(interface_address))?;
    let addresses = addresses.unwrap_or_default();
    if addresses.len() > MAX_ADDRESSES {
        let message = format!("addresses has {} entries, allowed at most {MAX_ADDRESSES}", addresses.len());
        return Err(section.refuse("addresses", message));
    }
    let kernel_interface = section.text("kernel_interface", KERNEL_INTERFACE, interface_name)?;
    let mtu = section.number("mtu", 68..=9600)?.unwrap_or(1500);
    let mtu = u16::try_from(mtu).unwrap_or(u16::MAX);
    let faces = section.parsed("faces", "clients, reals, both")?;
    Ok(Port { name, device, mac, addresses, kernel_interface, mtu, faces })
}

fn mac(section: &Section<'_>) -> Result<Option<MacAddress>, ConfigError> {
    section.text("mac", MAC, |text| {
        let mac: MacAddress = text.parse().ok()?;
        let is_group = mac.0.first().is_some_and(|first| first & 1 == 1);
        (!is_group && mac != MacAddress::default()).then_some(mac)
    })
}

fn interface_address(text: &str) -> Option<InterfaceAddress> {
    let (address, length) = split_prefix(text)?;
    (rules::is_host(address) && (1..=32).contains(&length)).then_some(InterfaceAddress { address, length })
}

/// `10.0.1.1/24`, nothing checked but the forms of the two numbers.
fn split_prefix(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (address, length) = text.split_once('/')?;
    let digits = (1..=2).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_digit());
    if digits { Some((address.parse().ok()?, length.parse().ok()?)) } else { None }
}

/// As the kernel's `dev_valid_name`.
fn interface_name(text: &str) -> Option<String> {
    let length = (1..=15).contains(&text.len()) && text != "." && text != "..";
    let plain = !text.chars().any(|c| c == '/' || c == ':' || c.is_whitespace() || c.is_control());
    (length && plain).then(|| text.to_owned())
}

fn port_reference(section: &Section<'_>, ports: &[Port]) -> Result<u16, ConfigError> {
    let names: Vec<&str> = ports.iter().map(|port| port.name.as_str()).collect();
    let allowed = format!("the name of a [[port]]: {}", names.join(", "));
    let find = |text: &str| (0u16..).zip(&names).find(|(_, name)| **name == text).map(|(index, _)| index);
    let index = section.text("port", &allowed, find)?;
    section.required("port", &allowed, index)
}

fn host(section: &Section<'_>, key: &str) -> Result<Option<Ipv4Addr>, ConfigError> {
    section.text(key, HOST, |text| text.parse().ok().filter(|address| rules::is_host(*address)))
}

fn refuse_own(section: &Section<'_>, key: &str, address: Ipv4Addr, ports: &[Port]) -> Result<(), ConfigError> {
    match ports.iter().find(|port| port.addresses.iter().any(|own| own.address == address)) {
        None => Ok(()),
        Some(port) => {
            let message = format!("{key} {address} is the director's own address on port {:?}", port.name);
            Err(section.refuse(key, format!("{message}, allowed the address of another host")))
        }
    }
}

fn routes(root: &Section<'_>, ports: &[Port]) -> Result<Vec<Route>, ConfigError> {
    let mut prefixes = Unique::new();
    let mut routes = Vec::new();
    for section in root.tables("route", "route", &ROUTE)? {
        let prefix = prefix(&section)?;
        prefixes.claim(&section, "prefix", prefix, format_args!("\"{prefix}\""), "an earlier route")?;
        let port = port_reference(&section, ports)?;
        let via = host(&section, "via")?;
        if let Some(via) = via {
            refuse_own(&section, "via", via, ports)?;
        }
        routes.push(Route { prefix, port, via, source: None });
    }
    Ok(routes)
}

fn prefix(section: &Section<'_>) -> Result<Prefix, ConfigError> {
    let parts = section.text("prefix", PREFIX, split_prefix)?;
    let (address, length) = section.required("prefix", PREFIX, parts)?;
    match Prefix::of(address, length) {
        Some(prefix) if prefix.network == address => Ok(prefix),
        Some(prefix) => Err(section.refuse_value("prefix", &format!("zero host bits: \"{prefix}\""))),
        None => Err(section.refuse_value("prefix", PREFIX)),
    }
}

fn neighbors(root: &Section<'_>, ports: &[Port]) -> Result<Vec<Neighbor>, ConfigError> {
    let mut known = Unique::new();
    let mut neighbors = Vec::new();
    for section in root.tables("neighbor", "neighbor", &NEIGHBOR)? {
        let address = host(&section, "address")?;
        let address = section.required("address", HOST, address)?;
        let port = port_reference(&section, ports)?;
        let mac = mac(&section)?;
        let mac = section.required("mac", MAC, mac)?;
        refuse_own(&section, "address", address, ports)?;
        known.claim(&section, "address", (port, address), format_args!("\"{address}\""), "an earlier neighbor")?;
        neighbors.push(Neighbor { address, port, mac });
    }
    Ok(neighbors)
}

fn control(section: Option<&Section<'_>>) -> Result<Control, ConfigError> {
    let mut control = Control {
        socket: PathBuf::from("/run/sluice/control.sock"),
        link: PathBuf::from("/dev/shm/sluice.link"),
        http: None,
        http_reals: true,
        vips: Vips::Always,
    };
    let Some(section) = section else { return Ok(control) };
    let absolute = |text: &str| (text.starts_with('/') && !text.contains('\0')).then(|| PathBuf::from(text));
    let socket = |text: &str| absolute(text).filter(|_| text.len() <= MAX_SOCKET_PATH);
    control.socket = section.text("socket", SOCKET, socket)?.unwrap_or(control.socket);
    control.link = section.text("link", "an absolute path", absolute)?.unwrap_or(control.link);
    control.http = section.parsed("http", "an IP address and a port, as \"127.0.0.1:9106\"")?;
    control.http_reals = section.flag("http_reals")?.unwrap_or(control.http_reals);
    control.vips = section.parsed("vips", "always, served, never")?.unwrap_or(control.vips);
    Ok(control)
}
