//! Which measurements there are, and in which order they run.
//!
//! Invariants: each repetition runs everything once, and a measurement runs on all peers before the next begins, so that
//! what changes on the machine over the hours meets all of them.

use std::str::FromStr;

use anyhow::{Result, bail};

use crate::peers::Ability;

/// What can be chosen on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workload {
    /// Pairs online.
    W1,
    /// Idle links.
    W2,
    /// People who are away.
    W3,
    /// A room.
    W4,
    /// Split mode, on W1 and W3.
    W5,
    /// The client.
    W6,
    /// Log-ins.
    W7,
    /// How cost grows.
    Linear,
}

const NAMES: [(&str, Workload); 8] = [
    ("W1", Workload::W1),
    ("W2", Workload::W2),
    ("W3", Workload::W3),
    ("W4", Workload::W4),
    ("W5", Workload::W5),
    ("W6", Workload::W6),
    ("W7", Workload::W7),
    ("linear", Workload::Linear),
];

impl FromStr for Workload {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
            Some((_, workload)) => Ok(*workload),
            None => bail!("there is no workload {text}; there are W1 to W7 and linear"),
        }
    }
}

/// What is done to a server that has just been started over a fresh copy of its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// One workload: what the generator is told, and what in a quick run.
    Load(&'static [&'static str], &'static [&'static str]),
    /// Messages are accepted, then their recipients come back: two rows.
    AcceptAndDrain,
    /// Messages are accepted, the server is killed and started again, the recipients come back.
    Kill,
}

/// A measurement, or several that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measurement {
    /// As rows name it.
    pub(super) name: &'static str,
    /// Of which workload.
    pub(super) workload: Workload,
    /// What a server must be able to do.
    pub(super) ability: Ability,
    /// How it is measured.
    pub(super) script: Script,
}

/// The second row of [`Script::AcceptAndDrain`].
pub(super) const DRAIN: &str = "W3/drain";
/// What a quick run adds to a workload of pairs, of idle links, and of a room.
const SHORT: [&str; 4] = ["--seconds", "2", "--warm-up-seconds", "0.5"];
const SETTLED_SOON: [&str; 4] = ["--settle-seconds", "2", "--seconds", "1"];
const FEW: [&str; 2] = ["--messages", "20"];

macro_rules! load {
    ($name:literal, $workload:ident, $ability:ident, [$($word:literal),*], $quick:expr) => {
        Measurement {
            name: $name,
            workload: Workload::$workload,
            ability: Ability::$ability,
            script: Script::Load(&[$($word),*], &$quick),
        }
    };
}

/// All, in the order in which they run.
const MEASUREMENTS: &[Measurement] = &[
    load!("W1/window 1", W1, Pairs, ["pairs", "--window", "1"], SHORT),
    load!("W1/window 8", W1, Pairs, ["pairs", "--window", "8"], SHORT),
    load!("W1/2000 per second", W1, Pairs, ["pairs", "--per-second", "2000"], SHORT),
    load!("W2/5000", W2, Idle, ["idle", "--links", "5000"], SETTLED_SOON),
    load!("W2/10000", W2, Idle, ["idle", "--links", "10000"], SETTLED_SOON),
    Measurement {
        name: "W3/accept",
        workload: Workload::W3,
        ability: Ability::Offline,
        script: Script::AcceptAndDrain,
    },
    Measurement { name: "W3/kill", workload: Workload::W3, ability: Ability::Offline, script: Script::Kill },
    load!("W4/window 1", W4, FanOut, ["fan-out", "--window", "1"], FEW),
    load!("W4/burst", W4, FanOut, ["fan-out", "--window", "200"], FEW),
    load!("W4/copies, window 1", W4, Copies, ["fan-out", "--copies", "--writers", "1", "--window", "1"], FEW),
    load!("W4/copies, burst", W4, Copies, ["fan-out", "--copies", "--writers", "1", "--window", "200"], FEW),
    load!("W7/log-ins", W7, Storm, ["storm"], ["--log-ins", "500"]),
    load!("linear/people 1×", Linear, Pairs, ["pairs", "--pairs", "50", "--per-second", "500"], SHORT),
    load!("linear/people 4×", Linear, Pairs, ["pairs", "--pairs", "200", "--per-second", "2000"], SHORT),
    load!("linear/people 16×", Linear, Pairs, ["pairs", "--pairs", "800", "--per-second", "8000"], SHORT),
    load!("linear/pairs 1×", Linear, Pairs, ["pairs", "--window", "1", "--pairs", "50"], SHORT),
    load!("linear/pairs 4×", Linear, Pairs, ["pairs", "--window", "1", "--pairs", "200"], SHORT),
    load!("linear/pairs 16×", Linear, Pairs, ["pairs", "--window", "1", "--pairs", "800"], SHORT),
    load!("linear/links 1×", Linear, Idle, ["idle", "--links", "625"], SETTLED_SOON),
    load!("linear/links 4×", Linear, Idle, ["idle", "--links", "2500"], SETTLED_SOON),
    load!("linear/links 16×", Linear, Idle, ["idle", "--links", "10000"], SETTLED_SOON),
];

