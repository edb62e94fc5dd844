//! The result as a page with plots: one file that needs nothing but a browser.

use anyhow::anyhow;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plotters::prelude::*;
use thermocline_simulator::{CLAIRVOYANT, NOTHING, Report, Row};

use crate::output::bytes;

const STYLE: &str = include_str!("page.css");

/// Width and height of a plot, pixels.
const PLOT: (u32, u32) = (400, 330);
const MIB: f64 = 1_048_576.0;

/// A colour of its own for each policy, told apart by people who see few colours, too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x33, 0x33, 0x33),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
];
const LIMIT_COLOUR: RGBColor = RGBColor(0x99, 0x99, 0x99);

/// What a row says of one thing, if it does.
type Figure = fn(&Row) -> Option<f64>;

/// A policy's rows, in the order of budgets.
struct Series<'a> {
    policy: &'a str,
    colour: RGBColor,
    rows: Vec<&'a Row>,
}

pub(super) fn of(heading: &str, report: &Report) -> anyhow::Result<String> {
    let series = series(report);
    let hits: [(&str, Figure); 3] = [
        ("In the first 10 seconds", |row| row.hit_10s),
        ("In the first minute", |row| row.hit_60s),
        ("In the first 10 minutes", |row| row.hit_600s),
    ];
    let mut hit_plots = Vec::new();
    for (caption, figure) in hits {
        hit_plots.push(plot(caption, "reads that find their layers", &series, percent_of_one, figure)?);
    }
    let hit_legend = legend(&series);
    let followed: Vec<_> = series.into_iter().filter(|series| series.policy != CLAIRVOYANT).collect();
    let mebibytes: [(&str, Figure); 2] = [
        ("Downloaded until a failover", |row| Some(as_mib(row.bytes_fetched))),
        ("Of that, read by nobody", |row| Some(as_mib(row.bytes_unread))),
    ];
    let mut byte_plots = Vec::new();
    for (caption, figure) in mebibytes {
        byte_plots.push(plot(caption, "MiB", &followed, |mib| format!("{mib:.0}"), figure)?);
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "What policies are worth on " (report.trace) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "What policies are worth on " em { (report.trace) } }
                p.what { (heading) }
                p {
                    "A pageserver tells its warm standby by a " em { "heatmap" } " which layers to hold. The standby \
                     downloads them in that order until its budget is full. Then the pageserver fails. Of the page \
                     reads that follow, how many find all the layers they need on the standby? The others wait for \
                     object storage. Each point is the mean over " (report.rows.first().map_or(0, |row| row.failovers))
                    " failovers at times spread over the trace."
                }
                h2 { "Reads that do not wait" }
                p {
                    "Higher is better. " strong { (CLAIRVOYANT) } " is the limit: nobody can be above it who does not \
                     know the reads to come. " strong { "resident-set" } " is today's practice, newest layers first."
                }
                (hit_legend)
                div.plots { @for plot in &hit_plots { (plot) } }
                h2 { "What it takes" }
                p {
                    "Lower is better. A standby downloads again and again, as the pageserver's layers and what is read \
                     of them change; what no read of the 10 minutes after a failover needed was in vain."
                }
                (legend(&followed))
                div.plots { @for plot in &byte_plots { (plot) } }
                h2 { "In figures" }
                (figures(report))
            }
        }
    };
    Ok(page.into_string())
}

/// Each policy but `nothing`, which is at zero everywhere.
fn series(report: &Report) -> Vec<Series<'_>> {
    let mut all: Vec<Series<'_>> = Vec::new();
    let mut colours = COLOURS.into_iter().cycle();
    for row in report.rows.iter().filter(|row| row.policy != NOTHING) {
        match all.iter_mut().find(|series| series.policy == row.policy) {
            Some(series) => series.rows.push(row),
            None => {
                let colour = if row.policy == CLAIRVOYANT { None } else { colours.next() };
                all.push(Series { policy: &row.policy, colour: colour.unwrap_or(LIMIT_COLOUR), rows: vec![row] });
            }
        }
    }
    all.iter_mut().for_each(|series| series.rows.sort_by(|a, b| a.budget.total_cmp(&b.budget)));
    all
}

fn plot(
    caption: &str,
    unit: &str,
    series: &[Series<'_>],
    label: impl Fn(f64) -> String,
    figure: Figure,
) -> anyhow::Result<Markup> {
    let points = |series: &Series<'_>| -> Vec<(f64, f64)> {
        series.rows.iter().filter_map(|row| Some((row.budget, figure(row)?))).collect()
    };
    let greatest = |values: &mut dyn Iterator<Item = f64>, least: f64| values.fold(least, f64::max);
    let across = greatest(&mut series.iter().flat_map(&points).map(|(budget, _)| budget), 0.1);
    let up = greatest(&mut series.iter().flat_map(&points).map(|(_, value)| value), 0.01);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, PLOT).into_drawing_area();
        let drawn = || -> Result<(), Box<dyn std::error::Error + '_>> {
            let mut chart = ChartBuilder::on(&area)
                .caption(caption, ("sans-serif", 16))
                .margin(10)
                .x_label_area_size(44)
                .y_label_area_size(52)
                .build_cartesian_2d(0.0..across * 1.02, 0.0..up * 1.05)?;
            chart
                .configure_mesh()
                .light_line_style(TRANSPARENT)
                .x_labels(6)
                .x_desc("budget, of the resident bytes")
                .y_desc(unit)
                .x_label_formatter(&|budget| percent_of_one(*budget))
                .y_label_formatter(&|value| label(*value))
                .draw()?;
            for series in series {
                let (points, colour) = (points(series), series.colour);
                chart.draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?;
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
            }
            area.present()?;
            Ok(())
        };
        drawn().map_err(|error| anyhow!("cannot draw the plot `{caption}`: {error}"))?;
    }
    Ok(html! { figure { (PreEscaped(svg)) } })
}

/// Beside the plots: within, it would cover a line of some of them.
fn legend(series: &[Series<'_>]) -> Markup {
    html! {
        ul.legend {
            @for Series { policy, colour: RGBColor(red, green, blue), .. } in series {
                li { i style={ "background: rgb(" (red) "," (green) "," (blue) ")" } {} (policy) }
            }
        }
    }
}

fn figures(report: &Report) -> Markup {
    let percent = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{:.1}%", share * 100.0));
    html! {
        table {
            thead {
                tr {
                    @for heading in ["policy", "budget", "10 s", "1 min", "10 min", "held", "fetched", "unread"] {
                        th { (heading) }
                    }
                }
            }
            tbody {
                @for row in &report.rows {
                    tr {
                        td { (row.policy) }
                        td { (percent_of_one(row.budget)) }
                        @for share in [row.hit_10s, row.hit_60s, row.hit_600s] { td { (percent(share)) } }
                        @for size in [row.bytes_held, row.bytes_fetched, row.bytes_unread] { td { (bytes(size)) } }
                    }
                }
            }
        }
    }
}

fn percent_of_one(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[allow(clippy::cast_precision_loss, reason = "shown")]
fn as_mib(bytes: u64) -> f64 {
    bytes as f64 / MIB
}
