//! Contents of others in the order in which they were written: each names the one before it.
//!
//! A content whose predecessor has not come is held, the sender is asked for what is missing (`healing`), and as soon as the gap
//! closes everything behind it is applied. If it does not close in time, what is held is applied all the same, with a mark; what
//! comes later is put into its place.
//!
//! Invariants: a held content is stored before it is acknowledged; nothing is held for ever; a content is applied once, under
//! whichever id it comes; questions and answers about missing contents are never held, or two gaps could wait for each other.

use tacite_model::limits::HELD_MESSAGES_MAX;
use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Secret, Timestamp};
use tacite_seal::{Body, Content, ReceiptKey};
use tacite_vault::{Contact, Gap, Held};

use super::Turn;
use super::conversation::{Applied, apply};
use crate::{CoreError, Problem};

/// How long a gap may close by itself before the sender is asked, milliseconds.
const ASK_AFTER_MS: u64 = 5000;
/// How long what is held waits from when the sender could first be asked, milliseconds.
pub(super) const MARK_AFTER_MS: u64 = 60_000;
/// How much of that must be left for an answer when the question leaves, milliseconds.
const ANSWER_MS_MIN: u64 = 25_000;
/// How long what is held waits at most while the question for it does not leave this device, milliseconds.
const UNASKED_MS_MAX: u64 = 10 * 60_000;
/// Gaps of one sender that are remembered after they were marked.
const MARKED_GAPS_MAX: usize = 64;

/// A content that was opened.
pub(super) struct Arrived {
    pub(super) device_id: DeviceId,
    pub(super) content: Content,
    /// Padded, as it was opened.
    pub(super) bytes: Secret<Vec<u8>>,
}

/// Where a content belongs.
enum Place {
    /// Behind everything that came before.
    Behind,
    /// Where something was missing.
    Late(i64),
    /// Nowhere yet: this one must come before it.
    Hold { previous_id: MessageId },
}

/// Takes in a content whose carried id was noted as seen just now.
pub(super) fn take(
    turn: &mut Turn<'_, '_>,
    contact: &Contact,
    arrived: Arrived,
) -> Result<Applied, CoreError> {
    let Arrived { device_id, mut content, bytes } = arrived;
    let carried_id = content.message_id;
    let name = MessageName { author_id: contact.account_id, message_id: content.known_id() };
    let placeholder = turn.tx.take_placeholder(name)?;
    if content.original_id.take().is_some() {
        if placeholder.is_none() && turn.tx.is_seen(name.author_id, name.message_id)? {
            close_behind(turn, name, content.previous_id)?;
            return Ok(Applied::Silent);
        }
        turn.tx.mark_seen(name.author_id, name.message_id)?;
        content.message_id = name.message_id;
    }
    turn.tx.remove_unreadable(name)?;
    let place = match placeholder {
        Some(place) => Place::Late(place),
        None => place_of(turn, name, device_id, &content)?,
    };
    if let Place::Hold { previous_id } = place {
        let is_text = matches!(content.body, Body::Text(_));
        let sent_at = content.sent_at;
        let held = Held { name, device_id, carried_id, previous_id, content: bytes, sent_at };
        hold(turn, contact, &held)?;
        return Ok(if is_text { Applied::Shown } else { Applied::Silent });
    }
    let after_id = turn.tx.predecessor(name)?;
    let missing_id = match content.previous_id.filter(|_| placeholder.is_some()) {
        Some(previous_id) if !turn.tx.is_seen(name.author_id, previous_id)? => Some(previous_id),
        _ => None,
    };
    let applied = put(turn, contact, device_id, content, &place)?;
    if let Some(missing_id) = missing_id {
        find_gap(turn, name, device_id, (after_id, missing_id))?;
    }
    release_behind(turn, contact, name)?;
    Ok(applied)
}

/// As long as a content could not be opened nobody knew which one it names, and what came behind it did not wait. If that never
/// came, it is asked for now: what was told after `after_id`, up to and with `missing_id`.
fn find_gap(
    turn: &mut Turn<'_, '_>,
    name: MessageName,
    device_id: DeviceId,
    (after_id, missing_id): (Option<MessageId>, MessageId),
) -> Result<(), CoreError> {
    let is_known = |gap: &Gap| gap.before_id == name.message_id || gap.missing_id == missing_id;
    if turn.tx.gaps_of(name.author_id)?.iter().any(is_known) {
        return Ok(());
    }
    turn.tx.save_gap(&Gap {
        sender_id: name.author_id,
        device_id,
        after_id,
        missing_id,
        before_id: name.message_id,
        marked_id: name.message_id,
        waiting: false,
        asks: 0,
        ask_at: turn.now.plus_ms(ASK_AFTER_MS),
        mark_at: None,
        found_at: turn.now,
    })?;
    turn.tx.set_gap_before(name, true)?;
    turn.tell_changed(name)?;
    forget_old_gaps(turn, name.author_id)
}

