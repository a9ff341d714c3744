//! The SQL of the store: one function for each intention, within a transaction that the caller holds.
//!
//! Invariants: explicit column lists; a stored value that breaks a rule is an error that names table and column, never a
//! panic.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tacite_model::{AccountId, DeviceId, Handle, Secret, Timestamp};

use crate::identity::{AccountRef, DeviceRef, Generation, SessionId};
use crate::store::{
    Credentials, InvitationHash, NewAccount, NewInvitation, NewSession, Proof, Registered, Rotated, Rotation,
    Session, StoreError, TokenHash,
};

type Outcome<T> = Result<T, StoreError>;

pub(super) fn register(db: &Connection, new: &NewAccount) -> Outcome<Registered> {
    if exists(db, "SELECT 1 FROM accounts WHERE account_id = ?1", [new.account_id.as_bytes()])? {
        return Ok(Registered::IdInUse);
    }
    if exists(db, "SELECT 1 FROM accounts WHERE handle = ?1", [new.handle.as_str()])? {
        return Ok(Registered::HandleTaken);
    }
    if let Some(hash) = new.invitation {
        let mut spend = db.prepare_cached(
            "UPDATE invitations SET uses_left = uses_left - 1
             WHERE secret_hash = ?1 AND uses_left > 0 AND expires_at_ms > ?2",
        )?;
        if spend.execute(params![hash.0, new.session.now.as_ms()])? == 0 {
            return Ok(Registered::InvitationInvalid);
        }
    }
    let administrator = account_count(db)? == 0;
    insert_account(db, new, administrator)?;
    begin_session(db, &new.session, Proof::Words)?;
    Ok(Registered::Done { administrator })
}

fn insert_account(db: &Connection, new: &NewAccount, administrator: bool) -> Outcome<()> {
    db.prepare_cached(
        "INSERT INTO accounts
         (account_id, handle, identity_key, password_record, words_record, administrator, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        new.account_id.as_bytes(),
        new.handle.as_str(),
        new.identity_key,
        new.password_record.expose(),
        new.words_record.expose(),
        administrator,
        new.session.now.as_ms(),
    ])?;
    db.prepare_cached(
        "INSERT INTO devices (account_id, device_id, login_key, registration_id, logged_out, created_at_ms)
         VALUES (?1, ?2, ?3, ?4, 0, ?5)",
    )?
    .execute(params![
        new.account_id.as_bytes(),
        new.device.device_id.value(),
        new.device.login_key,
        new.device.registration_id,
        new.session.now.as_ms(),
    ])?;
    Ok(())
}

pub(super) fn find(db: &Connection, handle: Handle) -> Outcome<Option<AccountRef>> {
    let mut select = db.prepare_cached("SELECT account_id FROM accounts WHERE handle = ?1")?;
    let found = select.query_row([handle.as_str()], |row| account_id(row, 0)).optional()?;
    Ok(found.map(|account_id| AccountRef { account_id, handle }))
}

pub(super) fn credentials(db: &Connection, handle: &Handle) -> Outcome<Option<Credentials>> {
    let mut select = db
        .prepare_cached("SELECT account_id, password_record, words_record FROM accounts WHERE handle = ?1")?;
    let found = select.query_row([handle.as_str()], |row| {
        Ok(Credentials {
            account_id: account_id(row, 0)?,
            password_record: Secret::new(row.get(1)?),
            words_record: Secret::new(row.get(2)?),
        })
    });
    Ok(found.optional()?)
}

pub(super) fn handle(db: &Connection, account_id: AccountId) -> Outcome<Option<Handle>> {
    let mut select = db.prepare_cached("SELECT handle FROM accounts WHERE account_id = ?1")?;
    let text: Option<String> = select.query_row([account_id.as_bytes()], |row| row.get(0)).optional()?;
    let broken = StoreError::Inconsistent { table: "accounts", column: "handle" };
    text.map(|text| text.parse().map_err(|_| broken)).transpose()
}

pub(super) fn identity_key(db: &Connection, account_id: AccountId) -> Outcome<Option<[u8; 33]>> {
    let mut select = db.prepare_cached("SELECT identity_key FROM accounts WHERE account_id = ?1")?;
    Ok(select.query_row([account_id.as_bytes()], |row| row.get(0)).optional()?)
}

