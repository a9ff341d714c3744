//! Tests of a database as a store sees it, over real files.

use std::path::{Path, PathBuf};
use std::sync::mpsc;

use refinery::{Migration, Runner};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::readers::READER_CACHE_KIB;
use crate::writer::QUEUE_JOBS_MAX;
use crate::{Database, StoreError, Summary};

const NOTES: &str = "CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
    CREATE TABLE replies (
        id INTEGER PRIMARY KEY,
        note_id INTEGER NOT NULL REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED
    ) STRICT;";

const CACHE_KIB: u32 = 2048;

fn runner() -> Runner {
    Runner::new(&[Migration::unapplied("V1__notes", NOTES).unwrap()])
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notes.sqlite");
    (directory, path)
}

fn open(path: &Path) -> Database {
    Database::open(path, &runner(), CACHE_KIB).unwrap()
}

fn insert(connection: &Connection, text: &str) -> Result<(), StoreError> {
    connection.execute("INSERT INTO notes (text) VALUES (?1)", [text])?;
    Ok(())
}

fn texts(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = connection.prepare("SELECT text FROM notes ORDER BY id")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Keeps the writer busy until the returned sender is dropped, so that what is queued meanwhile makes one group.
fn hold_writer(database: &Database) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (start, begun) = mpsc::channel();
    drop(database.write(move |_| {
        start.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    }));
    begun.recv().unwrap();
    release
}

fn limit(connection: &Connection) -> Result<i64, StoreError> {
    Ok(connection.pragma_query_value(None, "cache_size", |row| row.get(0))?)
}

#[tokio::test]
async fn writer_and_readers_keep_no_more_pages_than_they_may() {
    let (_directory, path) = place();
    let database = open(&path);
    assert_eq!(database.write(limit).await.unwrap(), -i64::from(CACHE_KIB));
    assert_eq!(database.read(limit).await.unwrap(), -i64::from(READER_CACHE_KIB));
}

#[tokio::test]
async fn jobs_that_queued_up_share_one_commit() {
    let (_directory, path) = place();
    let database = open(&path);
    let release = hold_writer(&database);
    let writes: Vec<_> = (0..100).map(|n| database.write(move |db| insert(db, &n.to_string()))).collect();
    drop(release);
    for write in writes {
        write.await.unwrap();
    }
    assert_eq!(database.commits(), 2, "one for the job that held the writer, one for the hundred");
    assert_eq!(database.read(texts).await.unwrap().len(), 100);
}

#[tokio::test]
async fn jobs_run_in_the_order_of_the_calls_not_of_the_polls() {
    let (_directory, path) = place();
    let database = open(&path);
    let first = database.write(|db| insert(db, "first"));
    let second = database.write(|db| insert(db, "second"));
    second.await.unwrap();
    first.await.unwrap();
    assert_eq!(database.read(texts).await.unwrap(), ["first", "second"]);
}

#[tokio::test]
async fn a_job_that_fails_or_panics_is_undone_alone() {
    let (_directory, path) = place();
    let database = open(&path);
    let release = hold_writer(&database);
    let before = database.write(|db| insert(db, "before"));
    let failing = database.write(|db| {
        insert(db, "of the failing job")?;
        insert(db, "before")
    });
    let panicking = database.write(|db| -> Result<(), StoreError> {
        insert(db, "of the panicking job")?;
        panic!("a job's mistake")
    });
    let after = database.write(|db| insert(db, "after"));
    drop(release);
    before.await.unwrap();
    assert!(matches!(failing.await, Err(StoreError::Misuse(_))));
    assert!(matches!(panicking.await, Err(StoreError::Misuse(_))));
    after.await.unwrap();
    assert_eq!(database.commits(), 2);
    assert_eq!(database.read(texts).await.unwrap(), ["before", "after"]);
}

#[tokio::test]
async fn a_failed_commit_is_told_to_every_job_of_the_group() {
    let (_directory, path) = place();
    let database = open(&path);
    let release = hold_writer(&database);
    let innocent = database.write(|db| insert(db, "innocent"));
    // A deferred foreign key is checked by COMMIT.
    let guilty = database.write(|db| {
        db.execute("INSERT INTO replies (note_id) VALUES (4711)", [])?;
        Ok(())
    });
    drop(release);
    assert!(innocent.await.is_err());
    assert!(guilty.await.is_err());
    database.write(|db| insert(db, "later")).await.unwrap();
    assert_eq!(database.read(texts).await.unwrap(), ["later"]);
}