/// What ends a gap was deleted before it came: now it says what was told before it.
fn close_behind(
    turn: &mut Turn<'_, '_>,
    name: MessageName,
    previous_id: Option<MessageId>,
) -> Result<(), CoreError> {
    if !turn.tx.gaps_of(name.author_id)?.iter().any(|gap| !gap.waiting && gap.missing_id == name.message_id) {
        return Ok(());
    }
    turn.tx.note_applied(name, previous_id)?;
    narrow_gaps(turn, name)
}

/// The receipt key of a text that came under this id and is held.
pub(super) fn key_of_held(
    turn: &Turn<'_, '_>,
    carried: MessageName,
) -> Result<Option<ReceiptKey>, CoreError> {
    let Some(held) = turn.tx.held_that_came_as(carried)? else { return Ok(None) };
    let content = reopen(&held)?;
    Ok(matches!(content.body, Body::Text(_)).then_some(content.receipt_key))
}

/// A content is not to be waited for any more: it was given up, or stands as one that cannot be read.
pub(super) fn wait_no_longer(turn: &mut Turn<'_, '_>, name: MessageName) -> Result<(), CoreError> {
    let Some(contact) = turn.tx.contact(name.author_id)? else { return Ok(()) };
    turn.tx.mark_seen(name.author_id, name.message_id)?;
    turn.tx.note_applied(name, None)?;
    narrow_gaps(turn, name)?;
    release_behind(turn, &contact, name)
}

/// A line stands for a content that could not be opened. Which one that names is not known; what was there when it came is
/// kept in its place, to find what is missing between once it can be read.
pub(super) fn stand_in(
    turn: &mut Turn<'_, '_>,
    name: MessageName,
    device_id: DeviceId,
) -> Result<(), CoreError> {
    wait_no_longer(turn, name)?;
    let head = turn.tx.head(name.author_id, device_id)?;
    turn.tx.note_applied(name, head)?;
    Ok(())
}

/// A content was deleted. If it has not been applied, it never is: neither what is held of it nor what comes later.
pub(super) fn never_apply(turn: &mut Turn<'_, '_>, name: MessageName) -> Result<(), CoreError> {
    if is_applied(turn, name)? {
        return Ok(());
    }
    turn.tx.release(name)?;
    turn.tx.close_gap(name)?;
    turn.tx.forget_early(name)?;
    wait_no_longer(turn, name)
}

/// Applies what has waited too long.
pub(super) fn end_waiting(turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
    let now = turn.now;
    let is_due = |gap: &Gap| gap.waiting && gap.mark_at.is_some_and(|at| at <= now);
    let is_soon = |gap: &Gap| gap.waiting && gap.mark_at.is_some_and(|at| at.ms_since(now) < ANSWER_MS_MIN);
    for gap in turn.tx.gaps()?.into_iter().filter(is_soon) {
        // The link may be dead without anybody knowing. When the question has gone, there must be time for an answer.
        if now < gap.found_at.plus_ms(UNASKED_MS_MAX) && turn.tx.is_urgent_waiting(gap.sender_id)? {
            turn.tx.save_gap(&Gap { mark_at: Some(now.plus_ms(MARK_AFTER_MS)), ..gap })?;
        }
    }
    while let Some(gap) = turn.tx.gaps()?.into_iter().find(is_due) {
        mark(turn, &gap)?;
    }
    Ok(())
}

/// When something has waited too long.
pub(super) fn next_end_at(gaps: &[Gap]) -> Option<Timestamp> {
    gaps.iter().filter(|gap| gap.waiting).filter_map(|gap| gap.mark_at).min()
}