pub(super) fn devices(db: &Connection, account_id: AccountId) -> Outcome<Vec<DeviceRef>> {
    let mut select = db.prepare_cached(
        "SELECT device_id, registration_id FROM devices WHERE account_id = ?1 ORDER BY device_id",
    )?;
    let rows = select.query_map([account_id.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.map(|row| {
        let (number, registration_id) = row?;
        Ok(DeviceRef { device_id: device_id(number, "devices")?, registration_id })
    })
    .collect()
}

pub(super) fn login_key(
    db: &Connection,
    account_id: AccountId,
    device_id: DeviceId,
) -> Outcome<Option<[u8; 32]>> {
    let mut select =
        db.prepare_cached("SELECT login_key FROM devices WHERE account_id = ?1 AND device_id = ?2")?;
    let found = select.query_row(params![account_id.as_bytes(), device_id.value()], |row| row.get(0));
    Ok(found.optional()?)
}

pub(super) fn begin_session(db: &Connection, new: &NewSession, proof: Proof) -> Outcome<Option<Session>> {
    let mut open = db.prepare_cached(
        "UPDATE devices SET logged_out = 0 WHERE account_id = ?1 AND device_id = ?2 AND (logged_out = 0 OR ?3)",
    )?;
    let device = (new.account_id.as_bytes(), new.device_id.value());
    if open.execute(params![device.0, device.1, proof == Proof::Words])? == 0 {
        return Ok(None);
    }
    end_session_of(db, new.account_id, new.device_id)?;
    db.prepare_cached(
        "INSERT INTO sessions (session_id, account_id, device_id, created_at_ms, expires_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![new.session_id.0, device.0, device.1, new.now.as_ms(), new.expires_at.as_ms()])?;
    insert_token(db, new.refresh, new.session_id, new.account_id, new.expires_at)?;
    session(db, new.session_id)
}

pub(super) fn rotate(db: &Connection, rotation: &Rotation) -> Outcome<Rotated> {
    let mut select = db
        .prepare_cached("SELECT session_id, used, expires_at_ms FROM refresh_tokens WHERE token_hash = ?1")?;
    let shown = select.query_row([rotation.shown.0], |row| {
        Ok((SessionId(row.get(0)?), row.get::<_, bool>(1)?, Timestamp::from_ms(row.get(2)?)))
    });
    let Some((session_id, used, expires_at)) = shown.optional()? else { return Ok(Rotated::Unknown) };
    if used {
        end_session(db, session_id)?;
        return Ok(Rotated::Reused(session_id));
    }
    if rotation.expected.is_some_and(|expected| expected != session_id) {
        return Ok(Rotated::Unknown);
    }
    if expires_at <= rotation.now {
        return Ok(Rotated::Expired);
    }
    let Some(session) = session(db, session_id)? else { return Ok(Rotated::Unknown) };
    db.prepare_cached("UPDATE refresh_tokens SET used = 1 WHERE token_hash = ?1")?
        .execute([rotation.shown.0])?;
    insert_token(db, rotation.next, session_id, session.account_id, rotation.expires_at)?;
    db.prepare_cached("UPDATE sessions SET expires_at_ms = ?2 WHERE session_id = ?1")?
        .execute(params![session_id.0, rotation.expires_at.as_ms()])?;
    Ok(Rotated::Done(session))
}

fn insert_token(
    db: &Connection,
    hash: TokenHash,
    session_id: SessionId,
    account_id: AccountId,
    expires_at: Timestamp,
) -> Outcome<()> {
    db.prepare_cached(
        "INSERT INTO refresh_tokens (token_hash, session_id, account_id, used, expires_at_ms)
         VALUES (?1, ?2, ?3, 0, ?4)",
    )?
    .execute(params![hash.0, session_id.0, account_id.as_bytes(), expires_at.as_ms()])?;
    Ok(())
}

fn session(db: &Connection, session_id: SessionId) -> Outcome<Option<Session>> {
    let mut select = db.prepare_cached(
        "SELECT account_id, sessions.device_id, administrator FROM sessions JOIN accounts USING (account_id)
         WHERE session_id = ?1",
    )?;
    let found = select.query_row([session_id.0], |row| Ok((account_id(row, 0)?, row.get(1)?, row.get(2)?)));
    let Some((account_id, number, administrator)) = found.optional()? else { return Ok(None) };
    let device_id = device_id(number, "sessions")?;
    Ok(Some(Session { session_id, account_id, device_id, administrator }))
}

pub(super) fn log_out(db: &Connection, account_id: AccountId, device_id: DeviceId) -> Outcome<()> {
    let device = (account_id.as_bytes(), device_id.value());
    db.prepare_cached("UPDATE devices SET logged_out = 1 WHERE account_id = ?1 AND device_id = ?2")?
        .execute(device)?;
    end_session_of(db, account_id, device_id)
}

/// Numbers beyond what the column holds count as the highest.
pub(super) fn note_generation(db: &Connection, noted: &Generation) -> Outcome<u64> {
    let place = (noted.account_id.as_bytes(), noted.device_id.value());
    let known = db
        .prepare_cached("SELECT generation FROM devices WHERE account_id = ?1 AND device_id = ?2")?
        .query_row(place, |row| row.get::<_, u64>(0))
        .optional()?;
    let generation = i64::try_from(noted.generation).unwrap_or(i64::MAX);
    db.prepare_cached(
        "UPDATE devices SET generation = ?3 WHERE account_id = ?1 AND device_id = ?2 AND generation < ?3",
    )?
    .execute(params![place.0, place.1, generation])?;
    Ok(known.unwrap_or(0))
}

/// Tokens go with their session (foreign key).
fn end_session_of(db: &Connection, account_id: AccountId, device_id: DeviceId) -> Outcome<()> {
    db.prepare_cached("DELETE FROM sessions WHERE account_id = ?1 AND device_id = ?2")?
        .execute((account_id.as_bytes(), device_id.value()))?;
    Ok(())
}

fn end_session(db: &Connection, session_id: SessionId) -> Outcome<()> {
    db.prepare_cached("DELETE FROM sessions WHERE session_id = ?1")?.execute([session_id.0])?;
    Ok(())
}

pub(super) fn is_session_live(db: &Connection, session_id: SessionId, now: Timestamp) -> Outcome<bool> {
    let mut select =
        db.prepare_cached("SELECT 1 FROM sessions WHERE session_id = ?1 AND expires_at_ms > ?2")?;
    Ok(select.exists(params![session_id.0, now.as_ms()])?)
}

pub(super) fn invite(db: &Connection, new: &NewInvitation, first: bool) -> Outcome<()> {
    let created_by = new.created_by.as_ref().map_or(&[][..], |account_id| account_id.as_bytes());
    db.prepare_cached(
        "INSERT INTO invitations (secret_hash, uses_left, created_by, first, created_at_ms, expires_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        new.hash.0,
        new.uses,
        created_by,
        first,
        new.now.as_ms(),
        new.expires_at.as_ms()
    ])?;
    Ok(())
}

pub(super) fn invite_first(db: &Connection, new: &NewInvitation) -> Outcome<bool> {
    if account_count(db)? > 0 {
        return Ok(false);
    }
    db.prepare_cached("DELETE FROM invitations WHERE first = 1")?.execute([])?;
    invite(db, new, true)?;
    Ok(true)
}

pub(super) fn is_invitation_valid(db: &Connection, hash: InvitationHash, now: Timestamp) -> Outcome<bool> {
    let mut select = db.prepare_cached(
        "SELECT 1 FROM invitations WHERE secret_hash = ?1 AND uses_left > 0 AND expires_at_ms > ?2",
    )?;
    Ok(select.exists(params![hash.0, now.as_ms()])?)
}

pub(super) fn account_count(db: &Connection) -> Outcome<u64> {
    Ok(db.prepare_cached("SELECT count(*) FROM accounts")?.query_row([], |row| row.get(0))?)
}

pub(super) fn sweep(db: &Connection, now: Timestamp) -> Outcome<u64> {
    let mut rows = 0;
    for delete in [
        "DELETE FROM refresh_tokens WHERE expires_at_ms <= ?1",
        "DELETE FROM sessions WHERE expires_at_ms <= ?1",
        "DELETE FROM invitations WHERE expires_at_ms <= ?1",
    ] {
        rows += db.prepare_cached(delete)?.execute([now.as_ms()])?;
    }
    Ok(rows as u64)
}

fn exists<T: rusqlite::Params>(db: &Connection, query: &str, values: T) -> Outcome<bool> {
    Ok(db.prepare_cached(query)?.exists(values)?)
}

fn account_id(row: &Row<'_>, column: usize) -> rusqlite::Result<AccountId> {
    Ok(AccountId::from_bytes(row.get(column)?))
}

fn device_id(number: u32, table: &'static str) -> Outcome<DeviceId> {
    DeviceId::try_from(number).map_err(|_| StoreError::Inconsistent { table, column: "device_id" })
}
