//! What is looked at, and how: the part of `sluice top` that keys change. Pure.

use super::super::perf;
use super::data::Sample;
use crate::protocol::{RealRow, ServiceRow, WorkerRow};
use std::cmp::Ordering;

/// What the screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tab {
    /// The services, or the reals of one.
    #[default]
    Services,
    /// Drop reasons.
    Drops,
    /// Workers.
    Workers,
}

impl Tab {
    pub(super) const ALL: [Self; 3] = [Self::Services, Self::Drops, Self::Workers];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Services => "Services",
            Self::Drops => "Drops",
            Self::Workers => "Workers",
        }
    }

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Services => Self::Drops,
            Self::Drops => Self::Workers,
            Self::Workers => Self::Services,
        }
    }
}

/// What services and reals are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SortBy {
    /// As in the running table.
    #[default]
    Order,
    Name,
    Active,
    Connections,
    Packets,
    Bits,
}

impl SortBy {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Name => "name",
            Self::Active => "active",
            Self::Connections => "conn/s",
            Self::Packets => "packets/s",
            Self::Bits => "bit/s",
        }
    }

    pub(super) const fn next(self) -> Self {
        match self {
            Self::Order => Self::Name,
            Self::Name => Self::Active,
            Self::Active => Self::Connections,
            Self::Connections => Self::Packets,
            Self::Packets => Self::Bits,
            Self::Bits => Self::Order,
        }
    }
}

/// The state of the screen.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) tab: Tab,
    /// The service whose reals are shown; `None`: all services.
    pub(super) service: Option<String>,
    pub(super) sort: SortBy,
    pub(super) reversed: bool,
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) typing: bool,
    /// The selected row, from 0.
    pub(super) selected: usize,
    pub(super) before: Option<Sample>,
    pub(super) now: Option<Sample>,
    /// Why there is no newer sample.
    pub(super) lost: Option<String>,
}

impl View {
    /// A newer sample.
    pub(super) fn take(&mut self, sample: Sample) {
        self.before = self.now.replace(sample);
        self.lost = None;
        self.stay_inside();
    }

