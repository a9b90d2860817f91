//! Charts of a report, as SVG: bars, one for each figure of a scenario.

use super::{Measurement, Report};
use plotters::prelude::*;
use std::error::Error;
use std::path::{Path, PathBuf};

const WIDTH: u32 = 900;
const BAR: RGBColor = RGBColor(0x2b, 0x6c, 0xb0);
const CEILING: RGBColor = RGBColor(0xa0, 0xae, 0xc0);
const SPREAD: RGBColor = RGBColor(0x1a, 0x20, 0x2c);

/// An axis.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// From 0.
    Linear,
    /// From a tenth, each step ten times as much.
    Logarithmic,
}

impl Scale {
    /// Where a value is on the axis.
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.max(0.1).log10(),
        }
    }

    /// The value at a place.
    fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Logarithmic => 10_f64.powf(place),
        }
    }
}

/// A chart: its file's name, its title, which measurements are on it, and its axis.
const CHARTS: [(&str, &str, &str, Scale); 5] = [
    ("stages", "Cycles a packet, the packet path alone", "stages ", Scale::Linear),
    ("cable", "Packets through memif, millions a second", "cable ", Scale::Linear),
    ("capture", "Cycles a packet, net_pcap, driver included", "capture ", Scale::Linear),
    ("connections", "New connections, millions a second", "new connections", Scale::Linear),
    ("latency", "Latency at a share of the lossless rate, microseconds", "latency ", Scale::Logarithmic),
];

/// Draws the charts that the report has figures for into `folder`; returns their files.
///
/// # Errors
/// A file can't be written.
pub fn draw(report: &Report, folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for (name, title, prefix, scale) in CHARTS {
        let named =
            |measurement: &&Measurement| measurement.name.starts_with(prefix) && !measurement.name.ends_with("max");
        // One axis, one unit: that of the first.
        let unit = report.measurements.iter().find(named).map(|first| first.unit.as_str());
        let chosen: Vec<&Measurement> =
            report.measurements.iter().filter(named).filter(|of| Some(of.unit.as_str()) == unit).collect();
        if !chosen.is_empty() {
            let file = folder.join(format!("{name}.svg"));
            bars(&file, title, (prefix, scale), &chosen)?;
            files.push(file);
        }
    }
    Ok(files)
}

/// Horizontal bars: the median, a line over the spread, and macswap's figure behind. `prefix` is left out of their names.
fn bars(
    file: &Path,
    title: &str,
    (prefix, scale): (&str, Scale),
    chosen: &[&Measurement],
) -> Result<(), Box<dyn Error>> {
    let count = chosen.len() as i32;
    let root = SVGBackend::new(file, (WIDTH, 110 + 26 * chosen.len() as u32)).into_drawing_area();
    root.fill(&WHITE)?;
    let most = chosen
        .iter()
        .flat_map(|measurement| [measurement.spread().1, measurement.ceiling.unwrap_or_default()])
        .fold(0.0, f64::max);
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 20))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(230)
        .build_cartesian_2d(scale.place(0.0)..scale.place(most.max(1e-6)) * 1.05, (0..count - 1).into_segmented())?;
    let label = |place: &SegmentValue<i32>| match place {
        SegmentValue::CenterOf(place) | SegmentValue::Exact(place) => usize::try_from(count - 1 - place)
            .ok()
            .and_then(|place| chosen.get(place))
            .map_or_else(String::new, |measurement| measurement.name.trim_start_matches(prefix).to_owned()),
        SegmentValue::Last => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(chosen.len())
        .y_label_formatter(&label)
        .x_label_formatter(&|place| super::table::number(scale.value(*place)))
        .label_style(("sans-serif", 13))
        .draw()?;
    for (place, measurement) in (0..count).rev().zip(chosen) {
        let bar = |to: f64, margin, colour: RGBColor| {
            let corners =
                [(scale.place(0.0), SegmentValue::Exact(place)), (scale.place(to), SegmentValue::Exact(place + 1))];
            let mut bar = Rectangle::new(corners, colour.filled());
            bar.set_margin(margin, margin, 0, 0);
            bar
        };
        if let Some(ceiling) = measurement.ceiling {
            chart.draw_series([bar(ceiling, 3, CEILING)])?;
        }
        chart.draw_series([bar(measurement.median(), 6, BAR)])?;
        let (low, high) = measurement.spread();
        let (low, high) = (scale.place(low), scale.place(high));
        let middle = SegmentValue::CenterOf(place);
        chart.draw_series([PathElement::new(vec![(low, middle.clone()), (high, middle)], SPREAD.stroke_width(2))])?;
    }
    root.present()?;
    Ok(())
}
