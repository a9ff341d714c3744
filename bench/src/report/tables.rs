//! Which tables a report has: one for each measurement, peers below each other; then the goals.
//!
//! Invariants: peers stand in the same order everywhere; a fault is shown whenever there is one.

use super::format;
use super::goals::Outcome;
use super::statistics::{FAULTS, Spread, Summaries, Summary};
use super::table::Table;

/// Peers in the order in which they are shown.
pub(super) const PEERS: [&str; 7] =
    ["relay-limit", "tacite", "tacite-split", "nats", "mosquitto", "prosody", "ejabberd"];
/// With whom the others are compared.
const LIMIT: &str = "relay-limit";

/// Figures that stand first, in this order: name and heading.
const FIRST: [(&str, &str); 9] = [
    ("per_second", "per second"),
    ("cpu_us_per_message", "CPU µs/message"),
    ("cpu_us_per_delivery", "CPU µs/delivery"),
    ("cpu_us_per_log_in", "CPU µs/log-in"),
    ("latency_us_p50", "p50 µs"),
    ("latency_us_p99", "p99 µs"),
    ("bytes_per_link", "bytes/link"),
    ("log_ins_per_second", "log-ins/s"),
    ("drained", "arrived"),
];
/// Figures that the tables leave to the JSON.
const UNSHOWN: [&str; 14] = [
    "seconds",
    "drain_seconds",
    "server_cpu",
    "generator_cpu",
    "other_cpu",
    "steal",
    "sent",
    "delivered",
    "told_received",
    "pacer_lag_us_p50",
    "pacer_lag_us_p99",
    "rss_at_log_in_bytes",
    "durable_write_us_p50",
    "vault_seconds",
];

/// How cost grows is one table.
const GROWTH: &str = "linear/";
/// Its columns.
pub(super) const MULTIPLES: [&str; 3] = ["1×", "4×", "16×"];
/// Its rows for each peer: how they are called, what was measured, and the figure.
const COSTS: [(&str, &str, &str); 3] = [
    ("CPU µs/message, 50 pairs and more, ten a second each", "people", "cpu_us_per_message"),
    ("CPU µs/message, 50 pairs and more, at full speed", "pairs", "cpu_us_per_message"),
    ("bytes/link, 625 links and more", "links", "bytes_per_link"),
];

/// What each measurement does.
const ABOUT: [(&str, &str); 15] = [
    ("W1/window 1", "50 pairs online, one message on its way in each"),
    ("W1/window 8", "50 pairs online, eight messages on their way in each"),
    ("W1/2000 per second", "50 pairs online, 2,000 messages a second"),
    ("W2/5000", "5,000 links without traffic"),
    ("W2/10000", "10,000 links without traffic"),
    ("W3/accept", "20,000 messages to 200 people who are away: until the server has taken responsibility"),
    ("W3/drain", "these people come back"),
    ("W3/kill", "the same, with kill -9 as soon as the last message was accepted: what arrives"),
    (
        "W4/window 1",
        "one to 500 who are online, one after the other: with tacite a mood, else a message to a room",
    ),
    ("W4/burst", "one to 500 who are online, 200 at once: with tacite a mood, else a message to a room"),
    (
        "W4/copies, window 1",
        "the same without a room: a message for each of the 499 others, one after the other",
    ),
    ("W4/copies, burst", "the same without a room: a message for each of the 499 others, 200 at once"),
    ("W6/start", "a client with 100,000 messages: until its first page"),
    ("W6/sync", "a client that missed 10,000 messages"),
    ("W7/log-ins", "5,000 log-ins, 64 at a time"),
];

/// One table for each measurement.
#[must_use]
pub(super) fn measurements(summaries: &Summaries) -> Vec<Table> {
    let mut names: Vec<&str> = Vec::new();
    for summary in &summaries.0 {
        if !names.contains(&summary.measurement.as_str()) && !summary.measurement.starts_with(GROWTH) {
            names.push(&summary.measurement);
        }
    }
    names.iter().map(|name| measurement(name, summaries)).collect()
}