/// Applies what is held behind a gap, with a mark; and first what was written earlier behind other gaps of that device.
pub(super) fn mark(turn: &mut Turn<'_, '_>, gap: &Gap) -> Result<(), CoreError> {
    let root_of = |turn: &Turn<'_, '_>, gap: &Gap| {
        turn.tx.held(MessageName { author_id: gap.sender_id, message_id: gap.before_id })
    };
    let latest = root_of(turn, gap)?.map(|held| held.sent_at);
    let mut roots = Vec::new();
    for other in turn.tx.gaps_of(gap.sender_id)? {
        if !other.waiting || other.device_id != gap.device_id {
            continue;
        }
        let Some(held) = root_of(turn, &other)? else {
            turn.tx.close_gap(MessageName { author_id: other.sender_id, message_id: other.before_id })?;
            continue;
        };
        if other.before_id == gap.before_id || latest.is_none_or(|latest| held.sent_at <= latest) {
            roots.push((held.sent_at, other.before_id));
        }
    }
    roots.sort_by_key(|(sent_at, _)| *sent_at);
    let Some(contact) = turn.tx.contact(gap.sender_id)? else { return Ok(()) };
    turn.notice(Problem::messages_missing(&contact.handle));
    for (_, before_id) in roots {
        mark_one(turn, &contact, MessageName { author_id: gap.sender_id, message_id: before_id })?;
    }
    forget_old_gaps(turn, gap.sender_id)
}

fn mark_one(turn: &mut Turn<'_, '_>, contact: &Contact, root: MessageName) -> Result<(), CoreError> {
    // What was applied for an earlier gap may have closed this one.
    let gaps = turn.tx.gaps_of(root.author_id)?;
    let Some(gap) = gaps.into_iter().find(|gap| gap.waiting && gap.before_id == root.message_id) else {
        return Ok(());
    };
    let Some(held) = turn.tx.held(root)? else { return turn.tx.close_gap(root).map_err(Into::into) };
    let after_id = turn.tx.head(root.author_id, gap.device_id)?;
    turn.tx.save_gap(&Gap { waiting: false, after_id, ..gap })?;
    let content = reopen(&held)?;
    turn.tx.release(root)?;
    put(turn, contact, gap.device_id, content, &Place::Behind)?;
    turn.tx.set_gap_before(root, true)?;
    turn.tell_changed(root)?;
    release_behind(turn, contact, root)
}

fn place_of(
    turn: &Turn<'_, '_>,
    name: MessageName,
    device_id: DeviceId,
    content: &Content,
) -> Result<Place, CoreError> {
    let is_about_gaps = matches!(content.body, Body::ResendRequest(_) | Body::Gone(_));
    if is_about_gaps {
        return Ok(Place::Behind);
    }
    let marked = turn.tx.gaps_of(name.author_id)?.into_iter();
    let mut marked = marked.filter(|gap| !gap.waiting && gap.device_id == device_id);
    if let Some(previous_id) = content.previous_id
        && is_applied(turn, MessageName { message_id: previous_id, ..name })?
    {
        if !marked.any(|gap| gap.after_id == Some(previous_id)) {
            return Ok(Place::Behind);
        }
        let place = turn.tx.place_of(MessageName { message_id: previous_id, ..name })?;
        return Ok(place.map_or(Place::Behind, |place| Place::Late(place.saturating_add(1))));
    }
    if let Some(gap) = marked.find(|gap| gap.missing_id == name.message_id)
        && let Some(place) = turn.tx.place_of(MessageName { message_id: gap.before_id, ..name })?
    {
        // 0 would be no place.
        return Ok(Place::Late(place.saturating_sub(1).max(1)));
    }
    // The very first one has nothing to wait for.
    Ok(content.previous_id.map_or(Place::Behind, |previous_id| Place::Hold { previous_id }))
}

/// Whether a content has come and waits for nothing.
pub(super) fn is_applied(turn: &Turn<'_, '_>, name: MessageName) -> Result<bool, CoreError> {
    Ok(turn.tx.is_seen(name.author_id, name.message_id)? && turn.tx.held(name)?.is_none())
}

/// Applies a content where it belongs.
fn put(
    turn: &mut Turn<'_, '_>,
    contact: &Contact,
    device_id: DeviceId,
    content: Content,
    place: &Place,
) -> Result<Applied, CoreError> {
    let name = MessageName { author_id: contact.account_id, message_id: content.message_id };
    let previous_id = content.previous_id;
    let is_about_gaps = matches!(content.body, Body::ResendRequest(_) | Body::Gone(_));
    let applied = apply(turn, contact, content)?;
    if let Place::Late(place) = place {
        turn.tx.put_late(name, previous_id, *place)?;
        turn.tell_changed(name)?;
    } else {
        turn.tx.note_applied(name, previous_id)?;
        // What is never held says nothing about what came before it.
        if !is_about_gaps {
            turn.tx.set_head(name.author_id, device_id, name.message_id)?;
        }
    }
    narrow_gaps(turn, name)?;
    Ok(applied)
}

