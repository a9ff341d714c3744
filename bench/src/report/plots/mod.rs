//! The plots of a report.
//!
//! Invariants: the same summaries give the same bytes; a plot without anything to show is not drawn.

mod bars;
mod curves;

use super::statistics::{Spread, Summaries};
use super::tables::{MULTIPLES, PEERS};

/// A file: its name, and what is in it.
pub(super) type Plot = (&'static str, String);

/// Bars of some series for each peer.
struct Bars {
    file: &'static str,
    title: &'static str,
    /// What a series is called, its measurement and figure.
    series: &'static [(&'static str, &'static str, &'static str)],
}

/// Curves of some peers over the load.
struct Curves {
    file: &'static str,
    title: &'static str,
    measurements: [&'static str; 3],
    figure: &'static str,
}

const BARS: &[Bars] = &[
    Bars {
        file: "cpu.svg",
        title: "Server CPU per delivered message, µs (less is better)",
        series: &[
            ("window 1", "W1/window 1", "cpu_us_per_message"),
            ("window 8", "W1/window 8", "cpu_us_per_message"),
        ],
    },
    Bars {
        file: "rate.svg",
        title: "Messages delivered per second on one core (more is better)",
        series: &[("window 1", "W1/window 1", "per_second"), ("window 8", "W1/window 8", "per_second")],
    },
    Bars {
        file: "latency.svg",
        title: "Latency at 2,000 messages per second, µs (less is better)",
        series: &[
            ("p50", "W1/2000 per second", "latency_us_p50"),
            ("p99", "W1/2000 per second", "latency_us_p99"),
        ],
    },
    Bars {
        file: "memory.svg",
        title: "Memory per idle link, bytes (less is better)",
        series: &[
            ("5,000 links", "W2/5000", "bytes_per_link"),
            ("10,000 links", "W2/10000", "bytes_per_link"),
        ],
    },
    Bars {
        file: "offline.svg",
        title: "Messages to people who are away, per second (more is better)",
        series: &[("accepted", "W3/accept", "per_second"), ("delivered later", "W3/drain", "per_second")],
    },
    Bars {
        file: "killed.svg",
        title: "Of 20,000 accepted messages, so many arrive after kill -9",
        series: &[("arrived", "W3/kill", "drained")],
    },
    Bars {
        file: "room.svg",
        title: "Server CPU per delivery to 500 online, µs (tacite: a mood, others: a message; less is better)",
        series: &[
            ("one by one", "W4/window 1", "cpu_us_per_delivery"),
            ("in a burst", "W4/burst", "cpu_us_per_delivery"),
        ],
    },
];

const CURVES: &[Curves] = &[
    Curves {
        file: "linear-cpu.svg",
        title: "CPU per message, 50 pairs and more that write ten times a second, µs (level: cost grows straight)",
        measurements: ["linear/people 1×", "linear/people 4×", "linear/people 16×"],
        figure: "cpu_us_per_message",
    },
    Curves {
        file: "linear-cpu-full.svg",
        title: "CPU per message, 50 pairs and more at full speed, µs (level: cost grows straight)",
        measurements: ["linear/pairs 1×", "linear/pairs 4×", "linear/pairs 16×"],
        figure: "cpu_us_per_message",
    },
    Curves {
        file: "linear-memory.svg",
        title: "Memory per link as their number grows, bytes (level: cost grows straight)",
        measurements: ["linear/links 1×", "linear/links 4×", "linear/links 16×"],
        figure: "bytes_per_link",
    },
];

/// All plots for which there is something to show.
#[must_use]
pub(super) fn draw(summaries: &Summaries) -> Vec<Plot> {
    let bars = BARS.iter().filter_map(|plot| Some((plot.file, plot.draw(summaries)?)));
    let curves = CURVES.iter().filter_map(|plot| Some((plot.file, plot.draw(summaries)?)));
    bars.chain(curves).collect()
}

impl Bars {
    fn draw(&self, summaries: &Summaries) -> Option<String> {
        let values = |peer: &'static str| {
            let of = |(_, measurement, figure): &(_, &str, &str)| summaries.figure(peer, measurement, figure);
            (peer, self.series.iter().map(of).collect::<Vec<Option<Spread>>>())
        };
        let is_there = |(_, values): &(_, Vec<Option<Spread>>)| values.iter().any(Option::is_some);
        let groups: Vec<_> = PEERS.into_iter().map(values).filter(is_there).collect();
        let names: Vec<&str> = self.series.iter().map(|(name, ..)| *name).collect();
        (!groups.is_empty()).then(|| bars::draw(self.title, &names, &groups))
    }
}

impl Curves {
    fn draw(&self, summaries: &Summaries) -> Option<String> {
        let values = |peer: &'static str| {
            let of = |measurement: &str| Some(summaries.figure(peer, measurement, self.figure)?.median);
            Some((peer, self.measurements.iter().map(|name| of(name)).collect::<Option<Vec<f64>>>()?))
        };
        let curves: Vec<_> = PEERS.into_iter().filter_map(values).collect();
        (!curves.is_empty()).then(|| curves::draw(self.title, &MULTIPLES, &curves))
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::row;
    use super::*;

    fn summaries() -> Summaries {
        let mut rows = Vec::new();
        for (peer, cpu) in [("tacite", 12.0), ("relay-limit", 6.0)] {
            for measurement in ["W1/window 1", "linear/pairs 1×", "linear/pairs 4×", "linear/pairs 16×"] {
                rows.push(row(peer, measurement, &[("cpu_us_per_message", cpu), ("per_second", 1e6 / cpu)]));
            }
        }
        rows.push(row("tacite", "linear/links 1×", &[("bytes_per_link", 9000.0)]));
        Summaries::of(&rows)
    }

    /// Whether every element that begins also ends, in order.
    fn is_well_formed(svg: &str) -> bool {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            let Some(end) = rest[at..].find('>') else { return false };
            let tag = &rest[at + 1..at + end];
            rest = &rest[at + end + 1..];
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
            if tag.starts_with('/') {
                if open.pop() != Some(name) {
                    return false;
                }
            } else if !tag.ends_with('/') {
                open.push(name);
            }
        }
        open.is_empty()
    }

    #[test]
    fn what_has_values_is_drawn_and_nothing_else() {
        let names: Vec<_> = draw(&summaries()).into_iter().map(|(file, _)| file).collect();
        // Of the links only one point is known: that is no curve.
        assert_eq!(names, ["cpu.svg", "rate.svg", "linear-cpu-full.svg"]);
        assert_eq!(draw(&Summaries::default()), []);
    }

    #[test]
    fn plots_are_well_formed_small_and_the_same_each_time() {
        assert!(!is_well_formed("<svg><text></svg>"));
        let plots = draw(&summaries());
        assert_eq!(plots, draw(&summaries()));
        for (file, svg) in plots {
            assert!(is_well_formed(&svg), "{file}: {svg}");
            assert!(svg.len() < 10_000, "{file}: {} bytes", svg.len());
            assert!(svg.contains("tacite") && svg.contains("relay-limit"), "{file}");
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{file}");
        }
    }
}