fn measurement(name: &str, summaries: &Summaries) -> Table {
    let mut rows: Vec<&Summary> = summaries.0.iter().filter(|summary| summary.measurement == name).collect();
    rows.sort_by_key(|summary| PEERS.iter().position(|peer| *peer == summary.peer));
    let columns = columns(&rows);
    let headings = columns.iter().map(|figure| heading(figure));
    let limit = rows.iter().find(|summary| summary.peer == LIMIT).copied();
    let about = ABOUT.iter().find(|(measurement, _)| *measurement == name);
    Table {
        title: about.map_or_else(|| name.to_owned(), |(_, about)| format!("{name}: {about}")),
        headings: std::iter::once(String::from("peer")).chain(headings).collect(),
        rows: rows.iter().map(|summary| row(summary, limit, &columns)).collect(),
    }
}

/// The figures that a measurement's table shows.
fn columns(rows: &[&Summary]) -> Vec<String> {
    let has = |figure: &str| rows.iter().any(|summary| summary.figures.contains_key(figure));
    let first = FIRST.iter().map(|(figure, _)| *figure).filter(|figure| has(figure));
    let mut columns: Vec<String> = first.map(str::to_owned).collect();
    let mut others: Vec<&String> = rows.iter().flat_map(|summary| summary.figures.keys()).collect();
    others.sort_unstable();
    others.dedup();
    for figure in others {
        let is_unshown = UNSHOWN.contains(&figure.as_str())
            || (figure == "rss_bytes" && has("bytes_per_link"))
            || (FAULTS.contains(&figure.as_str()) && !rows.iter().any(|summary| has_fault(summary, figure)));
        if !is_unshown && !columns.contains(figure) {
            columns.push(figure.clone());
        }
    }
    columns
}

fn has_fault(summary: &Summary, figure: &str) -> bool {
    summary.figures.get(figure).is_some_and(|spread| spread.most > 0.0)
}

fn heading(figure: &str) -> String {
    let known = FIRST.iter().find(|(name, _)| *name == figure);
    known.map_or_else(|| figure.replace('_', " "), |(_, heading)| (*heading).to_owned())
}

fn row(summary: &Summary, limit: Option<&Summary>, columns: &[String]) -> Vec<String> {
    let mark = if summary.is_disturbed() { " (disturbed)" } else { "" };
    let cell = |figure: &String| {
        let Some(spread) = summary.figures.get(figure) else { return String::from("–") };
        let ratio = limit
            .filter(|limit| limit.peer != summary.peer && is_compared(figure))
            .and_then(|limit| limit.figures.get(figure))
            .filter(|limit| limit.median > 0.0)
            .map_or(String::new(), |limit| format!(" {}×", format::number(spread.median / limit.median)));
        format!("{}{ratio}", format::spread(*spread))
    };
    std::iter::once(format!("{}{mark}", summary.peer)).chain(columns.iter().map(cell)).collect()
}

fn is_compared(figure: &str) -> bool {
    FIRST.iter().any(|(name, _)| *name == figure) && figure != "drained"
}

/// How cost grows with the load; `None` if that was not measured.
#[must_use]
pub(super) fn growth(summaries: &Summaries) -> Option<Table> {
    let mut rows = Vec::new();
    for (name, load, figure) in COSTS {
        for peer in PEERS {
            let at = |multiple: &str| summaries.figure(peer, &format!("{GROWTH}{load} {multiple}"), figure);
            let [one, four, sixteen] = MULTIPLES.map(at);
            if [one, four, sixteen].iter().all(Option::is_none) {
                continue;
            }
            let cell = |spread: Option<Spread>| spread.map_or(String::from("–"), format::spread);
            let grown = one.zip(sixteen).map(|(one, sixteen)| sixteen.median / one.median);
            rows.push(vec![
                format!("{peer}: {name}"),
                cell(one),
                cell(four),
                cell(sixteen),
                grown.map_or(String::from("–"), format::number),
            ]);
        }
    }
    let headings = ["cost", MULTIPLES[0], MULTIPLES[1], MULTIPLES[2], "16× to 1×"];
    let headings = headings.map(str::to_owned).to_vec();
    let title = String::from("How cost grows: 1.00 or less means no worse than the load");
    (!rows.is_empty()).then_some(Table { title, headings, rows })
}

