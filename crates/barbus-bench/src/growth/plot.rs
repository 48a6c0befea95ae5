//! Plots of the growth measures as SVG.

use std::fmt::Write;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context, anyhow};
use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::prelude::*;
use serde::Serialize;

/// The content of one file: panels side by side over the same axis.
#[derive(Debug)]
pub(super) struct Plot {
    /// Name of the file.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Title of the horizontal axis.
    pub(super) x: &'static str,
    /// Measured values and their labels. The axis is logarithmic.
    pub(super) ticks: Vec<(f64, &'static str)>,
    pub(super) panels: Vec<Panel>,
}

#[derive(Debug)]
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) unit: &'static str,
    /// Whether the vertical axis is logarithmic; otherwise it begins at 0.
    pub(super) log: bool,
    pub(super) series: Vec<Series>,
}

#[derive(Debug)]
pub(super) struct Series {
    name: &'static str,
    points: Vec<Point>,
}

#[derive(Debug)]
struct Point {
    x: f64,
    rounds: Vec<f64>,
}

/// A point for the JSON output.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    plot: &'static str,
    panel: &'static str,
    series: &'static str,
    x_axis: &'static str,
    x: f64,
    median: f64,
    unit: &'static str,
    rounds: Vec<f64>,
}

impl Panel {
    pub(super) fn new(title: &'static str, unit: &'static str, log: bool) -> Self {
        Self { title, unit, log, series: Vec::new() }
    }
}

impl Point {
    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }

    fn lowest(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn highest(&self) -> f64 {
        self.rounds.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// An axis with explicit ticks.
struct Axis {
    range: Range<f64>,
    ticks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (first, last): (i32, i32)) -> i32 {
        let share = (value - self.range.start) / (self.range.end - self.range.start);
        first + (share * f64::from(last - first)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

/// Colors that are distinct for color-blind readers, with marks that are distinct on paper.
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 130, 100), RGBColor(160, 80, 140)];
const FONT: &str = "DejaVu Sans, Verdana, Helvetica, Arial, sans-serif";
const PANEL: (u32, u32) = (380, 340);
const HEAD: u32 = 40;

impl Plot {
    /// Adds the figure of a round.
    pub(super) fn add(&mut self, panel: usize, series: &'static str, x: f64, value: f64) {
        let panel = &mut self.panels[panel].series;
        let index = panel.iter().position(|other| other.name == series).unwrap_or_else(|| {
            panel.push(Series { name: series, points: Vec::new() });
            panel.len() - 1
        });
        let points = &mut panel[index].points;
        match points.iter_mut().find(|point| point.x == x) {
            Some(point) => point.rounds.push(value),
            None => points.push(Point { x, rounds: vec![value] }),
        }
    }

    pub(super) fn lines(&self) -> Vec<Line> {
        let mut lines = Vec::new();
        for panel in &self.panels {
            for series in &panel.series {
                lines.extend(series.points.iter().map(|point| Line {
                    plot: self.name,
                    panel: panel.title,
                    series: series.name,
                    x_axis: self.x,
                    x: point.x,
                    median: point.median(),
                    unit: panel.unit,
                    rounds: point.rounds.clone(),
                }));
            }
        }
        lines
    }

    pub(super) fn table(&self) -> String {
        let mut text = format!("\n{}\n{:<58}", self.title, self.x);
        for (_, tick) in &self.ticks {
            write!(text, "{tick:>10}").expect("a string takes all");
        }
        text += "\n";
        for panel in &self.panels {
            for series in &panel.series {
                write!(text, "{:<58}", format!("{}: {}, {}", panel.title, series.name, panel.unit)).expect("as above");
                for (x, _) in &self.ticks {
                    let point = series.points.iter().find(|point| point.x == *x);
                    write!(text, "{:>10}", point.map_or(String::new(), |point| short(point.median())))
                        .expect("as above");
                }
                text += "\n";
            }
        }
        text
    }

    /// Draws the plot into a file in `folder`, on white, so that it is readable on a dark page.
    pub(super) fn draw(&self, folder: &Path) -> anyhow::Result<()> {
        let path = folder.join(format!("{}.svg", self.name));
        let size = (PANEL.0 * self.panels.len() as u32, PANEL.1 + HEAD);
        let root = SVGBackend::new(&path, size).into_drawing_area();
        let drawn = (|| -> Result<(), Box<dyn std::error::Error + '_>> {
            root.fill(&WHITE)?;
            let body = root.titled(self.title, (FONT, 22).into_font().color(&BLACK))?;
            for (area, panel) in body.split_evenly((1, self.panels.len())).iter().zip(&self.panels) {
                self.draw_panel(area, panel)?;
            }
            root.present()?;
            Ok(())
        })();
        drawn.map_err(|error| anyhow!("{error}")).with_context(|| path.display().to_string())
    }

    fn draw_panel<'a>(
        &self,
        area: &DrawingArea<SVGBackend<'a>, Shift>,
        panel: &Panel,
    ) -> Result<(), Box<dyn std::error::Error + 'a>> {
        let points = || panel.series.iter().flat_map(|series| &series.points);
        let highest = points().map(Point::highest).fold(0.0, f64::max);
        let lowest = points().map(Point::lowest).fold(f64::INFINITY, f64::min);
        // A logarithmic axis is a linear axis of logarithms, with ticks at the measured values.
        let up = |y: f64| if panel.log { y.log10() } else { y };
        // The legend needs room above.
        let bottom = if panel.log { up(lowest).floor() } else { 0.0 };
        let y_range = bottom..up(highest) + 0.45 * (up(highest) - bottom);
        let across: Vec<f64> = self.ticks.iter().map(|&(x, _)| self.across(x)).collect();
        let (first, last) = (across[0], across[across.len() - 1]);
        let margin = (last - first) * 0.06;
        let x_axis = Axis { range: first - margin..last + margin, ticks: across.clone() };
        let y_keys: Vec<f64> = match panel.log {
            true => (y_range.start as i64..=y_range.end.floor() as i64).map(|exponent| exponent as f64).collect(),
            false => even_ticks(y_range.end),
        };
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .margin_right(16)
            .caption(panel.title, (FONT, 18).into_font().color(&BLACK))
            .x_label_area_size(50)
            .y_label_area_size(72)
            .build_cartesian_2d(x_axis, Axis { range: y_range, ticks: y_keys })?;
        let x_label = |at: &f64| {
            let nearest = self
                .ticks
                .iter()
                .min_by(|a, b| (self.across(a.0) - at).abs().total_cmp(&(self.across(b.0) - at).abs()));
            nearest.map_or(String::new(), |(_, label)| (*label).to_owned())
        };
        let y_label = |at: &f64| short(if panel.log { 10f64.powf(*at) } else { *at });
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(222, 222, 222))
            .x_labels(across.len())
            .y_labels(12)
            .x_label_formatter(&x_label)
            .y_label_formatter(&y_label)
            .x_desc(self.x)
            .y_desc(panel.unit)
            .label_style((FONT, 15).into_font().color(&BLACK))
            .axis_desc_style((FONT, 16).into_font().color(&BLACK))
            .draw()?;
        for (i, series) in panel.series.iter().enumerate() {
            self.draw_series(&mut chart, i, series, up)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 200))
            .label_font((FONT, 15).into_font().color(&BLACK))
            .draw()?;
        Ok(())
    }

    /// Draws series `i` of a panel; `up` maps a figure to the vertical axis.
    fn draw_series<'a, 'b>(
        &self,
        chart: &mut ChartContext<'b, SVGBackend<'a>, Cartesian2d<Axis, Axis>>,
        i: usize,
        series: &Series,
        up: impl Fn(f64) -> f64,
    ) -> Result<(), Box<dyn std::error::Error + 'a>> {
        let color = COLORS[i % COLORS.len()];
        let at = |point: &Point| (self.across(point.x), up(point.median()));
        chart
            .draw_series(LineSeries::new(series.points.iter().map(at), color.stroke_width(2)))?
            .label(series.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(3)));
        for point in &series.points {
            let (x, y) = at(point);
            let ends = [(x, up(point.lowest())), (x, up(point.highest()))];
            chart.draw_series([PathElement::new(ends, color.stroke_width(1))])?;
            match i % 3 {
                0 => chart.draw_series([Circle::new((x, y), 3, color.filled())])?,
                1 => chart.draw_series([TriangleMarker::new((x, y), 4, color.filled())])?,
                _ => chart.draw_series([Cross::new((x, y), 3, color.stroke_width(2))])?,
            };
        }
        Ok(())
    }

    /// The position of `x`. Zero readers are drawn as far below one as one is below two.
    fn across(&self, x: f64) -> f64 {
        if x == 0.0 { -1.0 } else { x.log2() }
    }
}

