//! Each workload against `relay-limit`, for a moment: what leaves arrives, once and in order.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use tacite_bench::load::connection::{FailedLinks, Tls};
use tacite_bench::load::crowd::Field;
use tacite_bench::load::figures::Figures;
use tacite_bench::load::target::{Protocol, Target};
use tacite_bench::load::usage::ServerProcesses;
use tacite_bench::load::workloads::fan_out::{self, FanOut};
use tacite_bench::load::workloads::idle::{self, Idle};
use tacite_bench::load::workloads::pairs::{self, Pairs};
use tacite_bench::load::workloads::storm::{self, Storm};
use tacite_bench::peers::work::Work;

/// The relay, on a port of its own choice.
struct Relay {
    child: Child,
    field: Field,
    _directory: tempfile::TempDir,
}

impl Relay {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let work = Work::open(directory.path()).expect("certificates");
        let mut child = Command::new(env!("CARGO_BIN_EXE_relay-limit"))
            .arg("127.0.0.1:0")
            .args([work.certificate(), work.key()])
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut address = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut address).expect("tells where it listens");
        let target = Target {
            protocol: Protocol::Limit,
            address: address.trim_end().to_owned(),
            tls: Tls::new(&work.authority()).expect("believes it"),
        };
        let field = Field {
            target: Arc::new(target),
            server: ServerProcesses::new(vec![i32::try_from(child.id()).expect("an id")]),
            failed: FailedLinks::default(),
        };
        Self { child, field, _directory: directory }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn count(figures: &Figures, name: &str) -> f64 {
    *figures.0.get(name).unwrap_or_else(|| panic!("no {name} in {figures:?}"))
}

fn is_faultless(figures: &Figures) {
    for fault in ["lost", "doubled", "misordered", "failed_links"] {
        if let Some(count) = figures.0.get(fault) {
            assert!(*count < 0.5, "{fault} in {figures:?}");
        }
    }
}

fn pairs(per_second: Option<f64>) -> Pairs {
    Pairs { pairs: 3, window: 2, per_second, seconds: 1.0, warm_up_seconds: 0.2 }
}

fn fan_out(copies: bool) -> FanOut {
    FanOut { members: 5, messages: 20, window: 4, writers: 2, copies, room: 1, settle_seconds: 0.0 }
}

#[tokio::test]
async fn in_the_closed_loop_each_message_lets_the_next_go() {
    let relay = Relay::start();
    let figures = pairs::run(&relay.field, &pairs(None)).await.expect("runs");
    is_faultless(&figures);
    assert!(count(&figures, "delivered") > 6.0, "more than the window: {figures:?}");
    assert!(count(&figures, "cpu_us_per_message") > 0.0);
    assert!(count(&figures, "latency_us_p50") <= count(&figures, "latency_us_p99"));
    assert!(!figures.0.contains_key("told_received"), "the relay tells nobody");
}

#[tokio::test]
async fn in_the_open_loop_as_many_leave_as_are_due() {
    let relay = Relay::start();
    let figures = pairs::run(&relay.field, &pairs(Some(100.0))).await.expect("runs");
    is_faultless(&figures);
    // 0.2 s to warm up, 1 s, and half a second more.
    assert!((count(&figures, "sent") - 170.0).abs() < 0.5, "{figures:?}");
    assert!(figures.0.contains_key("pacer_lag_us_p99"));
}

#[tokio::test]
async fn all_members_get_what_is_written_in_the_room() {
    let relay = Relay::start();
    let figures = fan_out::run(&relay.field, &fan_out(false)).await.expect("runs");
    is_faultless(&figures);
    assert!((count(&figures, "delivered") - 100.0).abs() < 0.5, "{figures:?}");
}

#[tokio::test]
async fn without_a_room_each_of_the_others_gets_a_copy() {
    let relay = Relay::start();
    let figures = fan_out::run(&relay.field, &fan_out(true)).await.expect("runs");
    is_faultless(&figures);
    assert!((count(&figures, "delivered") - 80.0).abs() < 0.5, "{figures:?}");
}

#[tokio::test]
async fn idle_links_and_log_ins_are_counted() {
    let relay = Relay::start();
    let options = Idle { links: 70, settle_seconds: 0.0, seconds: 0.1 };
    let figures = idle::run(&relay.field, &options).await.expect("runs");
    is_faultless(&figures);
    assert!(count(&figures, "rss_bytes") > 0.0);
    let figures = storm::run(&relay.field, &Storm { log_ins: 70, at_once: 64 }).await.expect("runs");
    is_faultless(&figures);
    assert!(count(&figures, "log_ins_per_second") > 0.0 && count(&figures, "cpu_us_per_log_in") > 0.0);
}
