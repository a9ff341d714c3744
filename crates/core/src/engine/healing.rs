//! Asking for contents that could not be opened, or that are missing; and answering those who ask.
//!
//! What cannot be opened is asked for in a session that is made anew for that, so both devices go on with keys that both have.
//!
//! Invariants:
//! - Nothing is sent to anybody that was not told to that very account before; it goes under a new id and names the first one.
//! - An identity key never changes here: a new session begins with the known identity, or not at all.
//! - Both sides limit how often that may happen (T21): a server or a contact that makes messages unreadable costs a few sessions
//!   a minute, the person is told, and everything goes on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tacite_model::limits::{HELD_MESSAGES_MAX, RESEND_QUOTA, RESENDS_PER_REQUEST_MAX};
use tacite_model::rate::Meter;
use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Timestamp};
use tacite_seal::{Body, Content, Gone, ResendRequest};
use tacite_vault::{Contact, Gap, MessageState, SentContent, Standing, Unreadable};

use super::conversation::outgoing::{queue_about_missing, queue_urgent, random_key};
use super::order::{self, MARK_AFTER_MS, wait_no_longer};
use super::{Engine, Turn};
use crate::{CoreError, Problem};

/// Messages that cannot be opened often come in a row: they are asked for together, milliseconds.
const COLLECT_MS: u64 = 2000;
/// Pauses after the first, second and last time that a content is asked for, milliseconds.
const PAUSES_MS: [u64; 3] = [60_000, 10 * 60_000, 60 * 60_000];
/// The same for what is missing. The second question goes out while the first may be answered still: if it does not leave, the
/// link is dead.
const GAP_PAUSES_MS: [u64; 3] = [MARK_AFTER_MS / 2, 10 * 60_000, 60 * 60_000];

/// Questions of one contact that wait until they may be answered.
const QUESTIONS_MAX: usize = 16;

/// Who may ask, and who may be asked, how soon again.
#[derive(Debug, Clone, Default)]
pub(crate) struct Healing {
    asked: BTreeMap<AccountId, Meter>,
    answered: BTreeMap<AccountId, Meter>,
    /// What somebody asked too soon after they were answered.
    unanswered: BTreeMap<AccountId, VecDeque<ResendRequest>>,
    /// Whose messages are asked for no faster, of which the person was told.
    limited: BTreeSet<AccountId>,
}

impl Healing {
    /// When somebody is answered next who has asked too much.
    fn next_answer_at(&self, asker_id: AccountId, now: Timestamp) -> Option<Timestamp> {
        let mut meter = self.answered.get(&asker_id).copied().unwrap_or_default();
        meter.admit(RESEND_QUOTA, now).err().map(|wait_ms| now.plus_ms(wait_ms.max(1)))
    }
}

impl Engine {
    /// Answers what had to wait, asks for what is missing, and ends the waiting for what does not come.
    pub(super) fn drive_healing(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        self.answer_those_waiting(turn)?;
        if self.link.is_online() {
            self.ask_for_gaps(turn)?;
            self.ask_for_unreadable(turn)?;
        }
        order::end_waiting(turn)
    }

    /// When something of this is to be done.
    pub(super) fn next_healing_at(&self, turn: &Turn<'_, '_>) -> Result<Option<Timestamp>, CoreError> {
        let gaps = turn.tx.gaps()?;
        let mut times = vec![order::next_end_at(&gaps)];
        times.extend(
            self.healing.unanswered.keys().map(|asker_id| self.healing.next_answer_at(*asker_id, turn.now)),
        );
        if self.link.is_online() {
            let unplanned = gaps.iter().filter(|gap| gap.waiting && gap.mark_at.is_none());
            times.push(unplanned.map(|gap| gap.ask_at).min());
            times.push(to_ask(gaps).iter().map(|gap| gap.ask_at).min());
            times.push(turn.tx.next_unreadable_at()?);
        }
        Ok(times.into_iter().flatten().min())
    }

