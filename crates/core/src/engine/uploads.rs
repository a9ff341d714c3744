//! Split mode: bodies are put into the depot before their messages are sent.
//!
//! Invariants: a message is sent only after its body was put on the same link; every try puts the same bytes, so it does not
//! matter which of them arrived; a permit serves one body.

use std::collections::BTreeMap;

use tacite_model::Secret;
use tacite_wire::body;
use tacite_wire::proto::{RequestUploads, Upload, UploadPermit, UploadPermits};

use super::commands::{Answer, Reply, Waiting};
use super::outbox::{Body, DeviceCopy};
use super::{Engine, Turn};
use crate::{BodyName, CoreError, Effect, Problem};

/// Longest permit that is shown.
const PERMIT_BYTES_MAX: usize = 256;

/// Bodies that the driver is putting.
#[derive(Debug, Clone, Default)]
pub(crate) struct Uploads(BTreeMap<BodyName, DeviceCopy>);

impl Uploads {
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn forget_link(&mut self) {
        self.0.clear();
    }
}

impl Engine {
    /// `upld`.
    pub(super) fn request_upload(
        &mut self,
        turn: &mut Turn<'_, '_>,
        copy: DeviceCopy,
    ) -> Result<(), CoreError> {
        let upload = Upload {
            message_id: copy.message_id.as_bytes().to_vec().into(),
            recipient_id: copy.recipient_id.as_bytes().to_vec().into(),
            recipient_device: copy.device_id.into(),
        };
        turn.tx.grow_generation(1)?;
        self.command(turn, Waiting::Upload(copy), &RequestUploads { uploads: vec![upload] })
    }

    /// Answers to `upld`.
    pub(super) fn upload_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Waiting::Upload(copy) = answer.waiting else { return Ok(()) };
        match answer.reply {
            Reply::Finished => {
                let Some(permits) = self.read::<UploadPermits>(turn, answer.frame) else { return Ok(()) };
                if let [permit] = permits.permits.as_slice() {
                    self.put_body(turn, copy, permit)
                } else {
                    self.distrust_link(turn);
                    Ok(())
                }
            }
            Reply::Refused(problem) => self.copy_refused(turn, copy, problem),
            Reply::InProgress => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    /// What came of putting a body.
    pub(super) fn body_put(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: BodyName,
        result: Result<(), Problem>,
    ) -> Result<(), CoreError> {
        // What belongs to a link that is gone is put again on the next.
        let Some(copy) = self.uploads.0.remove(&name) else { return Ok(()) };
        match result {
            Ok(()) if sealed_for(turn, copy)?.is_some() => {
                self.send_envelope(turn, copy, Body::InDepot(name))
            }
            Ok(()) => {
                self.free_lane(copy.recipient_id, copy.message_id);
                Ok(())
            }
            Err(problem) => self.copy_refused(turn, copy, problem),
        }
    }

    fn put_body(
        &mut self,
        turn: &mut Turn<'_, '_>,
        copy: DeviceCopy,
        permit: &UploadPermit,
    ) -> Result<(), CoreError> {
        let name = <[u8; 32]>::try_from(permit.name.as_ref()).map(BodyName);
        let (Ok(name), true) = (name, permit.permit.len() <= PERMIT_BYTES_MAX) else {
            self.distrust_link(turn);
            return Ok(());
        };
        let Some(sealed) = sealed_for(turn, copy)? else {
            self.free_lane(copy.recipient_id, copy.message_id);
            return Ok(());
        };
        let padded = body::pad(&sealed).ok_or(CoreError::Internal("a sealed body that is too long"))?;
        if self.uploads.0.insert(name, copy).is_some() {
            // One name for two bodies.
            self.distrust_link(turn);
            return Ok(());
        }
        let permit = Secret::new(permit.permit.to_vec());
        let (depot_url, bytes) = (self.link.depot_url.clone(), padded.to_vec());
        turn.effect(Effect::PutBody { depot_url, name, permit, bytes });
        Ok(())
    }
}

/// The sealed body of a copy; `None` if it has left the outbox meanwhile.
fn sealed_for(turn: &Turn<'_, '_>, copy: DeviceCopy) -> Result<Option<Vec<u8>>, CoreError> {
    let first = turn.tx.first_envelope(copy.message_id)?;
    Ok(first.filter(|(device_id, sealed)| *device_id == copy.device_id && !sealed.is_empty()).map(|it| it.1))
}
