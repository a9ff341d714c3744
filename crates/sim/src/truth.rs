//! What really happened, kept apart from the system: who wrote what, what each view was told.
//!
//! Invariant: what is noted here comes from the outside of cores (what people type, what views are told), never from the
//! code that is checked.

use std::collections::{BTreeMap, BTreeSet};

use tacite_core::{Event, MessageState, Outcome, RequestId};
use tacite_model::MessageId;

use crate::dice::Dice;

/// Most bytes of what a text is filled up with.
const FILLING_MAX: u64 = 3000;

/// See the module.
#[derive(Default)]
pub(crate) struct Truth {
    marker: String,
    typed: Vec<Typed>,
    requests: BTreeMap<(usize, u64), usize>,
    shown: BTreeSet<(usize, String, MessageId)>,
    states: BTreeMap<(usize, MessageId), MessageState>,
    /// Messages that were in a vault which has been replaced by an older copy.
    pub(crate) destroyed: BTreeSet<(usize, MessageId)>,
    restorations: usize,
    /// What views were told that belongs to no intent.
    pub(crate) notices: Vec<(usize, &'static str)>,
}

/// A text that somebody typed.
#[derive(Debug, Clone)]
pub(crate) struct Typed {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) text: String,
    /// Its id, once the person was told that it is accepted.
    pub(crate) accepted: Option<MessageId>,
}

impl Truth {
    /// Nothing has happened. Every text holds `marker`, so that it is found wherever it does not belong.
    pub(crate) fn new(marker: String) -> Self {
        Self { marker, ..Self::default() }
    }

    /// See [`Truth::new`].
    pub(crate) fn marker(&self) -> &[u8] {
        self.marker.as_bytes()
    }

    /// How many texts were typed.
    pub(crate) fn count(&self) -> usize {
        self.typed.len()
    }

    /// All texts that were typed.
    pub(crate) fn typed(&self) -> &[Typed] {
        &self.typed
    }

    /// A text that nobody has typed before; its number is its last word.
    pub(crate) fn compose(&mut self, from: usize, to: usize, request: RequestId, dice: &mut Dice) -> String {
        let number = self.typed.len();
        let text = self.compose_again(&number.to_string(), dice);
        self.requests.insert((from, request.0), number);
        self.typed.push(Typed { from, to, text: text.clone(), accepted: None });
        text
    }

    /// Another text under a number that was used before.
    pub(crate) fn compose_again(&self, number: &str, dice: &mut Dice) -> String {
        let filling = if dice.per_mille(50) { dice.below(FILLING_MAX) } else { dice.below(20) };
        let filling = "x".repeat(usize::try_from(filling).unwrap_or_default());
        format!("{} {filling} {number}", self.marker)
    }

    /// A view was told something; `Err`: it must not have been.
    pub(crate) fn told(&mut self, person: usize, event: Event) -> Result<(), String> {
        match event {
            Event::Done(request, Outcome::Queued { message_id }) => {
                if let Some(number) = self.requests.get(&(person, request.0)) {
                    self.typed[*number].accepted = Some(message_id);
                }
            }
            Event::MessageReceived(view) => {
                let is_news = self.shown.insert((person, view.peer.as_str().to_owned(), view.message_id));
                return is_news.then_some(()).ok_or(format!("message {} was shown twice", view.message_id));
            }
            Event::MessageChanged(view) => {
                let before = self.states.insert((person, view.message_id), view.state);
                if before.is_some_and(|before| before > view.state) {
                    return Err(format!("message {} stepped back to {:?}", view.message_id, view.state));
                }
            }
            Event::Notice(problem) => self.notices.push((person, problem.word)),
            _ => {}
        }
        Ok(())
    }

    /// Whether any vault was replaced by an older copy.
    pub(crate) const fn was_restored(&self) -> bool {
        self.restorations > 0
    }

    /// A person's vault was replaced by an older copy, which lacks these messages.
    pub(crate) fn restored(&mut self, person: usize, lacking: impl IntoIterator<Item = MessageId>) {
        self.restorations += 1;
        self.destroyed.extend(lacking.into_iter().map(|id| (person, id)));
        self.shown.retain(|(of, _, _)| *of != person);
        self.states.retain(|(of, _), _| *of != person);
    }
}
