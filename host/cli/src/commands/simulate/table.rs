//! The result for the eyes of a terminal.

use thermocline_simulator::trace::PAGE_BYTES;
use thermocline_simulator::{Report, Row, Settings, Trace};

use crate::output::{Table, bytes, count};

/// What was simulated, a line each for policies and budgets, and what to make of it.
pub(super) fn of(trace: &Trace, settings: &Settings, report: &Report) -> String {
    let mut text = heading(trace, settings);
    text.push_str("\n\n");
    let mut table = Table::new(&[
        "POLICY", ">BUDGET", ">HIT 10s", ">HIT 1m", ">HIT 10m", ">HELD", ">FETCHED", ">UNREAD",
    ]);
    for budget in &settings.budgets {
        for row in report.rows.iter().filter(|row| row.budget.total_cmp(budget).is_eq()) {
            table.row([
                row.policy.clone(),
                percent(Some(row.budget), 0),
                percent(row.hit_10s, 1),
                percent(row.hit_60s, 1),
                percent(row.hit_600s, 1),
                bytes(row.bytes_held),
                bytes(row.bytes_fetched),
                bytes(row.bytes_unread),
            ]);
        }
    }
    text.push_str(&table.to_string());
    text.push_str(
        "\n\nHIT: of the page reads in the 10 s, 1 min and 10 min after a failover, how many find all the layers they \
         need on\nthe standby. BUDGET: what it may hold, of the bytes that are resident on the attached pageserver. \
         UNREAD: of what\nit fetched, what no read of those 10 minutes needed.",
    );
    for (policy, why) in first_failures(&report.rows) {
        text.push_str(&format!("\n\nThe policy {policy} failed, and resident-set answered for it: {why}"));
    }
    text
}

/// What was simulated, in a line.
pub(super) fn heading(trace: &Trace, settings: &Settings) -> String {
    let rules = &settings.rules;
    format!(
        "{}: {} and {} of {} in {}; layers of {}, a heatmap every {}, {}, seed {}",
        trace.name(),
        count(trace.read_count() as u64, "read"),
        count((trace.accesses().len() - trace.read_count()) as u64, "write"),
        bytes(trace.database_blocks() * PAGE_BYTES),
        time(trace.duration_ms()),
        bytes(rules.layer_bytes),
        time(settings.period_ms),
        count(settings.failovers, "failover"),
        settings.seed,
    )
}

fn time(ms: u32) -> String {
    humantime::format_duration(std::time::Duration::from_secs((ms / 1000).into())).to_string()
}

/// `12.3%`; `-` where there is nothing to share.
fn percent(share: Option<f64>, decimals: usize) -> String {
    share.map_or("-".into(), |share| format!("{:.decimals$}%", share * 100.0))
}

/// Of each policy that failed, why it did first.
fn first_failures(rows: &[Row]) -> Vec<(&str, &str)> {
    let mut failures: Vec<(&str, &str)> = Vec::new();
    for row in rows {
        if let Some(why) = row.policy_failures.first()
            && failures.iter().all(|(policy, _)| *policy != row.policy)
        {
            failures.push((&row.policy, why));
        }
    }
    failures
}
