//! The screen: a head that says how the director is, a table, a line of keys. Works from 40 columns and 6 rows on.

use super::super::health::{serves, state};
use super::super::table::{duration, rate};
use super::keys::{HELP, HELP_TYPING};
use super::view::{SortBy, Tab, View, total};
use crate::protocol::{Rates, RealRow, Series, ServiceRow, WorkerRow};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Cell, Paragraph, Row, Sparkline, Table, TableState};

const BARS: usize = 30;

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let [head, tabs, body, keys] =
        Layout::vertical([Constraint::Length(2), Constraint::Length(1), Constraint::Min(1), Constraint::Length(1)])
            .areas(frame.area());
    draw_head(frame, head, view);
    frame.render_widget(tab_line(view), tabs);
    draw_body(frame, body, view, true);
    let help = if view.typing { HELP_TYPING } else { HELP };
    frame.render_widget(Paragraph::new(help).style(Style::new().add_modifier(Modifier::DIM)), keys);
}

/// Without keys and selection, for paper; the head only `with_head`.
pub(super) fn plain(frame: &mut Frame<'_>, view: &View, with_head: bool) {
    let height = if with_head { 3 } else { 0 };
    let [head, body] = Layout::vertical([Constraint::Length(height), Constraint::Min(1)]).areas(frame.area());
    if with_head {
        draw_head(frame, head, view);
    }
    draw_body(frame, body, view, false);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let bars = if area.width >= 100 { u16::try_from(BARS).unwrap_or(u16::MAX) + 2 } else { 0 };
    let [text, chart] = Layout::horizontal([Constraint::Min(20), Constraint::Length(bars)]).areas(area);
    frame.render_widget(Paragraph::new(vec![state_line(view), rates_line(view)]), text);
    if bars > 0 {
        let values = chart_values(view);
        let chart = Rect { x: chart.x + 2, width: chart.width.saturating_sub(2), height: chart.height.min(2), ..chart };
        frame.render_widget(Sparkline::default().data(&values).style(Style::new().fg(Color::Cyan)), chart);
    }
}

fn state_line(view: &View) -> Line<'static> {
    let name = Span::from("Sluice ").bold();
    let Some(sample) = &view.now else { return Line::from(name) };
    if let Some(why) = &view.lost {
        return Line::from(vec![name, Span::from(format!("control cannot be reached: {why}")).fg(Color::Red)]);
    }
    let Some(plane) = &sample.status.dataplane else {
        let gone = sample.status.gone_seconds.map_or_else(String::new, |gone| format!(" for {}", duration(gone)));
        let text = format!("dataplane gone{gone}: nothing is forwarded; start sluice-dataplane");
        return Line::from(vec![name, Span::from(text).fg(Color::Red).bold()]);
    };
    let up = duration(plane.uptime_seconds);
    let state = match (plane.connected, sample.status.warnings.first()) {
        (true, None) => Span::from(format!("forwarding, up {up}")).fg(Color::Green),
        (true, Some(warning)) => Span::from(format!("forwarding, up {up}; {warning}")).fg(Color::Yellow),
        (false, _) => Span::from(format!("runs, up {up}, but is not controlled from here")).fg(Color::Yellow),
    };
    Line::from(vec![name, state])
}

fn rates_line(view: &View) -> Line<'static> {
    let Some(sample) = &view.now else { return Line::default() };
    let rates: Vec<Rates> = sample.services.iter().filter_map(|service| service.rates).collect();
    let sum = |value: fn(&Rates) -> u64| match rates.is_empty() {
        true => "-".to_owned(),
        false => rate(rates.iter().map(value).sum(), ""),
    };
    let connections =
        sample.status.dataplane.as_ref().map_or_else(|| "-".to_owned(), |plane| rate(plane.connections, ""));
    Line::from(format!(
        "{connections} connections  {} new/s  packets/s {} in {} out  bit/s {} in {} out",
        sum(|it| it.connections),
        sum(|it| it.in_packets),
        sum(|it| it.out_packets),
        sum(|it| it.in_bytes * 8),
        sum(|it| it.out_bytes * 8),
    ))
}

/// New connections a second, of all or of the service that is looked at, ten minutes in so many bars.
fn chart_values(view: &View) -> Vec<Option<u64>> {
    let Some(sample) = &view.now else { return Vec::new() };
    let history = &sample.history;
    let one = view.service.as_ref().and_then(|name| history.services.iter().find(|service| service.name == *name));
    let series: &Series = one.map_or(&history.total, |service| &service.series);
    let each = usize::try_from(history.capacity).unwrap_or(BARS).div_ceil(BARS).max(1);
    let values: Vec<Option<u64>> = series
        .connections
        .rchunks(each)
        .map(|chunk| chunk.iter().flatten().copied().reduce(f32::max).map(|value| (value * 10.0) as u64))
        .collect();
    let missing = BARS.saturating_sub(values.len());
    std::iter::repeat_n(None, missing).chain(values.into_iter().take(BARS).rev()).collect()
}