#[tokio::test]
async fn what_was_queued_when_the_last_handle_is_dropped_is_kept() {
    let (_directory, path) = place();
    let database = open(&path);
    let clone = database.clone();
    drop(database);
    for n in 0..10 {
        drop(clone.write(move |db| insert(db, &n.to_string())));
    }
    drop(clone);
    assert!(!path.with_extension("sqlite-wal").exists(), "closing empties the log");
    assert_eq!(open(&path).read(texts).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_checked_job_that_finds_out_in_time_fails_alone() {
    let (_directory, path) = place();
    let database = open(&path);
    let release = hold_writer(&database);
    let before = database.write_checked(|db| insert(db, "before"));
    let failing = database.write_checked(|db| insert(db, "before"));
    let after = database.write_checked(|db| insert(db, "after"));
    drop(release);
    before.await.unwrap();
    assert!(matches!(failing.await, Err(StoreError::Misuse(_))));
    after.await.unwrap();
    assert_eq!(database.commits(), 2);
    assert_eq!(database.read(texts).await.unwrap(), ["before", "after"]);
}

#[tokio::test]
async fn a_checked_job_that_fails_too_late_takes_its_group_with_it() {
    let (_directory, path) = place();
    let database = open(&path);
    let failing = || {
        database.write_checked(|db| {
            insert(db, "of the failing job")?;
            insert(db, "of the failing job")
        })
    };
    let panicking = || {
        database.write_checked(|db| -> Result<(), StoreError> {
            insert(db, "of the panicking job")?;
            panic!("a job's mistake")
        })
    };
    let release = hold_writer(&database);
    let lost = database.write_checked(|db| insert(db, "lost"));
    let failed = failing();
    let lost_too = database.write(|db| insert(db, "lost too"));
    let panicked = panicking();
    let after = database.write_checked(|db| insert(db, "after"));
    drop(release);
    for outcome in [lost.await, failed.await, lost_too.await, panicked.await] {
        assert!(matches!(outcome, Err(StoreError::Misuse(_))), "{outcome:?}");
    }
    after.await.unwrap();
    assert_eq!(database.read(texts).await.unwrap(), ["after"]);
}

/// Inserts a note and counts it; gives what the summary and what the rows say.
fn count_one(
    connection: &Connection,
    summary: &Summary<usize>,
    text: &str,
) -> Result<(usize, usize), StoreError> {
    let look = |connection: &Connection| Ok(texts(connection)?.len());
    summary.read(connection, look, |_| ())?;
    insert(connection, text)?;
    summary.update(|count| *count += 1);
    insert(connection, &format!("{text}, again"))?;
    summary.update(|count| *count += 1);
    Ok((summary.read(connection, look, |count| *count)?, look(connection)?))
}

// Savepoint or not, failed job or failed commit: memory and disk say the same afterwards.
#[tokio::test]
async fn a_summary_agrees_with_the_rows_whatever_was_undone() {
    let (_directory, path) = place();
    let database = open(&path);
    let summary = database.summary();
    let count = |text: &'static str, is_bare: bool| {
        let summary = summary.clone();
        let job = move |db: &Connection| count_one(db, &summary, text);
        let queued: std::pin::Pin<Box<dyn Future<Output = _>>> =
            if is_bare { Box::pin(database.write_checked(job)) } else { Box::pin(database.write(job)) };
        queued
    };
    for is_bare in [true, false] {
        let [first, second, doubled] = if is_bare { ["a", "b", "c"] } else { ["d", "e", "f"] };
        database.write(move |db| insert(db, &format!("{doubled}, again"))).await.unwrap();
        // Another job than those that keep it has changed the rows.
        database.write::<(), _>(|_| Err(StoreError::Closed)).await.unwrap_err();
        let before = database.read(texts).await.unwrap().len();
        assert_eq!(count(first, is_bare).await, Ok((before + 2, before + 2)));
        let release = hold_writer(&database);
        let doubled = count(doubled, is_bare);
        let next = count(second, is_bare);
        // A deferred foreign key is checked by COMMIT, and fails all of them.
        let unkept = database.write(|db| Ok(db.execute("INSERT INTO replies (note_id) VALUES (4711)", [])?));
        drop(release);
        assert!(doubled.await.is_err() && next.await.is_err() && unkept.await.is_err());
        assert_eq!(count(second, is_bare).await, Ok((before + 4, before + 4)));
    }
    // A job that panics while it changes the summary.
    let held = summary.clone();
    let panicking = database.write(move |_| -> Result<(), StoreError> {
        held.update(|count| {
            *count = 0;
            panic!("a job's mistake")
        });
        Ok(())
    });
    assert!(panicking.await.is_err());
    assert_eq!(count("g", true).await, Ok((12, 12)));
}

#[test]
fn jobs_are_answered_without_a_runtime_and_after_its_end() {
    let (_directory, path) = place();
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let opened_without = open(&path);
    runtime().block_on(opened_without.write(|db| insert(db, "a"))).unwrap();
    let first = runtime();
    let opened_within = first.block_on(async { open(&path) });
    first.block_on(opened_within.write(|db| insert(db, "b"))).unwrap();
    // Done, but the answering task does not run any more.
    let unanswered = opened_within.write(|db| insert(db, "c"));
    runtime().block_on(async {
        while opened_within.commits() < 2 {
            tokio::task::yield_now().await;
        }
    });
    drop(first);
    runtime().block_on(unanswered).unwrap();
    runtime().block_on(opened_within.write(|db| insert(db, "d"))).unwrap();
    assert_eq!(texts(&Connection::open(&path).unwrap()).unwrap(), ["a", "b", "c", "d"]);
}

// T69: nothing is acknowledged that was not saved, and the store goes on afterwards.
#[tokio::test]
async fn a_full_disk_is_told_and_survived() {
    let (_directory, path) = place();
    let database = open(&path);
    let limit = |pages: u32| database.write(move |db| Ok(db.pragma_update(None, "max_page_count", pages)?));
    limit(12).await.unwrap();
    let large = "x".repeat(100_000);
    let text = large.clone();
    assert_eq!(database.write(move |db| insert(db, &text)).await, Err(StoreError::Full));
    assert!(database.read(texts).await.unwrap().is_empty());
    limit(1_000_000).await.unwrap();
    database.write(move |db| insert(db, &large)).await.unwrap();
    assert_eq!(database.read(texts).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_spares_the_jobs_queued_behind() {
    let (_directory, path) = place();
    let database = open(&path);
    database.write(|db| Ok(db.pragma_update(None, "max_page_count", 12)?)).await.unwrap();
    let release = hold_writer(&database);
    let large = database.write(|db| insert(db, &"x".repeat(100_000)));
    let small = database.write(|db| insert(db, "small"));
    drop(release);
    assert_eq!(large.await, Err(StoreError::Full));
    small.await.unwrap();
    assert_eq!(database.read(texts).await.unwrap(), ["small"]);
}

#[tokio::test]
async fn the_queue_has_a_bound() {
    let (_directory, path) = place();
    let database = open(&path);
    let release = hold_writer(&database);
    let mut last = None;
    for _ in 0..QUEUE_JOBS_MAX {
        last = Some(database.write(|_| Ok(())));
    }
    let refused = database.write(|_| Ok(()));
    assert!(matches!(refused.await, Err(StoreError::Unavailable(_))));
    drop(release);
    last.unwrap().await.unwrap();
}

#[tokio::test]
async fn the_writer_waits_for_the_disk_and_checks_references() {
    let (_directory, path) = place();
    let database = open(&path);
    let setting = |name: &'static str| {
        database.write(move |db| Ok(db.pragma_query_value(None, name, |row| row.get::<_, i64>(0))?))
    };
    assert_eq!(setting("synchronous").await, Ok(2), "FULL");
    assert_eq!(setting("foreign_keys").await, Ok(1));
    assert_eq!(setting("secure_delete").await, Ok(1));
    let mode =
        database.write(|db| Ok(db.pragma_query_value(None, "journal_mode", |row| row.get::<_, String>(0))?));
    assert_eq!(mode.await.unwrap(), "wal");
}

#[tokio::test]
async fn two_programs_may_write_to_one_file() {
    let (_directory, path) = place();
    let (server, administration) = (open(&path), open(&path));
    let (first, second) =
        tokio::join!(server.write(|db| insert(db, "a")), administration.write(|db| insert(db, "b")));
    first.unwrap();
    second.unwrap();
    assert_eq!(server.read(texts).await.unwrap().len(), 2);
    assert_eq!(administration.read(texts).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_reader_cannot_write_and_survives_its_panic() {
    let (_directory, path) = place();
    let database = open(&path);
    assert!(matches!(database.read(|db| insert(db, "x")).await, Err(StoreError::Unavailable(_))));
    let panicking = database.read(|_| -> Result<(), StoreError> { panic!("a job's mistake") });
    assert!(matches!(panicking.await, Err(StoreError::Misuse(_))));
    assert!(database.read(texts).await.unwrap().is_empty());
}

#[tokio::test]
async fn deleted_bytes_leave_the_file() {
    let (_directory, path) = place();
    let database = open(&path);
    database.write(|db| insert(db, "canary in a coal mine")).await.unwrap();
    database.write(|db| Ok(db.execute("DELETE FROM notes", [])?)).await.unwrap();
    drop(database);
    let bytes = std::fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, path) = place();
    let database = open(&path);
    database.write(|db| insert(db, "x")).await.unwrap();
    let files: Vec<_> = std::fs::read_dir(directory.path()).unwrap().map(Result::unwrap).collect();
    assert_eq!(files.len(), 3, "database, log and index");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", file.path());
    }
}

// T73: an older program does not touch newer tables.
#[test]
fn tables_of_a_newer_program_are_refused() {
    let (_directory, path) = place();
    let newer = [
        Migration::unapplied("V1__notes", NOTES).unwrap(),
        Migration::unapplied("V2__more", "CREATE TABLE more (id INTEGER PRIMARY KEY) STRICT;").unwrap(),
    ];
    drop(Database::open(&path, &Runner::new(&newer), CACHE_KIB).unwrap());
    assert!(matches!(Database::open(&path, &runner(), CACHE_KIB), Err(StoreError::Migration(_))));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let (_directory, path) = place();
    std::fs::write(&path, "a letter to alice, long enough to be taken for the header of a file").unwrap();
    assert!(matches!(Database::open(&path, &runner(), CACHE_KIB), Err(StoreError::Corrupt(_))));
}
