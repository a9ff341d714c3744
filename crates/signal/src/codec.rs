//! Reading and writing stored state: big-endian integers, byte strings of known or prefixed length.
//!
//! Invariants: the reader never reads past its input and never allocates more than the input's length; the writer's buffer is wiped
//! when dropped and also when it grows, so no copy of a secret stays behind.

use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// Stored bytes that this crate did not write, or that were damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoredError {
    /// The first byte names a version that this release does not know.
    #[error("stored in version {0}, which this release does not know")]
    Version(u8),
    /// The bytes end early, go on too long, or contradict themselves.
    #[error("the stored bytes are damaged")]
    Damaged,
}

/// A growing buffer of stored bytes.
pub(crate) struct Writer(Zeroizing<Vec<u8>>);

impl Writer {
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(capacity)))
    }

    pub(crate) fn finish(self) -> Zeroizing<Vec<u8>> {
        self.0
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.0.capacity() - self.0.len() < bytes.len() {
            self.grow(bytes.len());
        }
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    pub(crate) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// A length (u32) and that many bytes; the callers' objects are all far below 4 GiB.
    pub(crate) fn prefixed(&mut self, bytes: &[u8]) {
        self.u32(u32::try_from(bytes.len()).expect("stored objects are below 4 GiB"));
        self.bytes(bytes);
    }

    pub(crate) fn optional_u32(&mut self, value: Option<u32>) {
        self.u8(u8::from(value.is_some()));
        self.u32(value.unwrap_or(0));
    }

    fn grow(&mut self, additional: usize) {
        let mut larger = Vec::with_capacity((self.0.len() + additional).next_power_of_two());
        larger.extend_from_slice(&self.0);
        self.0.zeroize();
        self.0 = Zeroizing::new(larger);
    }
}

/// A cursor over stored bytes.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Checks the leading version byte.
    pub(crate) fn version(&mut self, known: u8) -> Result<(), StoredError> {
        match self.u8()? {
            version if version == known => Ok(()),
            version => Err(StoredError::Version(version)),
        }
    }

    pub(crate) fn end(self) -> Result<(), StoredError> {
        if self.0.is_empty() { Ok(()) } else { Err(StoredError::Damaged) }
    }

    pub(crate) fn bytes(&mut self, length: usize) -> Result<&'a [u8], StoredError> {
        let (head, tail) = self.0.split_at_checked(length).ok_or(StoredError::Damaged)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], StoredError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(StoredError::Damaged)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn secret<const N: usize>(&mut self) -> Result<Secret<N>, StoredError> {
        Ok(Secret::copy_of(self.bytes(N)?))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, StoredError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(crate) fn u16(&mut self) -> Result<u16, StoredError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(crate) fn u32(&mut self) -> Result<u32, StoredError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, StoredError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(crate) fn flag(&mut self) -> Result<bool, StoredError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(StoredError::Damaged),
        }
    }

    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], StoredError> {
        let length = self.u32()?;
        self.bytes(usize::try_from(length).map_err(|_| StoredError::Damaged)?)
    }

    pub(crate) fn optional_u32(&mut self) -> Result<Option<u32>, StoredError> {
        let present = self.flag()?;
        let value = self.u32()?;
        if present {
            Ok(Some(value))
        } else if value == 0 {
            Ok(None)
        } else {
            Err(StoredError::Damaged)
        }
    }
}
