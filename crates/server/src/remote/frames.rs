//! The frames of a call.
//!
//! Invariants: no frame is longer than [`PART_FRAME_BYTES_MAX`]; what cannot be read ends the connection.

use std::{fmt, io};

use bytes::Bytes;
use prost::Message;
use tacite_depot::StoreError;
use tacite_model::limits::PART_FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const VERSION: u8 = 1;
/// Version, number of the call, kind.
pub(super) const HEAD_BYTES: usize = 10;

/// One frame.
pub(crate) struct Frame {
    pub(super) call: u64,
    /// Which method is called, or how the call went: 0 well, else the kind of [`StoreError`].
    pub(super) kind: u8,
    pub(super) body: Bytes,
}

/// The text of an error.
#[derive(Clone, PartialEq, Eq, Message)]
struct Trouble {
    #[prost(string, tag = "1")]
    text: String,
}

impl Frame {
    pub(super) fn new(call: u64, kind: u8, body: &impl Message) -> Self {
        Self { call, kind, body: body.encode_to_vec().into() }
    }

    pub(super) fn answer<T: Message>(call: u64, outcome: &Result<T, StoreError>) -> Self {
        match outcome {
            Ok(value) => Self::new(call, 0, value),
            Err(error) => {
                let (kind, text) = match error {
                    StoreError::Full => (1, String::new()),
                    StoreError::Unavailable(text) => (2, text.clone()),
                    StoreError::Closed => (2, error.to_string()),
                    _ => (3, error.to_string()),
                };
                Self::new(call, kind, &Trouble { text })
            }
        }
    }

    /// What an answer says.
    pub(super) fn outcome<T: Message + Default>(self) -> Result<T, StoreError> {
        if self.kind == 0 {
            return T::decode(self.body).map_err(|_| unavailable("the part answered what cannot be read"));
        }
        let text = Trouble::decode(self.body).unwrap_or_default().text;
        Err(match self.kind {
            1 => StoreError::Full,
            2 => StoreError::Unavailable(text),
            _ => StoreError::Misuse(text),
        })
    }

    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let length = stream.read_u32().await? as usize;
        if !(HEAD_BYTES..=PART_FRAME_BYTES_MAX).contains(&length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(io::ErrorKind::InvalidData)?;
        let [VERSION, call @ .., kind] = *head else { return Err(io::ErrorKind::InvalidData.into()) };
        Ok(Self { call: u64::from_be_bytes(call), kind, body: Bytes::from(bytes).slice(HEAD_BYTES..) })
    }

    pub(super) async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let length = HEAD_BYTES + self.body.len();
        let prefix = u32::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        if length > PART_FRAME_BYTES_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut bytes = Vec::with_capacity(4 + length);
        bytes.extend_from_slice(&prefix.to_be_bytes());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.call.to_be_bytes());
        bytes.push(self.kind);
        bytes.extend_from_slice(&self.body);
        stream.write_all(&bytes).await?;
        stream.flush().await
    }
}

impl fmt::Debug for Frame {
    /// A body may hold records of passwords or names of bodies; it is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame").field("call", &self.call).field("kind", &self.kind).finish_non_exhaustive()
    }
}

pub(super) fn unavailable(text: &str) -> StoreError {
    StoreError::Unavailable(text.to_owned())
}
