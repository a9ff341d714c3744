//! What the calls of every part have in common: how one is begun, how it is answered, and the messages that several use.
//!
//! Invariants: bytes that cannot be read are an error that is answered, never a panic; the numbers of methods are given once
//! among all parts, so that a caller who was given the address of another part is told.

use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt as _;
use prost::Message;
use tacite_depot::StoreError;
use tacite_model::{AccountId, DeviceId};

use super::frames::{Frame, unavailable};

/// A part of the server, as its callers see it.
pub(crate) trait Part: Send + Sync + 'static {
    /// Begins a call that came in: what changes the store is queued when the answer is first polled, at the latest.
    ///
    /// Fails if the call or its fields are not known.
    fn begin(&self, call: Frame) -> Result<Answering<'_>, StoreError>;
}

/// The answer to one call.
pub(crate) type Answering<'a> = Pin<Box<dyn Future<Output = Frame> + Send + 'a>>;

/// A number, a truth (0 or 1), a time, or nothing.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Number {
    #[prost(uint64, tag = "1")]
    pub(super) number: u64,
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self { number }
    }
}

impl From<bool> for Number {
    fn from(truth: bool) -> Self {
        Self { number: truth.into() }
    }
}

impl From<()> for Number {
    fn from((): ()) -> Self {
        Self::default()
    }
}

impl Number {
    /// The truth that it stands for.
    pub(super) fn truth(&self) -> Result<bool, StoreError> {
        match self.number {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(unreadable()),
        }
    }
}

/// Begins a call; what is wrong with it becomes its answer.
pub(super) fn begin(part: &impl Part, call: Frame) -> Answering<'_> {
    let number = call.call;
    part.begin(call).unwrap_or_else(|error| ready(Frame::answer::<Number>(number, &Err(error))).boxed())
}

/// The answer to the call with this number, once the store has done what was asked.
pub(super) fn answer<'a, T, M: Message>(
    call: u64,
    done: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    message: impl FnOnce(T) -> M + Send + 'a,
) -> Answering<'a> {
    async move { Frame::answer(call, &done.await.map(message)) }.boxed()
}

/// The fields of a call.
pub(super) fn read<M: Message + Default>(body: Bytes) -> Result<M, StoreError> {
    M::decode(body).map_err(|_| unreadable())
}

/// A field of one length.
pub(super) fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| unreadable())
}

pub(super) fn account_id(bytes: &[u8]) -> Result<AccountId, StoreError> {
    array(bytes).map(AccountId::from_bytes)
}

pub(super) fn device_id(number: u32) -> Result<DeviceId, StoreError> {
    DeviceId::try_from(number).map_err(|_| unreadable())
}

pub(super) fn of_account(account_id: AccountId) -> Bytes {
    bytes(account_id.as_bytes())
}

pub(super) fn bytes(field: &[u8]) -> Bytes {
    Bytes::copy_from_slice(field)
}

pub(super) fn unreadable() -> StoreError {
    unavailable("a call to the part, or its answer, cannot be read")
}

pub(super) fn unknown() -> StoreError {
    unavailable("the part does not know this call: it is of another release, or another part")
}
