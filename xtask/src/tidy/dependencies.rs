//! Who may know whom: the table of `ARCHITECTURE.md`, checked against what cargo resolves.
//!
//! Invariants: nothing that can decrypt is in a server's graph, no client reaches a server's rules, and the pure crates
//! reach neither a runtime nor a socket. Dev-dependencies are free: they are in nothing that is shipped.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata};

use super::Finding;

/// Each crate of ours with the crates of ours that it may use; `*` is any.
const ALLOWED: &[(&str, &[&str])] = &[
    ("tacite-model", &[]),
    ("tacite-signal", &[]),
    ("tacite-store", &[]),
    ("tacite-wire", &["tacite-model"]),
    ("tacite-seal", &["tacite-model", "tacite-signal"]),
    ("tacite-vault", &["tacite-model"]),
    ("tacite-core", &["tacite-model", "tacite-seal", "tacite-signal", "tacite-vault", "tacite-wire"]),
    ("tacite-view", &["tacite-core", "tacite-model"]),
    ("tacite-client", &["tacite-core", "tacite-model", "tacite-wire"]),
    ("tacite-accounts", &["tacite-model", "tacite-store", "tacite-wire"]),
    ("tacite-router", &["tacite-model", "tacite-store", "tacite-wire"]),
    ("tacite-depot", &["tacite-model", "tacite-store", "tacite-wire"]),
    ("tacite-server", &["tacite-accounts", "tacite-depot", "tacite-model", "tacite-router", "tacite-wire"]),
    ("tacited", &["tacite-server"]),
    ("tacite", &["tacite-client", "tacite-view"]),
    ("tacite-web", &["tacite-client", "tacite-view"]),
    ("tacite-sim", &["*"]),
    ("tacite-bench", &["*"]),
    ("tacite-e2e", &["*"]),
    ("xtask", &["*"]),
];

/// What must not be reached at all, by however many steps: who, whom, why.
const UNREACHABLE: &[(&[&str], &[&str], &str)] = &[
    (
        &["tacited", "tacite-server", "tacite-accounts", "tacite-router", "tacite-depot", "tacite-store"],
        &["tacite-signal", "tacite-seal", "tacite-core", "tacite-vault"],
        "a server cannot read what it carries",
    ),
    (
        &["tacite", "tacite-web", "tacite-client"],
        &["tacite-server", "tacite-accounts", "tacite-router", "tacite-depot", "tacite-store"],
        "a client knows no server's rules",
    ),
    (
        &[
            "tacite-model",
            "tacite-wire",
            "tacite-signal",
            "tacite-seal",
            "tacite-vault",
            "tacite-core",
            "tacite-view",
        ],
        &["tokio", "mio", "socket2"],
        "pure crates reach no runtime and no socket",
    ),
];

/// Crates with what they use directly, in any build but that of tests.
pub(super) struct Graph {
    uses: BTreeMap<String, BTreeSet<String>>,
    /// Our own crates and their manifests, relative to the root.
    ours: BTreeMap<String, String>,
}

impl Graph {
    /// From what cargo resolved for all targets.
    pub(super) fn from_metadata(metadata: &Metadata) -> Result<Self> {
        let resolve = metadata.resolve.as_ref().context("cargo metadata without a resolved graph")?;
        let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for node in &resolve.nodes {
            let shipped = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            // Two versions of one crate count as one: what matters is whether it is reached.
            uses.entry(metadata[&node.id].name.to_string())
                .or_default()
                .extend(shipped.map(|dependency| metadata[&dependency.pkg].name.to_string()));
        }
        let manifest = |package: &cargo_metadata::Package| {
            let path = package.manifest_path.strip_prefix(&metadata.workspace_root);
            path.unwrap_or(&package.manifest_path).to_string()
        };
        let ours = metadata
            .workspace_packages()
            .into_iter()
            .map(|package| (package.name.to_string(), manifest(package)))
            .collect();
        Ok(Self { uses, ours })
    }

    /// The steps from `from` to `to`, both included; `None` if it is not reached.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
        let mut next = vec![from];
        while let Some(name) = next.pop() {
            for used in self.uses.get(name).into_iter().flatten() {
                if used != from && !came_from.contains_key(used.as_str()) {
                    came_from.insert(used, name);
                    next.push(used);
                }
            }
        }
        came_from.get(to)?;
        let steps = std::iter::successors(Some(to), |step| came_from.get(step).copied());
        let mut steps: Vec<String> = steps.map(str::to_owned).collect();
        steps.reverse();
        Some(steps)
    }
}