    /// A contact asks for contents of ours again.
    pub(super) fn answer_request(
        &mut self,
        turn: &mut Turn<'_, '_>,
        contact: &Contact,
        request: &ResendRequest,
    ) -> Result<(), CoreError> {
        if contact.standing != Standing::Accepted {
            return Ok(());
        }
        let meter = self.healing.answered.entry(contact.account_id).or_default();
        if meter.admit(RESEND_QUOTA, turn.now).is_ok() {
            return answer(turn, contact, request);
        }
        // Who asks does so a few times only. What slow networks bring at once was not asked at once.
        let unanswered = self.healing.unanswered.entry(contact.account_id).or_default();
        if unanswered.len() < QUESTIONS_MAX && !unanswered.contains(request) {
            unanswered.push_back(request.clone());
        }
        Ok(())
    }

    fn answer_those_waiting(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let Healing { answered, unanswered, .. } = &mut self.healing;
        for (asker_id, requests) in unanswered.iter_mut() {
            let meter = answered.entry(*asker_id).or_default();
            while !requests.is_empty() && meter.admit(RESEND_QUOTA, turn.now).is_ok() {
                let contact = turn.tx.contact(*asker_id)?;
                let contact = contact.filter(|it| it.standing == Standing::Accepted && !it.blocked);
                if let (Some(request), Some(contact)) = (requests.pop_front(), contact) {
                    answer(turn, &contact, &request)?;
                }
            }
        }
        unanswered.retain(|_, requests| !requests.is_empty());
        Ok(())
    }

    fn ask_for_gaps(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let gaps = turn.tx.gaps()?;
        for gap in &gaps {
            if gap.waiting && gap.mark_at.is_none() && gap.ask_at <= turn.now {
                let mark_at = Some(turn.now.plus_ms(MARK_AFTER_MS));
                turn.tx.save_gap(&Gap { mark_at, ..*gap })?;
            }
        }
        for mut gap in to_ask(turn.tx.gaps()?) {
            if gap.ask_at > turn.now {
                continue;
            }
            if let Some(wait_ms) = self.may_ask(turn, gap.sender_id)? {
                gap.ask_at = turn.now.plus_ms(wait_ms);
            } else {
                let head = turn.tx.head(gap.sender_id, gap.device_id)?;
                let after_id = if gap.waiting { head } else { gap.after_id };
                let before_id = Some(gap.before_id);
                let request = ResendRequest { message_ids: Vec::new(), after_id, before_id };
                ask(turn, gap.sender_id, request)?;
                if gap.waiting && gap.asks == 0 {
                    gap.mark_at = Some(turn.now.plus_ms(MARK_AFTER_MS));
                }
                gap.ask_at = turn.now.plus_ms(GAP_PAUSES_MS[gap.asks as usize]);
                gap.asks += 1;
            }
            turn.tx.save_gap(&gap)?;
        }
        Ok(())
    }

    fn ask_for_unreadable(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let mut due = turn.tx.unreadable_due(turn.now, RESENDS_PER_REQUEST_MAX)?;
        while let Some(sender_id) = due.first().map(|first| first.name.author_id) {
            let (of_one, rest): (Vec<_>, Vec<_>) =
                due.into_iter().partition(|unreadable| unreadable.name.author_id == sender_id);
            due = rest;
            let (given_up, of_one): (Vec<_>, Vec<_>) =
                of_one.into_iter().partition(|unreadable| unreadable.asks as usize >= PAUSES_MS.len());
            for unreadable in given_up {
                turn.tx.remove_unreadable(unreadable.name)?;
            }
            if of_one.is_empty() {
                continue;
            }
            match self.may_ask(turn, sender_id)? {
                Some(wait_ms) => {
                    let ask_at = turn.now.plus_ms(wait_ms);
                    for unreadable in of_one {
                        turn.tx.save_unreadable(&Unreadable { ask_at, ..unreadable })?;
                    }
                }
                None => ask_anew(turn, sender_id, &of_one)?,
            }
        }
        Ok(())
    }