/// Four to eight ticks at round numbers, from 0 on.
fn even_ticks(end: f64) -> Vec<f64> {
    let magnitude = 10f64.powf((end / 4.0).log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * magnitude).into_iter().find(|step| end / step <= 8.0);
    let step = step.unwrap_or(end);
    (0..).map(|i| i as f64 * step).take_while(|&tick| tick <= end).collect()
}

/// Three significant digits, with separated thousands.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        0.0 => 0,
        small if small < 0.995 => 2,
        small if small < 9.95 && small.fract().abs() > 0.004 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let written: Vec<String> = [0.0, 0.25, 1.0, 1.24, 31.4, 1_234_567.8].map(short).into();
        assert_eq!(written, ["0", "0.25", "1", "1.2", "31", "1,234,568"]);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(even_ticks(145.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 120.0, 140.0]);
        assert_eq!(even_ticks(4.1), [0.0, 1.0, 2.0, 3.0, 4.0]);
    }

    #[test]
    fn a_plot_has_its_words_as_text() {
        let mut plot = Plot {
            name: "readers",
            title: "Cost",
            x: "readers",
            ticks: vec![(0.0, "0"), (1.0, "1"), (256.0, "256")],
            panels: vec![Panel::new("publish", "ns", false), Panel::new("memory", "MB", true)],
        };
        for (x, value) in [(0.0, 60.0), (1.0, 61.0), (256.0, 64.0), (256.0, 63.0), (256.0, 90.0)] {
            plot.add(0, "ring", x, value);
            plot.add(0, "library", x, 2.0 * value);
            plot.add(1, "all", x, value);
        }
        let folder = tempfile::tempdir().expect("a directory");
        plot.draw(folder.path()).expect("drawn");
        let svg = std::fs::read_to_string(folder.path().join("readers.svg")).expect("written");
        for word in ["Cost", "publish", "memory", "readers", "ns", "MB", "256", "library"] {
            assert!(svg.lines().any(|line| line.trim() == word), "{word} is not in {svg}");
        }
        assert_eq!(plot.lines().iter().find(|line| line.x == 256.0).map(|line| line.median), Some(64.0));
    }
}
