//! Worlds: a fixed few hundred must hold, each repeats itself, and planted faults are found.

use tacite_sim::{Plant, run};

/// Worlds that every run of the tests looks at.
const WORLDS: u64 = 300;
/// A planted fault must be found within so many worlds.
const WORLDS_FOR_A_PLANT: u64 = 300;

/// In a world that is well without it.
fn assert_found(plant: Plant) {
    let is_well = |seed: u64, plant| run(seed, plant, None).wrong.is_empty();
    let found = (0..WORLDS_FOR_A_PLANT).find(|seed| !is_well(*seed, Some(plant)) && is_well(*seed, None));
    assert!(found.is_some(), "{plant} was not found in {WORLDS_FOR_A_PLANT} worlds");
}

// J2, C6, T14, T15, T20, T70.
#[test]
fn j2_t14_t15_t20_t70_nothing_accepted_is_lost_or_shown_twice_in_any_world() {
    let mut broken = Vec::new();
    for seed in 0..WORLDS {
        let report = run(seed, None, None);
        broken.extend(report.wrong.into_iter().map(|what| format!("seed {seed}: {what}")));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn j2_a_seed_gives_the_same_world_again() {
    for seed in 0..20 {
        assert_eq!(run(seed, None, None), run(seed, None, None), "seed {seed}");
    }
    assert_ne!(run(1, None, None).trace_sum, run(2, None, None).trace_sum);
}

#[test]
fn j2_a_server_that_acknowledges_before_it_is_durable_is_found() {
    assert_found(Plant::AcknowledgeBeforeDurable);
}

#[test]
fn j2_t20_a_client_that_sends_before_its_commit_is_found() {
    assert_found(Plant::SendBeforeCommit);
}

#[test]
fn j2_t14_a_client_that_forgets_what_it_received_is_found() {
    assert_found(Plant::ForgetDeduplication);
}

#[test]
fn j2_a_depot_that_deletes_at_fetch_is_found() {
    assert_found(Plant::DeleteAtFetch);
}

#[test]
fn j2_t20_a_client_that_drops_its_outbox_is_found() {
    assert_found(Plant::DropOutboxAtRestart);
}

#[test]
fn j2_t70_a_cursor_by_time_alone_is_found() {
    assert_found(Plant::CursorByTimeAlone);
}