    /// Milliseconds until somebody may be asked again; `None`: now, and that is counted.
    fn may_ask(&mut self, turn: &mut Turn<'_, '_>, sender_id: AccountId) -> Result<Option<u64>, CoreError> {
        let meter = self.healing.asked.entry(sender_id).or_default();
        let Err(wait_ms) = meter.admit(RESEND_QUOTA, turn.now) else {
            self.healing.limited.remove(&sender_id);
            return Ok(None);
        };
        if self.healing.limited.insert(sender_id)
            && let Some(contact) = turn.tx.contact(sender_id)?
        {
            turn.notice(Problem::asked_too_often(&contact.handle));
        }
        Ok(Some(wait_ms.max(1)))
    }
}

/// Sends what somebody has asked for.
fn answer(turn: &mut Turn<'_, '_>, contact: &Contact, request: &ResendRequest) -> Result<(), CoreError> {
    let mut gone = Gone { message_ids: Vec::new(), before_id: None };
    for message_id in &request.message_ids {
        let sent = match turn.tx.sent_content(*message_id)? {
            None => turn.tx.withdrawn_content(*message_id)?,
            sent => sent,
        };
        match sent.filter(|sent| sent.recipient_id == contact.account_id) {
            Some(sent) => send_once_more(turn, &sent, &mut gone)?,
            None => gone.message_ids.push(*message_id),
        }
    }
    if request.message_ids.is_empty() || request.before_id.is_some() {
        answer_gap(turn, contact.account_id, request, &mut gone)?;
    }
    if !gone.message_ids.is_empty() || gone.before_id.is_some() {
        gone.message_ids.truncate(RESENDS_PER_REQUEST_MAX);
        queue_about_missing(turn, contact.account_id, Body::Gone(gone))?;
    }
    Ok(())
}

/// The gaps about which to ask, at their time. As long as something waits behind one gap of a device, the others are left: what
/// closes the first may close them too.
fn to_ask(gaps: Vec<Gap>) -> Vec<Gap> {
    let mut waiting = BTreeSet::new();
    let mut is_one = |gap: &Gap| {
        (!gap.waiting || waiting.insert((gap.sender_id, gap.device_id)))
            && (gap.asks as usize) < GAP_PAUSES_MS.len()
    };
    gaps.into_iter().filter(|gap| is_one(gap)).collect()
}

/// A message from a device could not be opened: it is asked for soon, unless too many are already.
pub(super) fn note_unreadable(
    turn: &mut Turn<'_, '_>,
    name: MessageName,
    device_id: DeviceId,
) -> Result<(), CoreError> {
    if turn.tx.unreadable_count(name.author_id)? < HELD_MESSAGES_MAX {
        let ask_at = turn.now.plus_ms(COLLECT_MS);
        turn.tx.save_unreadable(&Unreadable { name, device_id, asks: 0, ask_at })?;
    }
    Ok(())
}

/// A contact says what is not there any more.
pub(super) fn heed_gone(turn: &mut Turn<'_, '_>, contact: &Contact, gone: &Gone) -> Result<(), CoreError> {
    for message_id in &gone.message_ids {
        let name = MessageName { author_id: contact.account_id, message_id: *message_id };
        turn.tx.remove_unreadable(name)?;
        turn.tx.forget_early(name)?;
        if !turn.tx.is_seen(name.author_id, name.message_id)? {
            wait_no_longer(turn, name)?;
        }
    }
    let Some(before_id) = gone.before_id else { return Ok(()) };
    let gaps = turn.tx.gaps_of(contact.account_id)?;
    let Some(mut gap) = gaps.into_iter().find(|gap| gap.before_id == before_id) else { return Ok(()) };
    // Nobody has it: asking again is of no use.
    gap.asks = u32::try_from(GAP_PAUSES_MS.len()).unwrap_or(u32::MAX);
    turn.tx.save_gap(&gap)?;
    if gap.waiting { order::mark(turn, &gap) } else { Ok(()) }
}