/// Peers that run always: the limit, and ours.
pub(super) const OWN: [&str; 3] = ["relay-limit", "tacite", SPLIT];
/// Split mode is a workload of its own.
const SPLIT: &str = "tacite-split";
/// How cost grows is asked of these.
const GROWING: [&str; 2] = ["relay-limit", "tacite"];

/// What to run once, in order: measurement and peer. `only` empty: everything.
#[must_use]
pub(super) fn steps<'p>(
    only: &[Workload],
    peers: &'p [String],
    can: impl Fn(&str, Ability) -> bool,
) -> Vec<(Measurement, &'p str)> {
    let mut steps = Vec::new();
    for measurement in MEASUREMENTS {
        for peer in peers {
            let wanted = only.is_empty() || only.contains(&measurement.workload_on(peer));
            let is_asked = measurement.workload != Workload::Linear || GROWING.contains(&peer.as_str());
            if wanted && is_asked && can(peer, measurement.ability) {
                steps.push((*measurement, peer.as_str()));
            }
        }
    }
    steps
}

/// Whether the client is to be measured.
#[must_use]
pub(super) fn has_client(only: &[Workload]) -> bool {
    only.is_empty() || only.contains(&Workload::W6)
}

impl Measurement {
    fn workload_on(&self, peer: &str) -> Workload {
        if peer == SPLIT { Workload::W5 } else { self.workload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(only: &[&str], peers: &[&str]) -> Vec<(String, String)> {
        let only: Vec<Workload> = only.iter().map(|name| name.parse().unwrap()).collect();
        let peers: Vec<String> = peers.iter().map(|peer| (*peer).to_owned()).collect();
        let can = |peer: &str, ability| match peer {
            "relay-limit" => ability != Ability::Offline,
            "nats" => ability != Ability::Copies,
            SPLIT => matches!(ability, Ability::Pairs | Ability::Offline),
            _ => true,
        };
        let steps = steps(&only, &peers, can);
        steps.into_iter().map(|(step, peer)| (step.name.to_owned(), peer.to_owned())).collect()
    }

    fn pair(measurement: &str, peer: &str) -> (String, String) {
        (measurement.to_owned(), peer.to_owned())
    }

    #[test]
    fn peers_take_turns_within_a_measurement() {
        assert_eq!(
            planned(&["w1"], &["relay-limit", "tacite"])[..4],
            [
                pair("W1/window 1", "relay-limit"),
                pair("W1/window 1", "tacite"),
                pair("W1/window 8", "relay-limit"),
                pair("W1/window 8", "tacite"),
            ]
        );
    }

    #[test]
    fn split_mode_is_its_own_workload() {
        assert_eq!(planned(&["W1"], &[SPLIT]), []);
        let names: Vec<String> = planned(&["W5"], &OWN).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["W1/window 1", "W1/window 8", "W1/2000 per second", "W3/accept", "W3/kill"]);
    }

    #[test]
    fn nobody_is_asked_for_what_it_cannot_do_or_is_not_asked() {
        let all = planned(&[], &["relay-limit", "tacite", "nats"]);
        assert!(!all.contains(&pair("W3/kill", "relay-limit")));
        assert!(all.contains(&pair("linear/pairs 16×", "tacite")));
        assert!(!all.contains(&pair("linear/pairs 16×", "nats")));
        assert!(!all.contains(&pair("W4/copies, burst", "nats")));
        assert_eq!(all.len(), MEASUREMENTS.len() * 3 - 2 - 9 - 2);
    }

    #[test]
    fn names_are_known_in_any_case_and_others_refused() {
        assert_eq!("w6".parse::<Workload>().unwrap(), Workload::W6);
        assert_eq!("LINEAR".parse::<Workload>().unwrap(), Workload::Linear);
        assert!("W8".parse::<Workload>().unwrap_err().to_string().contains("W1 to W7"));
        assert!(has_client(&[]) && has_client(&[Workload::W6]) && !has_client(&[Workload::W1]));
    }
}
