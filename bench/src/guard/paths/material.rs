//! What the paths work on: people, ids and frames as they are on a link.

use std::iter;

use anyhow::Result;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};
use tacite_router::delivery::{LinkId, Parcel, Reply};
use tacite_router::{DeviceKey, MessageKey};
use tacite_wire::{Frame, Opcode, proto};

/// Bytes of the sealed body of a text of 256 bytes.
pub(super) const SEALED_BYTES: usize = 960;
/// Who sends.
pub(super) const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
/// Her link.
pub(super) const ALICES_LINK: LinkId = LinkId(1);
/// When everything happens.
pub(super) const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_000);
/// What a device says of a message that it has stored.
pub(super) const PROOF: [u8; 16] = [0x77; 16];

/// The device of one of many recipients.
pub(super) fn recipient(number: u32) -> DeviceKey {
    let mut bytes = [0xB0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    DeviceKey { account_id: AccountId::from_bytes(bytes), device_id: DeviceId::FIRST }
}

/// Random ids of messages, the same in every run.
pub(super) fn message_ids() -> impl Iterator<Item = MessageId> {
    let mut rng = rng();
    iter::repeat_with(move || MessageId::random(&mut rng))
}

/// Random bytes, the same in every run.
pub(super) fn random<const N: usize>() -> impl Iterator<Item = [u8; N]> {
    let mut rng = rng();
    iter::repeat_with(move || {
        let mut bytes = [0; N];
        rng.fill_bytes(&mut bytes);
        bytes
    })
}

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([7; 32])
}

/// What alice sends.
pub(super) fn envelope(to: DeviceKey) -> proto::Envelope {
    proto::Envelope {
        sender_id: ALICE.as_bytes().to_vec().into(),
        sender_device: 1,
        recipient_id: to.account_id.as_bytes().to_vec().into(),
        recipient_device: to.device_id.value().into(),
        message_type: 1,
        sealed: vec![0xEE; SEALED_BYTES].into(),
        ..proto::Envelope::default()
    }
}

/// The frame in which she sends it.
pub(super) fn sent_frame(to: DeviceKey, id: MessageId) -> Result<Frame> {
    Ok(Frame::command(Opcode::SEND_DIRECT, id, NOW, &envelope(to))?)
}

/// The same, once the rules have allowed it.
pub(super) fn parcel(to: DeviceKey, id: MessageId, sent: &Frame) -> Parcel {
    Parcel {
        key: MessageKey { sender_id: ALICE, message_id: id },
        sender_device: DeviceId::FIRST,
        session_id: [5; 16],
        recipient: to,
        conversation_id: ConversationId::from_bytes([6; 16]),
        frame: sent.clone(),
        reply: Reply { link: ALICES_LINK, header: sent.header, number: 1 },
        taken_at: NOW,
    }
}