/// An older copy of the vault asks everybody for what it may have missed.
pub(super) fn ask_everybody(turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
    for contact in turn.tx.contacts()? {
        ask_for_all(turn, &contact)?;
    }
    Ok(())
}

/// Asks somebody, if a contact, for all that came after what is here.
pub(super) fn ask_for_all(turn: &mut Turn<'_, '_>, contact: &Contact) -> Result<(), CoreError> {
    let after_id = turn.tx.head(contact.account_id, DeviceId::FIRST)?;
    ask(turn, contact.account_id, ResendRequest { message_ids: Vec::new(), after_id, before_id: None })
}

/// Asks in a fresh session for what could not be opened in the present one.
fn ask_anew(
    turn: &mut Turn<'_, '_>,
    sender_id: AccountId,
    unreadable: &[Unreadable],
) -> Result<(), CoreError> {
    let mut message_ids = Vec::new();
    for one in unreadable {
        turn.tx.freeze_session(sender_id, one.device_id)?;
        message_ids.push(one.name.message_id);
        let ask_at = turn.now.plus_ms(PAUSES_MS[one.asks as usize]);
        turn.tx.save_unreadable(&Unreadable { asks: one.asks + 1, ask_at, ..*one })?;
    }
    ask(turn, sender_id, ResendRequest { message_ids, after_id: None, before_id: None })
}

fn ask(turn: &mut Turn<'_, '_>, sender_id: AccountId, request: ResendRequest) -> Result<(), CoreError> {
    let contact = turn.tx.contact(sender_id)?;
    if contact.is_some_and(|contact| contact.standing == Standing::Accepted && !contact.blocked) {
        queue_about_missing(turn, sender_id, Body::ResendRequest(request))?;
    }
    Ok(())
}

/// Sends what was told between two contents, and says if that is not all.
fn answer_gap(
    turn: &mut Turn<'_, '_>,
    recipient_id: AccountId,
    request: &ResendRequest,
    gone: &mut Gone,
) -> Result<(), CoreError> {
    let told = |turn: &Turn<'_, '_>, id: Option<MessageId>| {
        let sent = id.map(|id| turn.tx.sent_content(id)).transpose()?.flatten();
        Ok::<_, CoreError>(sent.filter(|sent| sent.recipient_id == recipient_id))
    };
    let before = told(turn, request.before_id)?;
    if request.before_id.is_some() && before.is_none() {
        gone.before_id = request.before_id;
        return Ok(());
    }
    let end = before.as_ref().map_or(i64::MAX, |before| before.position);
    let start = told(turn, request.after_id)?.map_or(0, |after| after.position);
    let start = if start < end { start } else { 0 };
    let mut sent = told_between(turn, recipient_id, start, end)?;
    let is_all = sent.len() <= RESENDS_PER_REQUEST_MAX;
    sent.truncate(RESENDS_PER_REQUEST_MAX);
    let mut last_id = request.after_id;
    let mut is_whole = true;
    for content in &sent {
        is_whole &= content.previous_id == last_id || request.after_id.is_none();
        last_id = Some(content.message_id);
        send_once_more(turn, content, gone)?;
    }
    let Some(before) = before.filter(|_| is_all) else { return Ok(()) };
    if let Some(previous_id) = before.previous_id
        && before.previous_id != last_id
    {
        if is_given_up(turn, previous_id)? {
            gone.message_ids.push(previous_id);
        } else {
            is_whole = false;
        }
    }
    if !is_whole {
        gone.before_id = request.before_id;
    }
    Ok(())
}