    /// There is no newer sample.
    pub(super) fn lose(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// Shows this, from its first row on.
    pub(super) fn show(&mut self, tab: Tab) {
        self.tab = tab;
        self.selected = 0;
    }

    /// The services that match the filter, sorted.
    pub(super) fn services(&self) -> Vec<&ServiceRow> {
        let all = self.now.iter().flat_map(|sample| &sample.services);
        let mut rows: Vec<_> = all.filter(|row| matches(row, &self.filter)).collect();
        self.sorted(
            &mut rows,
            |row| row.name.clone(),
            |row| total(row.reals.iter().map(|real| real.active)),
            |row| row.rates,
        );
        rows
    }

    /// The reals of the service that is looked at, sorted.
    pub(super) fn reals(&self) -> Vec<&RealRow> {
        let mut rows: Vec<_> = self.one_service().iter().flat_map(|service| &service.reals).collect();
        self.sorted(&mut rows, |row| row.address, |row| row.active, |row| row.rates);
        rows
    }

    /// The service that is looked at.
    pub(super) fn one_service(&self) -> Option<&ServiceRow> {
        let name = self.service.as_ref()?;
        self.now.as_ref()?.services.iter().find(|row| row.name == *name)
    }

    fn sorted<T, N: Ord>(
        &self,
        rows: &mut [&T],
        name: impl Fn(&T) -> N,
        active: impl Fn(&T) -> Option<u64>,
        rates: impl Fn(&T) -> Option<crate::protocol::Rates>,
    ) {
        let rate = |row: &T, by: fn(crate::protocol::Rates) -> u64| rates(row).map(by);
        let order = |one: &&T, other: &&T| -> Ordering {
            // Numbers: the greatest first.
            match self.sort {
                SortBy::Order => Ordering::Equal,
                SortBy::Name => name(one).cmp(&name(other)),
                SortBy::Active => active(other).cmp(&active(one)),
                SortBy::Connections => rate(other, |it| it.connections).cmp(&rate(one, |it| it.connections)),
                SortBy::Packets => {
                    let packets = |it: crate::protocol::Rates| it.in_packets + it.out_packets;
                    rate(other, packets).cmp(&rate(one, packets))
                }
                SortBy::Bits => {
                    let bytes = |it: crate::protocol::Rates| it.in_bytes + it.out_bytes;
                    rate(other, bytes).cmp(&rate(one, bytes))
                }
            }
        };
        rows.sort_by(order);
        if self.reversed {
            rows.reverse();
        }
    }

    /// What happened to packets, the most frequent first: name, dropped, answered, both a second, help.
    pub(super) fn drops(&self) -> Vec<(&str, u64, u64, Option<u64>, &str)> {
        let Some(drops) = self.now.as_ref().and_then(|sample| sample.drops.as_ref()) else { return Vec::new() };
        let earlier = |reason: &str| {
            let before = self.comparable()?.drops.as_ref()?;
            before.reasons.iter().find(|row| row.reason == reason).map(|row| row.dropped + row.answered)
        };
        let rows = drops.reasons.iter().filter(|row| row.dropped + row.answered > 0);
        let rows = rows.filter(|row| row.reason.contains(self.filter.as_str()));
        let mut rows: Vec<_> = rows
            .map(|row| {
                let rate = earlier(&row.reason).and_then(|earlier| self.rate(earlier, row.dropped + row.answered));
                (row.reason.as_str(), row.dropped, row.answered, rate, row.help.as_str())
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.1 + row.2));
        rows
    }

    /// The workers, each with what it was at the sample before.
    pub(super) fn workers(&self) -> Vec<(&WorkerRow, Option<&WorkerRow>)> {
        let now = self.now.iter().flat_map(|sample| &sample.totals.workers).enumerate();
        let before = |index: usize| self.comparable()?.totals.workers.get(index);
        now.map(|(index, worker)| (worker, before(index))).collect()
    }

    /// The sample before, if it is of the same dataplane.
    fn comparable(&self) -> Option<&Sample> {
        let instance = |sample: &Sample| sample.status.dataplane.as_ref().map(|plane| plane.instance.clone());
        let (before, now) = (self.before.as_ref()?, self.now.as_ref()?);
        (instance(before) == instance(now)).then_some(before)
    }

    /// What came in a second between the two samples.
    pub(super) fn rate(&self, before: u64, now: u64) -> Option<u64> {
        Some(now.checked_sub(before)?.saturating_mul(1000) / self.milliseconds()?)
    }

    /// The share of the time between the two samples in which this worker had something to do; `None`: the main lcore,
    /// or not known yet.
    pub(super) fn load(&self, before: &WorkerRow, now: &WorkerRow) -> Option<f64> {
        now.worker?;
        let busy = now.busy_cycles.checked_sub(before.busy_cycles)?;
        Some(perf::load(busy, now.cycles_per_second, self.milliseconds()? as f64 / 1000.0))
    }

    /// Between the two samples.
    fn milliseconds(&self) -> Option<u64> {
        let at = |sample: &Option<Sample>| sample.as_ref().map(|sample| sample.totals.at_milliseconds);
        at(&self.now)?.checked_sub(at(&self.before)?).filter(|time| *time > 0)
    }

    /// How many rows there are to choose from.
    pub(super) fn rows(&self) -> usize {
        match self.tab {
            Tab::Services if self.service.is_some() => self.reals().len(),
            Tab::Services => self.services().len(),
            Tab::Drops => self.drops().len(),
            Tab::Workers => self.workers().len(),
        }
    }

    /// Keeps the selected row one that there is.
    pub(super) fn stay_inside(&mut self) {
        self.selected = self.selected.min(self.rows().saturating_sub(1));
    }
}

/// The sum of what is known; `None`: nothing is.
pub(super) fn total(values: impl Iterator<Item = Option<u64>>) -> Option<u64> {
    values.fold(None, |sum, value| match (sum, value) {
        (Some(sum), Some(value)) => Some(sum + value),
        (sum, value) => sum.or(value),
    })
}

fn matches(service: &ServiceRow, filter: &str) -> bool {
    let filter = filter.to_ascii_lowercase();
    service.name.to_ascii_lowercase().contains(&filter)
        || service.key().contains(&filter)
        || service.reals.iter().any(|real| real.address.to_string().contains(&filter))
}
