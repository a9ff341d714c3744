//! Driving the outbox: sealing, sending in order, sending again.
//!
//! Invariants:
//! - Per recipient, messages are sent in order: one goes ahead, and once the server has fixed its place a few are under way at once. Links
//!   keep the order, and a server that refuses one refuses those behind it. At most one envelope of one message is under way at a time, because
//!   answers do not name the device.
//! - A message is sealed once per device; whatever happens, the same bytes are sent again until the server answers for good.
//!   Only for a device that the server does not know is it sealed again, by fresh keys.
//! - After a refusal the outbox waits for the answers to what was under way, then goes on with the first message that was refused,
//!   and in order from there: the server takes nothing else before it, not even what is urgent. Once it has taken that, the rest follows
//!   without waiting. That order is the server's: what it had taken first, as it had taken it; then the rest, as it was sent.
//! - A message leaves the outbox only when every device's envelope is answered for good, or the device is gone.
//! - A message has come as far as on the device where it has come farthest.

use std::collections::{BTreeMap, BTreeSet};

use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{AccountId, DeviceId, MessageId, Secret, Timestamp};
use tacite_vault::{MessageState, OutboxEntry, Standing};
use tacite_wire::proto::{self, DeliveryMode, Envelope, PeerHere};
use tacite_wire::{Code, Frame};

use super::catch_up::message_state;
use super::commands::{Answer, Reply, Waiting};
use super::conversation::{adopt, advance_sent, proven_state};
use super::link::backoff_ms;
use super::{Engine, Turn};
use crate::session::{self, Party, Peer};
use crate::{BodyName, CoreError, Event, Problem};

/// Envelopes under way at once, over all recipients.
const UNDER_WAY_MAX: usize = UNACKNOWLEDGED_MAX;
/// Messages to one recipient of which the server has not fixed the place yet, at once. A burst need not wait for the way there and
/// back after each, and what is refused together is soon sent again.
const UNTAKEN_MAX: usize = 16;
/// Upper bound of the first delay before what may succeed later is sent again, milliseconds.
const RETRY_MS_MIN: u64 = 1000;
/// Upper bound of every such delay, milliseconds.
const RETRY_MS_MAX: u64 = 5 * 60_000;
/// Least pause before a link on which the server delivers in another way than it said, milliseconds.
const OTHER_MODE_PAUSE_MS: u64 = 5000;
/// The envelope's number for direct messages.
pub(super) const DIRECT_MESSAGE: u32 = 1;

/// How far the outbox of one recipient is driven on the present link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lane {
    /// How many messages were sent for the first time.
    sent: u64,
    /// How many messages the server has taken.
    taken: u64,
    /// The server has taken a message, and since it last refused one has taken one of those again.
    is_open: bool,
    /// What was refused, in the server's order.
    refused: BTreeMap<Rank, MessageId>,
    /// Messages whose bodies are being put, or whose places are not fixed yet.
    in_flight: BTreeSet<MessageId>,
    /// The one of these that is for further devices too: nothing goes before it has gone to all.
    alone: Option<MessageId>,
    /// Nothing is sent before.
    retry_at: Option<Timestamp>,
    attempt: u32,
}

/// The copy of a message for one device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceCopy {
    pub(super) message_id: MessageId,
    pub(super) recipient_id: AccountId,
    pub(super) device_id: DeviceId,
    /// Its place among the recipient's messages on this link.
    pub(super) rank: Rank,
}

/// A place in the order in which the server knows messages to one recipient over one link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// The server took this one as the so-manieth.
    Taken(u64),
    /// This one was sent as the so-manieth, and not taken since it was sent last. It came behind all that was taken before.
    Sent(u64),
}

/// How a sealed body travels.
pub(super) enum Body {
    Within(Vec<u8>),
    InDepot(BodyName),
}

/// What to do next for a recipient.
enum Next {
    Wait,
    Send { copy: DeviceCopy, sealed: Vec<u8> },
    FetchKeys,
    Again,
}