/// What stands in the chain between two positions; not more than one above what is sent again at once.
fn told_between(
    turn: &Turn<'_, '_>,
    recipient_id: AccountId,
    start: i64,
    end: i64,
) -> Result<Vec<SentContent>, CoreError> {
    let limit = RESENDS_PER_REQUEST_MAX + 1;
    let (mut told, mut position) = (Vec::new(), start);
    while told.len() < limit {
        let page = turn.tx.sent_contents_between(recipient_id, position, end, limit)?;
        let Some(last) = page.last() else { break };
        position = last.position;
        for sent in page {
            if is_in_chain(&sent)? {
                told.push(sent);
            }
        }
    }
    told.truncate(limit);
    Ok(told)
}

/// Whether a content has a place of its own in the chain: what was asked for again has none, nor has what is about missing contents
/// (earlier releases gave it one).
fn is_in_chain(sent: &SentContent) -> Result<bool, CoreError> {
    let Some(content) = read(sent)? else { return Ok(true) };
    let is_about_missing = matches!(content.body, Body::ResendRequest(_) | Body::Gone(_));
    Ok(content.original_id.is_none() && (!is_about_missing || content.previous_id.is_some()))
}

/// Whether a message of ours never came to anybody, or was deleted for all.
fn is_given_up(turn: &Turn<'_, '_>, message_id: MessageId) -> Result<bool, CoreError> {
    let message = turn.tx.message(turn.account()?.account_id, message_id)?;
    let is_given_up = message.is_some_and(|message| message.deleted || message.state == MessageState::Failed);
    Ok(is_given_up || turn.tx.is_sent_failed(message_id)?)
}

/// Puts a content into the outbox once more, under a new id. Of a question or an answer about missing contents only this goes,
/// in its place: that it is gone. There is nothing to show there, so nothing unreadable stays; who needs an answer asks again.
fn send_once_more(turn: &mut Turn<'_, '_>, sent: &SentContent, gone: &mut Gone) -> Result<(), CoreError> {
    if turn.tx.is_sent_failed(sent.message_id)? {
        gone.message_ids.push(sent.message_id);
        return Ok(());
    }
    let Some(content) = read(sent)? else {
        // Deleted for all, disappeared, or done with such a message: nothing is to be shown under that name.
        let erased = erased(turn, sent);
        return queue_gone(turn, sent, &erased, sent.message_id);
    };
    let original_id = content.known_id();
    if original_id != sent.message_id {
        // Sent once more already, and could not be read: nothing is shown under that name either.
        queue_gone(turn, sent, &content, sent.message_id)?;
    }
    if matches!(content.body, Body::ResendRequest(_) | Body::Gone(_)) {
        return queue_gone(turn, sent, &content, original_id);
    }
    let message_id = MessageId::random(turn.rng);
    let content = Content { message_id, original_id: Some(original_id), ..content };
    queue_urgent(turn, sent.recipient_id, &content)
}

/// Says that there is nothing under a name, in its place.
fn queue_gone(
    turn: &mut Turn<'_, '_>,
    sent: &SentContent,
    content: &Content,
    name: MessageId,
) -> Result<(), CoreError> {
    let body = Body::Gone(Gone { message_ids: vec![name], before_id: None });
    let message_id = MessageId::random(turn.rng);
    let previous_id = content.previous_id.filter(|_| name == content.known_id());
    let content = Content { message_id, original_id: Some(name), previous_id, body, ..content.clone() };
    queue_urgent(turn, sent.recipient_id, &content)
}

/// What stands in the place of a content that was erased.
fn erased(turn: &mut Turn<'_, '_>, sent: &SentContent) -> Content {
    Content {
        message_id: sent.message_id,
        sent_at: sent.sent_at,
        previous_id: sent.previous_id,
        body: Body::Gone(Gone { message_ids: Vec::new(), before_id: None }),
        receipt_key: random_key(turn.rng),
        expiry: None,
        original_id: None,
    }
}

/// A content of ours; `None`: it was erased.
fn read(sent: &SentContent) -> Result<Option<Content>, CoreError> {
    let Some(content) = &sent.content else { return Ok(None) };
    Content::decode(content.expose(), sent.message_id)
        .map(Some)
        .map_err(|_| CoreError::Internal("a stored content cannot be read"))
}