fn tab_line(view: &View) -> Line<'static> {
    let mut spans = Vec::new();
    for (number, tab) in (1..).zip(Tab::ALL) {
        let label = match (&view.service, tab) {
            (Some(service), Tab::Services) => format!(" {number} {}: {service} ", tab.name()),
            _ => format!(" {number} {} ", tab.name()),
        };
        spans.push(if tab == view.tab { Span::from(label).reversed() } else { Span::from(label) });
    }
    if view.tab == Tab::Services && (view.sort != SortBy::Order || view.reversed) {
        let reversed = if view.reversed { ", reversed" } else { "" };
        spans.push(Span::from(format!("  by {}{reversed}", view.sort.name())).fg(Color::Cyan));
    }
    if view.typing || !view.filter.is_empty() {
        let cursor = if view.typing { "_" } else { "" };
        spans.push(Span::from(format!("  /{}{cursor}", view.filter)).fg(Color::Cyan));
    }
    Line::from(spans)
}

fn draw_body(frame: &mut Frame<'_>, area: Rect, view: &View, with_selection: bool) {
    let (headings, widths, rows, empty) = match view.tab {
        Tab::Services if view.service.is_some() => reals(view, area.width),
        Tab::Services => services(view, area.width, !with_selection),
        Tab::Drops => drops(view),
        Tab::Workers => workers(view),
    };
    if rows.is_empty() {
        return frame.render_widget(Paragraph::new(empty), area);
    }
    let heading = headings.into_iter().map(|(text, is_number)| cell(text.to_owned(), is_number));
    let table = Table::new(rows, widths)
        .header(Row::new(heading).style(Style::new().add_modifier(Modifier::BOLD)))
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(with_selection.then_some(view.selected));
    frame.render_stateful_widget(table, area, &mut state);
}

/// Headings (and whether they are of numbers), widths, rows, and what is said where there are none.
type Contents = (Vec<(&'static str, bool)>, Vec<Constraint>, Vec<Row<'static>>, &'static str);

fn cell(text: String, is_number: bool) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(if is_number { Alignment::Right } else { Alignment::Left }))
}

const RATES: [(&str, bool); 7] = [
    ("ACTIVE", true),
    ("INACT", true),
    ("CONN/s", true),
    ("PKT/s IN", true),
    ("OUT", true),
    ("BIT/s IN", true),
    ("OUT", true),
];
const RATE_WIDTHS: [u16; 7] = [6, 6, 6, 8, 6, 8, 6];

/// The cells of [`RATES`].
fn rate_cells(active: Option<u64>, inactive: Option<u64>, rates: Option<Rates>) -> Vec<Cell<'static>> {
    let short = |value: Option<u64>| cell(value.map_or_else(|| "-".to_owned(), |value| rate(value, "")), true);
    let of = |value: fn(Rates) -> u64| short(rates.map(value));
    vec![
        short(active),
        short(inactive),
        of(|it| it.connections),
        of(|it| it.in_packets),
        of(|it| it.out_packets),
        of(|it| it.in_bytes.saturating_mul(8)),
        of(|it| it.out_bytes.saturating_mul(8)),
    ]
}

/// What of it has room beside the longest address of a real in 80 columns.
const FEW_RATES: [(&str, bool); 5] =
    [("ACTIVE", true), ("CONN/s", true), ("PKT/s IN", true), ("OUT", true), ("BIT/s", true)];
const FEW_WIDTHS: [u16; 5] = [6, 6, 8, 6, 7];

/// The cells of [`FEW_RATES`]; bits of both directions.
fn few_rate_cells(real: &RealRow) -> Vec<Cell<'static>> {
    let short = |value: Option<u64>| cell(value.map_or_else(|| "-".to_owned(), |value| rate(value, "")), true);
    let of = |value: fn(Rates) -> u64| short(real.rates.map(value));
    vec![
        short(real.active),
        of(|it| it.connections),
        of(|it| it.in_packets),
        of(|it| it.out_packets),
        of(|it| it.in_bytes.saturating_add(it.out_bytes).saturating_mul(8)),
    ]
}

/// With the widths of [`RATES`].
fn with_rates(first: &[u16]) -> Vec<Constraint> {
    let least = std::iter::once(Constraint::Min(12));
    least.chain(first.iter().chain(&RATE_WIDTHS).map(|width| Constraint::Length(*width))).collect()
}