/// A content that was missing is here: the gap in which it was gets smaller, or closes.
fn narrow_gaps(turn: &mut Turn<'_, '_>, name: MessageName) -> Result<(), CoreError> {
    for gap in turn.tx.gaps_of(name.author_id)?.into_iter().filter(|gap| !gap.waiting) {
        let before = MessageName { message_id: gap.before_id, ..name };
        let previous_id = turn.tx.predecessor(name)?;
        let marked = MessageName { message_id: gap.marked_id, ..name };
        let is_last = gap.missing_id == name.message_id;
        let reaches_back = match previous_id {
            Some(previous_id) => is_applied(turn, MessageName { message_id: previous_id, ..name })?,
            None => true,
        };
        if is_last && reaches_back {
            turn.tx.close_gap(before)?;
            turn.tx.set_gap_before(marked, false)?;
            turn.tell_changed(marked)?;
        } else if let (true, Some(missing_id)) = (is_last, previous_id) {
            turn.tx.close_gap(before)?;
            turn.tx.save_gap(&Gap { before_id: name.message_id, missing_id, ..gap })?;
        } else if previous_id.is_some() && previous_id == gap.after_id {
            turn.tx.save_gap(&Gap { after_id: Some(name.message_id), ..gap })?;
        }
    }
    Ok(())
}

/// Applies what was held for a content, and what was held for that, and so on.
fn release_behind(turn: &mut Turn<'_, '_>, contact: &Contact, name: MessageName) -> Result<(), CoreError> {
    let mut names = vec![name];
    while let Some(name) = names.pop() {
        while let Some(held) = turn.tx.held_behind(name)? {
            turn.tx.release(held.name)?;
            turn.tx.close_gap(held.name)?;
            let content = reopen(&held)?;
            let place = match place_of(turn, held.name, held.device_id, &content)? {
                Place::Hold { .. } => Place::Behind,
                place => place,
            };
            put(turn, contact, held.device_id, content, &place)?;
            names.push(held.name);
        }
    }
    Ok(())
}

fn hold(turn: &mut Turn<'_, '_>, contact: &Contact, held: &Held) -> Result<(), CoreError> {
    let name = held.name;
    let previous = MessageName { message_id: held.previous_id, ..name };
    turn.tx.hold(held)?;
    let behind = turn.tx.held_behind(name)?;
    let closed = match behind {
        Some(behind) => {
            let gaps = turn.tx.gaps_of(name.author_id)?;
            turn.tx.close_gap(behind.name)?;
            gaps.into_iter().find(|gap| gap.waiting && gap.before_id == behind.name.message_id)
        }
        None => None,
    };
    if turn.tx.held(previous)?.is_none() {
        // A gap that has become smaller goes on waiting; it does not begin anew.
        let gap = closed.unwrap_or(Gap {
            sender_id: name.author_id,
            device_id: held.device_id,
            after_id: None,
            missing_id: held.previous_id,
            before_id: name.message_id,
            marked_id: name.message_id,
            waiting: true,
            asks: 0,
            ask_at: turn.now.plus_ms(ASK_AFTER_MS),
            mark_at: None,
            found_at: turn.now,
        });
        let (missing_id, before_id) = (held.previous_id, name.message_id);
        turn.tx.save_gap(&Gap { missing_id, before_id, marked_id: before_id, ..gap })?;
    }
    if turn.tx.held_count(contact.account_id)? > HELD_MESSAGES_MAX {
        let oldest = turn.tx.gaps_of(contact.account_id)?.into_iter().find(|gap| gap.waiting);
        if let Some(oldest) = oldest {
            mark(turn, &oldest)?;
        }
    }
    Ok(())
}

fn reopen(held: &Held) -> Result<Content, CoreError> {
    let mut content = Content::decode(held.content.expose(), held.carried_id)
        .map_err(|_| CoreError::Internal("a held content cannot be read"))?;
    content.message_id = held.name.message_id;
    content.original_id = None;
    Ok(content)
}

fn forget_old_gaps(turn: &Turn<'_, '_>, sender_id: AccountId) -> Result<(), CoreError> {
    let mut marked = turn.tx.gaps_of(sender_id)?;
    marked.retain(|gap| !gap.waiting);
    let too_many = marked.len().saturating_sub(MARKED_GAPS_MAX);
    for gap in &marked[..too_many] {
        turn.tx.close_gap(MessageName { author_id: sender_id, message_id: gap.before_id })?;
    }
    Ok(())
}
