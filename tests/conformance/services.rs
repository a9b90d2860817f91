//! From ipvsadm's commands to services.toml: the few forms that scenarios use.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::Ipv4Addr;

/// The port of a service without reals on each VIP: a VIP of the reference is a local address, with or without services.
pub(crate) const UNUSED_PORT: u16 = 65_535;

/// The services that a list of commands has made.
#[derive(Clone, Default)]
pub(crate) struct Table {
    services: Vec<Service>,
    timeouts: [u32; 3],
    settings: Vec<(String, String)>,
}

#[derive(Clone)]
struct Service {
    protocol: &'static str,
    address: String,
    scheduler: String,
    /// Further keys of services.toml.
    keys: Vec<String>,
    reals: Vec<Real>,
}

#[derive(Clone)]
struct Real {
    address: String,
    method: &'static str,
    weight: u32,
    thresholds: [u32; 2],
}

/// The options of one command.
#[derive(Default)]
struct Options<'a> {
    command: char,
    service: Option<(&'static str, &'a str)>,
    scheduler: Option<&'a str>,
    real: Option<&'a str>,
    method: Option<&'static str>,
    weight: Option<u32>,
    thresholds: [u32; 2],
    keys: Vec<String>,
    values: Vec<u32>,
}

impl Table {
    /// The reference's defaults, where ours are others.
    pub(crate) fn new() -> Self {
        Self { timeouts: [900, 120, 300], ..Self::default() }
    }

    /// Does what a command line says.
    pub(crate) fn command(&mut self, line: &str) -> Result<(), String> {
        let options = Options::parse(line)?;
        let at = |service| self.services.iter().position(|known| (known.protocol, known.address.as_str()) == service);
        let place = options.service.and_then(at);
        match (options.command, place) {
            ('C', _) => self.services.clear(),
            ('S', _) => {
                for (timeout, value) in self.timeouts.iter_mut().zip(&options.values) {
                    *timeout = if *value == 0 { *timeout } else { *value };
                }
            }
            ('A', None) => {
                let (protocol, address) = options.service.ok_or("no service")?;
                let scheduler = options.scheduler.unwrap_or("wlc").to_owned();
                let (address, keys) = (address.to_owned(), options.keys);
                self.services.push(Service { protocol, address, scheduler, keys, reals: Vec::new() });
            }
            ('E', Some(at)) => {
                self.services[at].scheduler = options.scheduler.unwrap_or("wlc").to_owned();
                self.services[at].keys = options.keys;
            }
            ('D', Some(at)) => drop(self.services.remove(at)),
            (_, Some(at)) => self.services[at].change(&options)?,
            _ => return Err(format!("no such service, or there already: {line}")),
        }
        Ok(())
    }

    /// Gives a setting a value.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
    }

    /// services.toml.
    pub(crate) fn to_toml(&self, vips: &[Ipv4Addr], groups: &BTreeMap<String, Vec<String>>) -> String {
        let [established, fin_wait, udp] = self.timeouts;
        let mut text = format!("[timeouts]\ntcp_established = {established}\ntcp_fin_wait = {fin_wait}\nudp = {udp}\n");
        if !self.settings.is_empty() {
            text += "[settings]\n";
        }
        for (name, value) in &self.settings {
            let _ = writeln!(text, "{name} = {value}");
        }
        for (number, endpoints) in groups {
            let _ = writeln!(text, "[[group]]\nnumber = {number}\nendpoints = {endpoints:?}");
        }
        for vip in vips {
            let _ =
                writeln!(text, "[[service]]\nname = \"{vip}\"\nprotocol = \"udp\"\naddress = \"{vip}:{UNUSED_PORT}\"");
        }
        for (index, service) in self.services.iter().enumerate() {
            let Service { protocol, address, scheduler, keys, reals } = service;
            let key = match *protocol {
                "group" => format!("group = {address}"),
                protocol => format!("protocol = \"{protocol}\"\naddress = \"{address}\""),
            };
            let _ = writeln!(text, "[[service]]\nname = \"service-{index}\"\n{key}\nscheduler = \"{scheduler}\"");
            keys.iter().for_each(|key| text += &format!("{key}\n"));
            for Real { address, method, weight, thresholds: [upper, lower] } in reals {
                let _ = writeln!(
                    text,
                    "[[service.real]]\naddress = \"{address}\"\nmethod = \"{method}\"\nweight = {weight}\n\
                     upper_threshold = {upper}\nlower_threshold = {lower}"
                );
            }
        }
        text
    }
}

impl Service {
    fn change(&mut self, options: &Options<'_>) -> Result<(), String> {
        let given = options.real.ok_or("no real")?;
        let own_port = self.address.rsplit_once(':').map_or("0", |(_, port)| port);
        let is_group = self.protocol == "group";
        let (host, port) = given.split_once(':').unwrap_or((given, own_port));
        // Only NAT changes the port.
        let method = options.method.unwrap_or("direct");
        let address = format!("{host}:{}", if method == "nat" || is_group { port } else { own_port });
        let at = self.reals.iter().position(|real| real.address == address);
        match (options.command, at) {
            ('a', None) => self.reals.push(Real {
                address,
                method,
                weight: options.weight.unwrap_or(1),
                thresholds: options.thresholds,
            }),
            ('e', Some(at)) => {
                let (weight, thresholds) = (options.weight.unwrap_or(1), options.thresholds);
                self.reals[at] = Real { address, method, weight, thresholds };
            }
            ('d', at) => {
                let by_port = self.reals.iter().position(|real| real.address == format!("{host}:{port}"));
                drop(self.reals.remove(at.or(by_port).ok_or_else(|| format!("no real {given}"))?));
            }
            _ => return Err(format!("no such real, or there already: {given}")),
        }
        Ok(())
    }
}

impl<'a> Options<'a> {
    fn parse(line: &'a str) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = line.split_whitespace().peekable();
        while let Some(word) = words.next() {
            if word == "-p" {
                let seconds = words.next_if(|word| !word.starts_with('-')).unwrap_or("360");
                options.keys.push(format!("persistence = {seconds}"));
                continue;
            }
            let mut value = || words.next().ok_or_else(|| format!("{word} without a value: {line}"));
            match word {
                "-A" | "-E" | "-D" | "-a" | "-e" | "-d" | "-C" => options.command = word.chars().last().unwrap_or(' '),
                "--set" => options.command = 'S',
                "-t" => options.service = Some(("tcp", value()?)),
                "-u" => options.service = Some(("udp", value()?)),
                "-f" => options.service = Some(("group", value()?)),
                "-M" => options.keys.push(format!("persistence_netmask = \"{}\"", value()?)),
                "-b" => options.keys.push(format!("scheduler_flags = {:?}", value()?.split(',').collect::<Vec<_>>())),
                "-o" => options.keys.push("one_packet = true".to_owned()),
                "-x" => options.thresholds[0] = value()?.parse().unwrap_or(0),
                "-y" => options.thresholds[1] = value()?.parse().unwrap_or(0),
                "-s" => options.scheduler = Some(value()?),
                "-r" => options.real = Some(value()?),
                "-w" => options.weight = value()?.parse().ok(),
                "-m" => options.method = Some("nat"),
                "-i" => options.method = Some("tunnel"),
                "-g" => options.method = Some("direct"),
                number if options.command == 'S' => options.values.extend(number.parse::<u32>().ok()),
                other => return Err(format!("{other} is not known here: {line}")),
            }
        }
        Ok(options)
    }
}