fn services(view: &View, width: u16, with_reals: bool) -> Contents {
    let wide = width >= 100;
    let mut headings = vec![("SERVICE", false)];
    if wide {
        headings.push(("ADDRESS", false));
    }
    headings.push(("REALS", false));
    headings.extend(RATES);
    let mut rows = Vec::new();
    for service in view.services() {
        let mut cells = vec![cell(service.name.clone(), false)];
        if wide {
            cells.push(cell(service.key(), false));
        }
        let (text, color) = reals_text(service);
        cells.push(cell(text, false).fg(color));
        let sum = |value: fn(&RealRow) -> Option<u64>| total(service.reals.iter().map(value));
        cells.extend(rate_cells(sum(|real| real.active), sum(|real| real.inactive), service.rates));
        rows.push(Row::new(cells));
        for real in service.reals.iter().filter(|_| with_reals) {
            let mut cells = vec![cell(format!("  {}", real.address), false)];
            if wide {
                cells.push(cell(format!("{}, weight {}", real.method, real.weight), false));
            }
            cells.push(cell(state(real).to_owned(), false));
            cells.extend(rate_cells(real.active, real.inactive, real.rates));
            rows.push(Row::new(cells));
        }
    }
    let widths = if wide { with_rates(&[25, 10]) } else { with_rates(&[7]) };
    let empty = if view.filter.is_empty() { "No services." } else { "No service matches the filter." };
    (headings, widths, rows, empty)
}

/// `2 of 3`, in a colour that says the same.
fn reals_text(service: &ServiceRow) -> (String, Color) {
    let all = service.reals.iter().filter(|real| !real.removed && !real.sorry).count();
    let serving = service.reals.iter().filter(|real| serves(state(real))).count();
    let color = match serving {
        0 => Color::Red,
        some if some < all => Color::Yellow,
        _ => Color::Green,
    };
    (format!("{serving} of {all}"), color)
}

fn reals(view: &View, width: u16) -> Contents {
    let wide = width >= 100;
    let mut headings = vec![("REAL", false), ("STATE", false), ("WEIGHT", true)];
    if wide {
        headings.insert(1, ("METHOD", false));
        headings.extend(RATES);
    } else {
        headings.extend(FEW_RATES);
    }
    let rows = view.reals().into_iter().map(|real| {
        let said = state(real);
        let color = if serves(said) { Color::Green } else { Color::Yellow };
        let mut cells = vec![cell(real.address.to_string(), false)];
        if wide {
            cells.push(cell(real.method.to_string(), false));
        }
        cells.extend([cell(said.to_owned(), false).fg(color), cell(real.weight.to_string(), true)]);
        cells.extend(if wide { rate_cells(real.active, real.inactive, real.rates) } else { few_rate_cells(real) });
        Row::new(cells)
    });
    let rows = rows.collect();
    let empty = match view.one_service() {
        Some(_) => "The service has no reals.",
        None => "The service is gone. Esc goes back to the others.",
    };
    let few = [21, 8, 6].into_iter().chain(FEW_WIDTHS).map(Constraint::Length);
    let widths = if wide { with_rates(&[7, 10, 6]) } else { few.collect() };
    (headings, widths, rows, empty)
}

fn drops(view: &View) -> Contents {
    let rows = view.drops().into_iter().map(|(reason, dropped, answered, per_second, help)| {
        Row::new(vec![
            cell(reason.to_owned(), false),
            cell(rate(dropped, ""), true),
            cell(rate(answered, ""), true),
            cell(per_second.map_or_else(|| "-".to_owned(), |value| rate(value, "")), true),
            cell(help.to_owned(), false),
        ])
    });
    let rows = rows.collect();
    let headings =
        vec![("REASON", false), ("DROPPED", true), ("ANSWERED", true), ("/s", true), ("WHAT HAPPENED", false)];
    let widths = [21, 7, 8, 6].map(Constraint::Length).into_iter().chain([Constraint::Min(10)]).collect();
    let empty = match view.now.as_ref().is_some_and(|sample| sample.drops.is_some()) {
        true => "No packet was dropped or answered.",
        false => "Not known: the dataplane is not running.",
    };
    (headings, widths, rows, empty)
}

fn workers(view: &View) -> Contents {
    let rows = view.workers().into_iter().map(|(now, before)| {
        let each = |value: fn(&WorkerRow) -> u64| {
            let per_second = before.and_then(|before| view.rate(value(before), value(now)));
            cell(per_second.map_or_else(|| "-".to_owned(), |value| rate(value, "")), true)
        };
        let load = before.and_then(|before| view.load(before, now));
        Row::new(vec![
            cell(super::super::show::worker_name(now.worker), false),
            cell(load.map_or_else(|| "-".to_owned(), |load| format!("{:.1}%", load * 100.0)), true),
            each(|it| it.received + it.received_from_kernel),
            each(|it| it.transmitted),
            each(|it| it.dropped),
            each(|it| it.handed_off),
            each(|it| it.connections_created),
            cell(rate(now.connections, ""), true),
            each(|it| it.loops),
        ])
    });
    let headings = vec![
        ("WORKER", false),
        ("LOAD", true),
        ("RECV/s", true),
        ("SENT/s", true),
        ("DROP/s", true),
        ("HANDED/s", true),
        ("NEW/s", true),
        ("CONN", true),
        ("ROUNDS/s", true),
    ];
    let widths = [7, 7, 7, 7, 7, 8, 7, 7, 8].map(Constraint::Length).to_vec();
    (headings, widths, rows.collect(), "Not known: the dataplane is not running.")
}
