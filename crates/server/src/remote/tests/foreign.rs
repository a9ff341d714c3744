//! T74: whatever bytes come, from whichever side, nothing panics and every call is answered.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::FutureExt as _;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::TestRunner;
use tacite_accounts::store::{
    InvitationHash, MemoryStore as AccountsMemory, NewAccount, NewDevice, NewInvitation, NewSession, Proof,
    Record, Rotation, TokenHash, conformance as accounts_conformance,
};
use tacite_accounts::{Generation, SessionId, Store as _};
use tacite_depot::{BodyName, Store as _, StoreError, Upload, conformance as depot_conformance};
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};
use tokio::runtime::Runtime;

use super::{Served, depot_part, put, tls};
use crate::hub::lock;
use crate::remote::RemoteDepot;
use crate::remote::accounts::{AccountsPart, RemoteAccounts};
use crate::remote::calls::{Answering, Part, begin};
use crate::remote::frames::Frame;
use crate::tls::Tls;

const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);

/// A method or an outcome, and the bytes that went with it.
type Said = (u8, Bytes);

/// What was asked, and what was answered.
#[derive(Clone, Default)]
struct Heard {
    asked: Arc<Mutex<Vec<Said>>>,
    answered: Arc<Mutex<Vec<Said>>>,
}

/// A part that is overheard.
struct Overheard<P> {
    part: P,
    heard: Heard,
}

impl<P: Part> Part for Overheard<P> {
    fn begin(&self, call: Frame) -> Result<Answering<'_>, StoreError> {
        lock(&self.heard.asked).push((call.kind, call.body.clone()));
        let answered = |answer: &Frame| lock(&self.heard.answered).push((answer.kind, answer.body.clone()));
        Ok(self.part.begin(call)?.inspect(answered).boxed())
    }
}

/// A part that answers every call with the same bytes.
struct Parrot(Mutex<Said>);

impl Part for Parrot {
    fn begin(&self, Frame { call, .. }: Frame) -> Result<Answering<'_>, StoreError> {
        let (kind, body) = lock(&self.0).clone();
        Ok(std::future::ready(Frame { call, kind, body }).boxed())
    }
}

/// All calls and all answers of the suites of both stores.
async fn suites(tls: &Tls) -> (Vec<Said>, Vec<Said>) {
    let heard = Heard::default();
    let accounts = async || {
        let part = Overheard { part: AccountsPart(AccountsMemory::default()), heard: heard.clone() };
        RemoteAccounts::new(Served::start(tls, "127.0.0.1:0", part).await.address)
    };
    accounts_conformance::run(accounts).await;
    let depot = async || {
        let part = Overheard { part: depot_part(), heard: heard.clone() };
        RemoteDepot::new(Served::start(tls, "127.0.0.1:0", part).await.address)
    };
    depot_conformance::run(depot).await;
    let all = |said: &Mutex<Vec<Said>>| said.lock().unwrap().clone();
    (all(&heard.asked), all(&heard.answered))
}

/// Any bytes, or something that was really said with a piece of it replaced.
fn foreign(said: Vec<Said>) -> impl Strategy<Value = Said> {
    let any_bytes = (any::<u8>(), vec(any::<u8>(), 0..100)).prop_map(|(kind, bytes)| (kind, bytes.into()));
    let piece = (any::<Index>(), 0..4_usize, vec(any::<u8>(), 0..4));
    let changed = (select(said), piece).prop_map(|((kind, body), (place, length, other))| {
        let mut bytes = body.to_vec();
        let begin = place.index(bytes.len() + 1);
        let end = bytes.len().min(begin + length);
        bytes.splice(begin..end, other);
        (kind, bytes.into())
    });
    prop_oneof![any_bytes, changed]
}

