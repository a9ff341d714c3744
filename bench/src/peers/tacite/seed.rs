//! A data directory of `tacited` with people in it, made through the stores' ports.
//!
//! Invariants: every row is one that a registration, a request and its acceptance would have left; only the OPAQUE records are
//! random bytes of the true size, because nobody logs in by password here. Whoever writes to somebody in a workload is a
//! contact of hers.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use rand_chacha::ChaCha20Rng;
use rand_core::Rng as _;
use tacite_accounts::store::{NewAccount, NewDevice, NewSession, Registered, TokenHash};
use tacite_accounts::{SessionId, Store as _};
use tacite_model::limits::REFRESH_TOKEN_MS;
use tacite_model::{ConversationId, DeviceId, Secret, Timestamp};
use tacite_router::Store as _;
use tacite_server::{Chance, Clock};

use crate::load::protocols::tacite::people::{People, Person};

/// How many there are.
pub const PEOPLE: u32 = 10_000;
/// Pairs (2p, 2p + 1) who write to each other: 50, and sixteen times as many.
const PAIRS: u32 = 16 * 50;
/// Who write to people who are away.
const SENDERS: u32 = 50;
/// The first who is away.
const AWAY: u32 = 1000;
/// How many are away.
const AWAY_COUNT: u32 = 200;
/// Members of a room: the persons 0 to 499.
const ROOM_MEMBERS: u32 = 500;
/// The first of them write. So many that none says more moods than a person may: 30, then one in two seconds.
const ROOM_WRITERS: u32 = 8;
/// Writes that are queued at once.
const GROUP: usize = 500;
/// A version byte and the record of RFC 9807.
const OPAQUE_RECORD_BYTES: usize = 1 + 192;

/// Makes the data directory with the first `count` people, and the file of their keys.
pub async fn seed(data_dir: &Path, people_dir: &Path, count: u32) -> Result<()> {
    fs::create_dir_all(data_dir)?;
    let (now, mut rng) = (Clock::start().now(), Chance::from_system().fork());
    let persons: Vec<Person> = (0..count).map(|_| Person::random(&mut rng)).collect();
    register(data_dir, &persons, now, &mut rng).await?;
    let synced_at = befriend(data_dir, &persons, now, &mut rng).await?;
    People::new(persons, synced_at).save(people_dir)
}

async fn register(data_dir: &Path, persons: &[Person], now: Timestamp, rng: &mut ChaCha20Rng) -> Result<()> {
    let store = tacite_accounts::store::SqliteStore::open(&data_dir.join("accounts.db"))?;
    for first in (0..persons.len()).step_by(GROUP) {
        let numbers = first..(first + GROUP).min(persons.len());
        let accounts = numbers.map(|number| account(number, &persons[number], now, rng));
        let accounts: Vec<NewAccount> = accounts.collect::<Result<_>>()?;
        for outcome in try_join_all(accounts.into_iter().map(|account| store.register(account))).await? {
            ensure!(matches!(outcome, Registered::Done { .. }), "a person was not registered: {outcome:?}");
        }
    }
    Ok(())
}

fn account(number: usize, person: &Person, now: Timestamp, rng: &mut ChaCha20Rng) -> Result<NewAccount> {
    let mut identity_key = random::<33>(rng);
    identity_key[0] = 5;
    Ok(NewAccount {
        account_id: person.account_id,
        handle: format!("u{number}").parse()?,
        identity_key,
        password_record: opaque_record(rng),
        words_record: opaque_record(rng),
        device: NewDevice {
            device_id: DeviceId::FIRST,
            login_key: person.login_key().verifying_key().to_bytes(),
            registration_id: 4711,
        },
        session: NewSession {
            session_id: SessionId::random(rng),
            account_id: person.account_id,
            device_id: DeviceId::FIRST,
            refresh: TokenHash(random(rng)),
            now,
            expires_at: now.plus_ms(REFRESH_TOKEN_MS),
        },
        invitation: None,
    })
}

fn opaque_record(rng: &mut ChaCha20Rng) -> Secret<Vec<u8>> {
    let mut record = random::<OPAQUE_RECORD_BYTES>(rng);
    record[0] = 1;
    Secret::new(record.to_vec())
}

fn random<const N: usize>(rng: &mut ChaCha20Rng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

/// Makes contacts; returns the time of the last change.
async fn befriend(
    data_dir: &Path,
    persons: &[Person],
    now: Timestamp,
    rng: &mut ChaCha20Rng,
) -> Result<Timestamp> {
    let store = tacite_router::store::SqliteStore::open(&data_dir.join("router.db"))?;
    let mut last = now;
    for (one, other) in contacts() {
        let (Some(one), Some(other)) = (persons.get(one as usize), persons.get(other as usize)) else {
            continue;
        };
        // Accepted at once: an account may have only so many requests open.
        let asked = store.request(one.account_id, other.account_id, ConversationId::random(rng), now);
        let answered = store.answer(other.account_id, one.account_id, true, now);
        let (_, accepted) = tokio::try_join!(asked, answered)?;
        let accepted = accepted.context("a request that cannot be accepted")?;
        last = last.max(accepted.updated_at);
    }
    Ok(last)
}

/// Who write to each other in the workloads: pairs, senders to people who are away, the writers of a room to its members.
fn contacts() -> impl Iterator<Item = (u32, u32)> {
    let pairs = (0..PAIRS).map(|pair| (2 * pair, 2 * pair + 1));
    let kept = |sender: u32| {
        (0..AWAY_COUNT / SENDERS).map(move |turn| (sender, AWAY + (sender + turn * SENDERS) % AWAY_COUNT))
    };
    let away = (0..SENDERS).flat_map(kept);
    // The one beside a writer makes a pair with her.
    let others = |writer: u32| ((writer | 1) + 1..ROOM_MEMBERS).map(move |member| (writer, member));
    pairs.chain(away).chain((0..ROOM_WRITERS).flat_map(others))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn everybody_who_writes_to_somebody_is_a_contact_and_none_twice() {
        let contacts: Vec<_> = contacts().collect();
        let known: BTreeSet<_> =
            contacts.iter().map(|(one, other)| (*one.min(other), *one.max(other))).collect();
        assert_eq!(known.len(), contacts.len());
        for sender in 0..SENDERS {
            for message in 0..400 {
                assert!(known.contains(&(sender, AWAY + (sender + message * SENDERS) % AWAY_COUNT)));
            }
        }
        for writer in 0..ROOM_WRITERS {
            for member in writer + 1..ROOM_MEMBERS {
                assert!(known.contains(&(writer, member)));
            }
        }
    }
}
