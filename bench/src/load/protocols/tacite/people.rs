//! The people of a seeded server, with the keys by which their devices sign in.
//!
//! The file: a version byte, the time up to which everybody has synchronised (8 bytes, big endian), then for each person, from
//! number 0 on, 16 bytes of account id and 32 of the log-in key's seed.
//!
//! Invariant: person `n` has the handle `@un` and one device, the first.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::SigningKey;
use rand_core::CryptoRng;
use tacite_model::{AccountId, Secret, Timestamp};

const FILE: &str = "people.keys";
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8;
const PERSON_BYTES: usize = 16 + 32;

/// One of them.
#[derive(Debug, Clone)]
pub struct Person {
    /// Her account.
    pub account_id: AccountId,
    login_seed: Secret<[u8; 32]>,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct People {
    persons: Vec<Person>,
    /// What changed up to then, their devices know.
    pub synced_at: Timestamp,
}

impl Person {
    /// Somebody new.
    pub fn random(rng: &mut dyn CryptoRng) -> Self {
        let account_id = AccountId::random(rng);
        let mut seed = [0; 32];
        rng.fill_bytes(&mut seed);
        Self { account_id, login_seed: Secret::new(seed) }
    }

    /// The Ed25519 key that signs in.
    #[must_use]
    pub fn login_key(&self) -> SigningKey {
        SigningKey::from_bytes(self.login_seed.expose())
    }
}

impl People {
    /// These persons, by number.
    #[must_use]
    pub fn new(persons: Vec<Person>, synced_at: Timestamp) -> Self {
        Self { persons, synced_at }
    }

    /// The person of a number. Fails if there are not so many.
    pub fn person(&self, number: u32) -> Result<&Person> {
        let count = self.persons.len();
        self.persons
            .get(number as usize)
            .with_context(|| format!("there is no person {number}: {count} were seeded"))
    }

    /// Reads them from a directory.
    pub fn load(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
        Self::from_bytes(&bytes).with_context(|| format!("{} is no file of people", path.display()))
    }

    /// Writes them into a directory.
    pub fn save(&self, directory: &Path) -> Result<()> {
        let path = directory.join(FILE);
        fs::write(&path, self.to_bytes()).with_context(|| format!("writing {}", path.display()))
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.synced_at.as_ms().to_be_bytes());
        for person in &self.persons {
            bytes.extend(person.account_id.as_bytes());
            bytes.extend(person.login_seed.expose());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (head, persons) = bytes.split_at_checked(HEAD_BYTES).context("cut off")?;
        let (version, synced_at) = head.split_first().context("empty")?;
        ensure!(*version == VERSION, "it has the unknown version {version}");
        let synced_at = Timestamp::from_ms(u64::from_be_bytes(synced_at.try_into()?));
        let (persons, rest) = persons.as_chunks::<PERSON_BYTES>();
        ensure!(rest.is_empty(), "cut off");
        let person = |bytes: &[u8; PERSON_BYTES]| {
            let (id, seed) = bytes.split_at(16);
            Ok(Person { account_id: AccountId::try_from(id)?, login_seed: Secret::new(seed.try_into()?) })
        };
        Ok(Self { persons: persons.iter().map(person).collect::<Result<_>>()?, synced_at })
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn people() -> People {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let persons = (0..3).map(|_| Person::random(&mut rng)).collect();
        People::new(persons, Timestamp::from_ms(7))
    }

    #[test]
    fn people_survive_their_file() {
        let place = tempfile::tempdir().unwrap();
        people().save(place.path()).unwrap();
        let read = People::load(place.path()).unwrap();
        assert_eq!(read.to_bytes(), people().to_bytes());
        assert_eq!(read.person(2).unwrap().login_key(), people().person(2).unwrap().login_key());
        assert!(read.person(3).is_err());
    }

    #[test]
    fn other_files_are_refused() {
        let bytes = people().to_bytes();
        assert!(People::from_bytes(&[]).is_err());
        assert!(People::from_bytes(&bytes[..bytes.len() - 1]).is_err());
        assert!(People::from_bytes(&[&[2], &bytes[1..]].concat()).is_err());
    }
}