/// The goals and how they stand.
#[must_use]
pub(super) fn goals(outcomes: &[Outcome]) -> Table {
    let row = |outcome: &Outcome| {
        let mark = if outcome.disturbed { " (disturbed)" } else { "" };
        vec![
            outcome.goal.to_owned(),
            outcome.computed_as.clone(),
            outcome.bound.clone(),
            outcome.value.map_or(String::from("–"), |value| format!("{}{mark}", format::number(value))),
            outcome.verdict.text().to_owned(),
        ]
    };
    Table {
        title: String::from("Goals"),
        headings: ["goal", "of", "bound", "measured", ""].map(str::to_owned).to_vec(),
        rows: outcomes.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::goals::outcomes;
    use super::super::planted::row;
    use super::*;

    fn of(rows: &[crate::row::Row]) -> Vec<Table> {
        measurements(&Summaries::of(rows))
    }

    #[test]
    fn peers_stand_in_their_order_with_ratios_to_the_limit() {
        let figures = |cpu: f64| [("cpu_us_per_message", cpu), ("seconds", 10.0), ("lost", 0.0)];
        let tables = of(&[
            row("prosody", "W1/window 1", &figures(180.0)),
            row("tacite", "W1/window 1", &figures(12.0)),
            row("relay-limit", "W1/window 1", &figures(6.0)),
        ]);
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].headings, ["peer", "CPU µs/message"]);
        assert_eq!(
            tables[0].rows,
            [["relay-limit", "6.00"], ["tacite", "12.0 2.00×"], ["prosody", "180 30.0×"]]
        );
    }

    #[test]
    fn a_fault_gets_a_column_and_a_disturbed_peer_a_mark() {
        let tables = of(&[
            row("mosquitto", "W3/kill", &[("drained", 0.0), ("lost", 20_000.0)]),
            row("tacite", "W3/kill", &[("drained", 20_000.0), ("lost", 0.0), ("other_cpu", 0.7)]),
        ]);
        assert_eq!(tables[0].headings, ["peer", "arrived", "lost"]);
        assert_eq!(tables[0].rows, [["tacite (disturbed)", "20,000", "0"], ["mosquitto", "0", "20,000"]]);
    }

    #[test]
    fn growth_is_one_table() {
        let mut rows = Vec::new();
        for (multiple, cpu) in MULTIPLES.into_iter().zip([10.0, 9.5, 9.0]) {
            let figures = [("cpu_us_per_message", cpu)];
            rows.push(row("tacite", &format!("linear/pairs {multiple}"), &figures));
        }
        rows.push(row("relay-limit", "linear/links 1×", &[("bytes_per_link", 2000.0)]));
        assert_eq!(of(&rows), []);
        assert_eq!(
            growth(&Summaries::of(&rows)).unwrap().rows,
            [
                ["tacite: CPU µs/message, 50 pairs and more, at full speed", "10.0", "9.50", "9.00", "0.90"],
                ["relay-limit: bytes/link, 625 links and more", "2,000", "–", "–", "–"],
            ]
        );
        assert_eq!(growth(&Summaries::default()), None);
    }

    #[test]
    fn every_goal_has_a_row() {
        let outcomes = outcomes(&Summaries::default());
        let table = goals(&outcomes);
        assert_eq!(table.rows.len(), outcomes.len());
        assert!(table.rows.iter().all(|row| row[4] == "not measured" && row[3] == "–"));
    }
}