/// Makes every call, whatever comes of it.
async fn ask_accounts(accounts: &RemoteAccounts) {
    let (alice, device_id): (Handle, _) = ("alice".parse().unwrap(), DeviceId::FIRST);
    let (session_id, hash) = (SessionId([1; 16]), InvitationHash([2; 32]));
    let session = NewSession {
        session_id,
        account_id: ALICE,
        device_id,
        refresh: TokenHash([3; 32]),
        now: NOW,
        expires_at: NOW,
    };
    let account = NewAccount {
        account_id: ALICE,
        handle: alice.clone(),
        identity_key: [5; 33],
        password_record: Record::new(vec![1]),
        words_record: Record::new(vec![1]),
        device: NewDevice { device_id, login_key: [6; 32], registration_id: 7 },
        session,
        invitation: None,
    };
    let rotation = Rotation {
        shown: TokenHash([3; 32]),
        expected: None,
        next: TokenHash([4; 32]),
        now: NOW,
        expires_at: NOW,
    };
    let invitation = NewInvitation { hash, uses: 1, created_by: None, now: NOW, expires_at: NOW };
    let _ = accounts.register(account).await;
    let _ = accounts.find(alice.clone()).await;
    let _ = accounts.credentials(alice).await;
    let _ = accounts.handle(ALICE).await;
    let _ = accounts.identity_key(ALICE).await;
    let _ = accounts.devices(ALICE).await;
    let _ = accounts.login_key(ALICE, device_id).await;
    let _ = accounts.note_generations(vec![Generation { account_id: ALICE, device_id, generation: 1 }]).await;
    let _ = accounts.begin_session(session, Proof::Words).await;
    let _ = accounts.rotate(rotation).await;
    let _ = accounts.log_out(ALICE, device_id).await;
    let _ = accounts.is_session_live(session_id, NOW).await;
    let _ = accounts.invite(invitation).await;
    let _ = accounts.invite_first(invitation).await;
    let _ = accounts.is_invitation_valid(hash, NOW).await;
    let _ = accounts.account_count().await;
    let _ = accounts.sweep(NOW).await;
}

/// Makes every call, whatever comes of it.
async fn ask_depot(depot: &RemoteDepot) {
    let name = BodyName([1; 32]);
    let _ = put(depot, 1).await;
    let _ = depot.keep_body(name, NOW).await;
    let _ = depot.bodies(vec![name]).await;
    let _ = depot.delete_bodies(vec![name]).await;
    let _ = depot.expire_bodies(NOW).await;
    let _ = depot.wipe_deleted().await;
    let _ = depot.publish(ALICE, DeviceId::FIRST, Upload::default()).await;
    let _ = depot.take_keys(ALICE).await;
}

#[test]
fn t74_every_call_is_answered_whatever_bytes_it_has() {
    let (_place, tls) = tls();
    let (asked, _) = Runtime::new().unwrap().block_on(suites(&tls));
    let (accounts, depot) = (AccountsPart(AccountsMemory::default()), depot_part());
    let answers_each = |(kind, body): Said| {
        for part in [true, false] {
            let call = Frame { call: 5, kind, body: body.clone() };
            let answering = if part { begin(&accounts, call) } else { begin(&depot, call) };
            let answer = answering.now_or_never().expect("what is in memory waits for nothing");
            prop_assert_eq!(answer.call, 5);
            prop_assert!(answer.kind <= 2, "an answer of the kind {}", answer.kind);
        }
        Ok(())
    };
    TestRunner::default().run(&foreign(asked), answers_each).unwrap();
}

#[test]
fn t74_every_caller_survives_whatever_is_answered() {
    let (_place, tls) = tls();
    let runtime = Runtime::new().unwrap();
    let (_, answered) = runtime.block_on(suites(&tls));
    let parrot = Parrot(Mutex::new((0, Bytes::new())));
    let served = runtime.block_on(Served::start(&tls, "127.0.0.1:0", parrot));
    let _inside = runtime.enter();
    let (accounts, depot) = (RemoteAccounts::new(served.address.clone()), RemoteDepot::new(served.address));
    let survives = |said: Said| {
        let is_ours = said.0 <= 3;
        *served.part.0.lock().unwrap() = said;
        runtime.block_on(async {
            ask_accounts(&accounts).await;
            ask_depot(&depot).await;
        });
        prop_assert!(is_ours || runtime.block_on(accounts.account_count()).is_err());
        Ok(())
    };
    TestRunner::default().run(&foreign(answered), survives).unwrap();
}

proptest! {
    #[test]
    fn t74_no_bytes_make_the_reading_of_a_frame_panic(
        length in prop_oneof![any::<u32>(), 0..40_u32],
        bytes in vec(prop_oneof![Just(1_u8), any::<u8>()], 0..40),
    ) {
        let whole = [&length.to_be_bytes()[..], &bytes].concat();
        let read = Frame::read(&mut &whole[..]).now_or_never().expect("nothing is waited for");
        if let Ok(frame) = read {
            let mut again = Vec::new();
            frame.write(&mut again).now_or_never().expect("nothing is waited for").unwrap();
            prop_assert!(whole.starts_with(&again));
        }
    }
}