impl Engine {
    /// Sends what may be sent now.
    pub(super) fn drive_outbox(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let recipients = turn.tx.outbox_recipients()?;
        let was_empty = std::mem::replace(&mut self.outbox_is_empty, recipients.is_empty());
        if self.outbox_is_empty && !was_empty {
            turn.tell(Event::OutboxEmpty);
        }
        if self.sending_paused_until > turn.now {
            return Ok(());
        }
        let is_split = is_split(turn)?;
        self.lanes.retain(|recipient_id, _| recipients.contains(recipient_id));
        for recipient_id in recipients {
            loop {
                match self.next_for(turn, recipient_id, is_split)? {
                    // The link may have been given up over this one.
                    Next::Wait if !self.link.is_online() => return Ok(()),
                    Next::Wait => break,
                    Next::Again => {}
                    Next::FetchKeys => {
                        self.fetch_keys(turn, recipient_id)?;
                        break;
                    }
                    Next::Send { copy, sealed } => {
                        let is_last_copy = turn.tx.envelope_count(copy.message_id)? <= 1;
                        let lane = self.lanes.entry(recipient_id).or_default();
                        lane.in_flight.insert(copy.message_id);
                        lane.alone = (!is_last_copy).then_some(copy.message_id);
                        if let Rank::Sent(number) = copy.rank {
                            lane.sent = lane.sent.max(number);
                        }
                        if is_split {
                            self.request_upload(turn, copy)?;
                        } else {
                            self.send_envelope(turn, copy, Body::Within(sealed))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// When something of the outbox is to be sent that may not be sent now.
    pub(super) fn next_sending_at(&self, now: Timestamp) -> Option<Timestamp> {
        let pause = Some(self.sending_paused_until).filter(|until| *until > now);
        // A pause that is over waits for an answer now, not for the clock.
        let lanes = self.lanes.values().filter_map(|lane| lane.retry_at).filter(|retry_at| *retry_at > now);
        pause.or(lanes.min())
    }

    /// Answers to `smpu`: first that the place in the order is fixed, then what became of it.
    pub(super) fn message_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Waiting::Message(copy) = answer.waiting else { return Ok(()) };
        let DeviceCopy { message_id, recipient_id, device_id, .. } = copy;
        if !matches!(answer.reply, Reply::Refused(_)) {
            self.lanes.entry(recipient_id).or_default().serve(copy.rank);
        }
        match answer.reply {
            Reply::InProgress => {
                let lane = self.lanes.entry(recipient_id).or_default();
                lane.taken += 1;
                let taken = DeviceCopy { rank: Rank::Taken(lane.taken), ..copy };
                self.link.waiting.insert(message_id, Waiting::Message(taken));
                // With a further device to serve, the message keeps the lane until this one is served.
                if turn.tx.envelope_count(message_id)? <= 1 {
                    self.free_lane(recipient_id, message_id);
                }
                Ok(())
            }
            Reply::Finished => {
                let Some(row) = self.read::<proto::MessageState>(turn, answer.frame) else { return Ok(()) };
                let state = message_state(row.state).unwrap_or(MessageState::Sent);
                let claim = (state, row.proof.as_ref());
                let state = proven_state(turn, message_id, recipient_id, device_id, claim)?;
                device_served(turn, message_id, device_id, state)?;
                self.free_lane(recipient_id, message_id).attempt = 0;
                Ok(())
            }
            Reply::Refused(problem) => {
                if problem.code == Code::DEVICE_UNKNOWN {
                    // The next try begins with fresh keys.
                    turn.tx.replace_envelope(message_id, device_id, &[])?;
                    session::retire(turn.tx, Peer { account_id: recipient_id, device_id })?;
                }
                self.copy_refused(turn, copy, problem)
            }
        }
    }

    /// `here`: somebody to whom nothing could be sent, because they were away, is online.
    #[expect(clippy::unnecessary_wraps, reason = "all handlers have one signature")]
    pub(super) fn peer_here(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        let Some(here) = self.read::<PeerHere>(turn, frame) else { return Ok(()) };
        let Ok(account_id) = AccountId::try_from(here.account_id.as_ref()) else { return Ok(()) };
        if let Some(lane) = self.lanes.get_mut(&account_id) {
            (lane.retry_at, lane.attempt) = (None, 0);
        }
        self.reads.resume(account_id);
        Ok(())
    }

    /// One device's copy of a message was refused, or its body.
    pub(super) fn copy_refused(
        &mut self,
        turn: &mut Turn<'_, '_>,
        copy: DeviceCopy,
        mut problem: Problem,
    ) -> Result<(), CoreError> {
        let DeviceCopy { message_id, recipient_id, .. } = copy;
        if !problem.retryable {
            fail_message(turn, message_id)?;
            turn.notice(problem);
            self.free_lane(recipient_id, message_id);
            return Ok(());
        }
        self.send_again(turn, recipient_id, Some(copy), &problem);
        if problem.code == Code::OTHER_MODE {
            // A new link says how the server delivers now.
            problem.retry_after_ms = Some(problem.retry_after_ms.unwrap_or(0).max(OTHER_MODE_PAUSE_MS));
            self.drop_link(turn, Some(&problem));
        }
        Ok(())
    }

    /// Plans another try for a recipient after a pause.
    pub(super) fn send_again(
        &mut self,
        turn: &mut Turn<'_, '_>,
        recipient_id: AccountId,
        copy: Option<DeviceCopy>,
        problem: &Problem,
    ) {
        let wait_ms = problem.retry_after_ms.unwrap_or(0);
        let is_too_fast = problem.code == Code::TOO_FAST && wait_ms > 0;
        if is_too_fast {
            self.sending_paused_until = turn.now.plus_ms(wait_ms);
        }
        let lane = match copy {
            Some(copy) => self.free_lane(recipient_id, copy.message_id),
            None => self.lanes.entry(recipient_id).or_default(),
        };
        let planned = lane.retry_at.filter(|retry_at| *retry_at > turn.now);
        let follows = |copy: DeviceCopy| lane.refused.range(..copy.rank).next().is_some();
        // Too fast: nothing is wrong, and it is known how long to wait. What follows a refused message is refused with it: that is one
        // failure, not many.
        let delay_ms = if is_too_fast || planned.is_some() || copy.is_some_and(follows) {
            wait_ms
        } else {
            lane.attempt = lane.attempt.saturating_add(1);
            wait_ms.max(backoff_ms(lane.attempt - 1, RETRY_MS_MIN, RETRY_MS_MAX, turn.rng))
        };
        let retry_at = turn.now.plus_ms(delay_ms);
        let retry_at = planned.map_or(retry_at, |planned| planned.max(retry_at));
        lane.retry_at = Some(retry_at);
        if let Some(copy) = copy {
            lane.is_open = false;
            lane.refused.insert(copy.rank, copy.message_id);
        }
    }

    fn next_for(
        &mut self,
        turn: &mut Turn<'_, '_>,
        recipient_id: AccountId,
        is_split: bool,
    ) -> Result<Next, CoreError> {
        let is_fetching = self.is_fetching_keys(recipient_id);
        let is_copy = |it: &&Waiting| matches!(it, Waiting::Message(_) | Waiting::Upload(_));
        let under_way = self.link.waiting.values().filter(is_copy).count() + self.uploads.count();
        let lane = self.lanes.entry(recipient_id).or_default();
        let is_paused = lane.retry_at.is_some_and(|retry_at| retry_at > turn.now);
        if !lane.has_room(is_split) || is_paused || is_fetching || under_way >= UNDER_WAY_MAX {
            return Ok(Next::Wait);
        }
        lane.retry_at = None;
        let Some((entry, rank)) = self.next_entry(turn, recipient_id, under_way)? else {
            return Ok(Next::Wait);
        };
        let contact = turn.tx.contact(recipient_id)?;
        if contact.is_none_or(|contact| contact.standing != Standing::Accepted) {
            fail_message(turn, entry.message_id)?;
            turn.notice(Problem::of(Code::NOT_A_CONTACT));
            return Ok(Next::Again);
        }
        if turn.tx.envelope_count(entry.message_id)? == 0 && !seal_message(turn, &entry)? {
            return Ok(Next::FetchKeys);
        }
        Ok(match turn.tx.first_envelope(entry.message_id)? {
            Some((device_id, sealed)) if sealed.is_empty() => {
                if seal_again(turn, &entry, device_id)? {
                    Next::Again
                } else {
                    Next::FetchKeys
                }
            }
            Some((device_id, sealed)) => {
                let message_id = entry.message_id;
                Next::Send { copy: DeviceCopy { message_id, recipient_id, device_id, rank }, sealed }
            }
            None => Next::Again,
        })
    }

    /// What goes next, and its rank: what was refused, or else the first that is not under way.
    fn next_entry(
        &mut self,
        turn: &mut Turn<'_, '_>,
        recipient_id: AccountId,
        under_way: usize,
    ) -> Result<Option<(OutboxEntry, Rank)>, CoreError> {
        let lane = self.lanes.entry(recipient_id).or_default();
        let refused: Vec<_> = lane.refused.iter().map(|(rank, message_id)| (*rank, *message_id)).collect();
        let (mut is_behind, mut is_given_up) = (false, false);
        for (rank, message_id) in refused {
            if lane.in_flight.contains(&message_id) {
                // The server waits for this one, not for those behind it.
                is_behind = true;
                continue;
            }
            if let Some(entry) = turn.tx.outbox_entry(message_id)? {
                if is_given_up {
                    // The server would wait for the one before, which will not come: not so on a new link.
                    self.drop_link(turn, None);
                    return Ok(None);
                }
                return Ok(Some((entry, rank)));
            }
            lane.refused.remove(&rank);
            is_given_up |= !is_behind;
        }
        let entries = turn.tx.outbox_of(recipient_id, under_way + 1)?;
        let next = entries.into_iter().find(|entry| !self.link.waiting.contains_key(&entry.message_id));
        Ok(next.map(|entry| (entry, Rank::Sent(lane.sent + 1))))
    }

    /// `smpu`.
    pub(super) fn send_envelope(
        &mut self,
        turn: &mut Turn<'_, '_>,
        copy: DeviceCopy,
        body: Body,
    ) -> Result<(), CoreError> {
        let account = turn.account()?;
        let (sealed, body_name) = match body {
            Body::Within(sealed) => (sealed, Vec::new()),
            Body::InDepot(name) => (Vec::new(), name.0.to_vec()),
        };
        let envelope = Envelope {
            sender_id: account.account_id.as_bytes().to_vec().into(),
            sender_device: account.device_id.into(),
            recipient_id: copy.recipient_id.as_bytes().to_vec().into(),
            recipient_device: copy.device_id.into(),
            message_type: DIRECT_MESSAGE,
            body_name: body_name.into(),
            sealed: sealed.into(),
        };
        turn.tx.grow_generation(1)?;
        self.command_with_id(turn, copy.message_id, Waiting::Message(copy), &envelope)
    }

    /// There is room for another message to the recipient. Which one that is, only the outbox knows: an earlier one may have been
    /// refused meanwhile, and goes first.
    pub(super) fn free_lane(&mut self, recipient_id: AccountId, message_id: MessageId) -> &mut Lane {
        let lane = self.lanes.entry(recipient_id).or_default();
        lane.in_flight.remove(&message_id);
        lane.alone = lane.alone.filter(|alone| *alone != message_id);
        lane
    }
}

impl Lane {
    /// The server has taken the message with this rank. Where something was refused, one of that has to be taken before more than
    /// one is sent. With that the server has forgotten the others: they come again behind it, as if they were sent the first time.
    fn serve(&mut self, rank: Rank) {
        let was_refused = self.refused.remove(&rank).is_some();
        if was_refused && !self.is_open {
            for (_, message_id) in std::mem::take(&mut self.refused) {
                self.sent += 1;
                self.refused.insert(Rank::Sent(self.sent), message_id);
            }
        }
        self.is_open |= was_refused || self.refused.is_empty();
    }

    /// Whether a message may be sent before all that are under way have their places. Bodies in the depot may get there in another
    /// order; and who is away, or of whom too much comes, refuses one instead of many.
    fn has_room(&self, is_split: bool) -> bool {
        let most = if is_split || !self.is_open { 1 } else { UNTAKEN_MAX };
        self.alone.is_none() && self.in_flight.len() < most
    }
}

/// Whether bodies travel apart from their messages.
fn is_split(turn: &Turn<'_, '_>) -> Result<bool, CoreError> {
    let mode = turn.tx.server()?.map(|server| server.delivery_mode);
    Ok(mode == Some(DeliveryMode::Split.into()))
}

/// One device's copy of a message has come to `state`; when it was the last one, the message leaves the outbox.
pub(super) fn device_served(
    turn: &mut Turn<'_, '_>,
    message_id: MessageId,
    device_id: DeviceId,
    state: MessageState,
) -> Result<(), CoreError> {
    let is_news = turn.tx.remove_envelope(message_id, device_id)?;
    if is_news && turn.tx.envelope_count(message_id)? == 0 {
        turn.tx.dequeue(message_id)?;
    }
    advance_sent(turn, message_id, state)
}

/// Fresh keys have come: what is to be sealed again for devices without any is given up. A message that no device has, and
/// none is to get, is sealed for whichever devices there are.
pub(super) fn give_up_devices(turn: &mut Turn<'_, '_>, recipient_id: AccountId) -> Result<(), CoreError> {
    let account = turn.account()?;
    let mut position = 0;
    while let Some(entry) = turn.tx.outbox_after(recipient_id, position)? {
        position = entry.position;
        while let Some((device_id, sealed)) = turn.tx.first_envelope(entry.message_id)? {
            let peer = Peer { account_id: recipient_id, device_id };
            if !sealed.is_empty() || session::is_usable(turn.tx, peer, turn.now)? {
                break;
            }
            turn.tx.remove_envelope(entry.message_id, device_id)?;
        }
        let message = turn.tx.message(account.account_id, entry.message_id)?;
        let any_has_it = message.is_some_and(|message| message.state > MessageState::Queued);
        if any_has_it && turn.tx.envelope_count(entry.message_id)? == 0 {
            turn.tx.dequeue(entry.message_id)?;
        }
    }
    Ok(())
}

/// Fails everything that is in the outbox for a recipient.
pub(super) fn fail_messages_to(turn: &mut Turn<'_, '_>, recipient_id: AccountId) -> Result<(), CoreError> {
    while let Some(entry) = turn.tx.outbox_after(recipient_id, 0)? {
        fail_message(turn, entry.message_id)?;
    }
    Ok(())
}

/// Takes a message out of the outbox that will never be sent.
fn fail_message(turn: &mut Turn<'_, '_>, message_id: MessageId) -> Result<(), CoreError> {
    turn.tx.dequeue(message_id)?;
    turn.tx.set_sent_failed(message_id)?;
    advance_sent(turn, message_id, MessageState::Failed)
}

/// Seals a message for every device with which there is a session; false if there is none.
fn seal_message(turn: &mut Turn<'_, '_>, entry: &OutboxEntry) -> Result<bool, CoreError> {
    let mut is_sealed = false;
    for device_id in turn.tx.session_devices(entry.recipient_id)? {
        if let Some(sealed) = seal_for(turn, entry, device_id)? {
            turn.tx.add_envelope(entry.message_id, device_id, &sealed)?;
            is_sealed = true;
        }
    }
    Ok(is_sealed)
}

/// Seals a message for a device that the server did not know before; false if there is no session with it.
fn seal_again(turn: &mut Turn<'_, '_>, entry: &OutboxEntry, device_id: DeviceId) -> Result<bool, CoreError> {
    let Some(sealed) = seal_for(turn, entry, device_id)? else { return Ok(false) };
    turn.tx.replace_envelope(entry.message_id, device_id, &sealed)?;
    Ok(true)
}

fn seal_for(
    turn: &mut Turn<'_, '_>,
    entry: &OutboxEntry,
    device_id: DeviceId,
) -> Result<Option<Vec<u8>>, CoreError> {
    let account = turn.account()?;
    let content = content_of(turn, entry)?;
    let peer = Peer { account_id: entry.recipient_id, device_id };
    session::seal(turn.tx, &Party::new(&account)?, peer, content.expose(), turn.now, turn.rng)
}

/// What is sealed: word for word what was stored when it was written.
fn content_of(turn: &mut Turn<'_, '_>, entry: &OutboxEntry) -> Result<Secret<Vec<u8>>, CoreError> {
    match turn.tx.sent_content(entry.message_id)? {
        Some(sent) => sent.content.ok_or(CoreError::Internal("an outbox entry whose content was erased")),
        None => adopt(turn, entry),
    }
}