/// Every forbidden use, direct or by way of others.
pub(super) fn check(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, manifest) in &graph.ours {
        findings.extend(direct(graph, name).map(|what| Finding { path: manifest.clone(), line: None, what }));
        findings.extend(reached(graph, name).map(|what| Finding {
            path: manifest.clone(),
            line: None,
            what,
        }));
    }
    findings
}

fn direct<'a>(graph: &'a Graph, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let allowed = ALLOWED.iter().find(|(crate_name, _)| *crate_name == name).map(|(_, allowed)| *allowed);
    let unknown = allowed.is_none().then(|| format!("{name} is not in the table of who may know whom"));
    let may_use =
        move |used: &str| allowed.is_none_or(|allowed| allowed.contains(&"*") || allowed.contains(&used));
    let ours = graph.uses.get(name).into_iter().flatten().filter(|used| graph.ours.contains_key(*used));
    let forbidden =
        ours.filter(move |used| !may_use(used)).map(move |used| format!("{name} may not use {used}"));
    unknown.into_iter().chain(forbidden)
}

fn reached<'a>(graph: &'a Graph, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let rules = UNREACHABLE.iter().filter(move |(from, _, _)| from.contains(&name));
    rules.flat_map(move |(_, forbidden, why)| {
        let paths = forbidden.iter().filter_map(move |to| graph.path(name, to));
        paths.map(move |path| format!("{why}, but: {}", path.join(" → ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace;

    fn planted(uses: &[(&str, &[&str])]) -> Graph {
        let uses: BTreeMap<_, _> = uses
            .iter()
            .map(|(name, used)| ((*name).to_owned(), used.iter().map(|used| (*used).to_owned()).collect()))
            .collect();
        let ours =
            ALLOWED.iter().map(|(name, _)| ((*name).to_owned(), format!("{name}/Cargo.toml"))).collect();
        Graph { uses, ours }
    }

    fn found(graph: &Graph) -> Vec<String> {
        check(graph).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn a_forbidden_use_is_found() {
        assert_eq!(
            found(&planted(&[("tacite-model", &["tacite-wire"])])),
            ["tacite-model may not use tacite-wire"]
        );
        assert_eq!(
            found(&planted(&[("tacite-wire", &["tacite-model"]), ("xtask", &["tacite-e2e"])])),
            [""; 0]
        );
    }

    #[test]
    fn what_a_server_must_not_reach_is_found_by_way_of_others() {
        let graph = planted(&[
            ("tacited", &["tacite-server"]),
            ("tacite-server", &["helper"]),
            ("helper", &["tacite-seal"]),
        ]);
        let expected =
            "a server cannot read what it carries, but: tacited → tacite-server → helper → tacite-seal";
        assert!(found(&graph).contains(&expected.to_owned()), "{:?}", found(&graph));
    }

    #[test]
    fn a_client_with_a_server_inside_is_found() {
        let graph = planted(&[("tacite", &["helper"]), ("helper", &["tacite-router"])]);
        assert_eq!(found(&graph), ["a client knows no server's rules, but: tacite → helper → tacite-router"]);
    }

    #[test]
    fn a_runtime_below_a_pure_crate_is_found() {
        let graph = planted(&[("tacite-core", &["helper"]), ("helper", &["tokio"])]);
        assert_eq!(
            found(&graph),
            ["pure crates reach no runtime and no socket, but: tacite-core → helper → tokio"]
        );
    }

    #[test]
    fn a_crate_outside_the_table_is_found() {
        let mut graph = planted(&[]);
        graph.ours.insert("tacite-new".to_owned(), "crates/new/Cargo.toml".to_owned());
        assert_eq!(found(&graph), ["tacite-new is not in the table of who may know whom"]);
    }

    // E2: what is built is looked at, not the table.
    #[test]
    fn the_server_program_reaches_nothing_that_decrypts() -> Result<()> {
        let graph = Graph::from_metadata(&workspace::metadata()?)?;
        assert!(graph.path("tacited", "tacite-server").is_some(), "the graph is read wrongly");
        assert!(graph.path("tacite", "tacite-signal").is_some(), "the graph is read wrongly");
        for name in ["tacite-signal", "tacite-seal", "tacite-core", "tacite-vault"] {
            assert_eq!(graph.path("tacited", name), None);
        }
        Ok(())
    }
}
