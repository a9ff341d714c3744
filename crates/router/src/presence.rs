//! Who is to be seen online: a pure machine, and the only place that knows.
//!
//! Each link may say a mood. What is seen of an account is the highest of its links; what is seen of anybody is told to
//! links that have said a mood themselves, and to accepted contacts only. Who one's contacts are, the driver knows.
//!
//! Invariants: nothing is kept of a link that is gone; nobody is told what has not changed; a link that has said nothing
//! is told nothing.

use std::collections::BTreeMap;

use tacite_model::AccountId;
use tacite_wire::proto;

use crate::delivery::LinkId;

/// What may be seen, ascending: of several links the highest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mood {
    /// Not there, or not to be seen.
    Offline,
    /// There, not to be disturbed.
    Busy,
    /// There.
    Online,
}

impl From<Mood> for proto::Presence {
    fn from(mood: Mood) -> Self {
        match mood {
            Mood::Offline => Self::Offline,
            Mood::Busy => Self::Busy,
            Mood::Online => Self::Online,
        }
    }
}

/// What a link is to be told of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tell {
    /// Which link.
    pub link: LinkId,
    /// Of whom.
    pub account_id: AccountId,
    /// What.
    pub mood: Mood,
}

/// The machine; see the module.
#[derive(Debug, Default)]
pub struct Presence {
    links: BTreeMap<LinkId, AccountId>,
    accounts: BTreeMap<AccountId, Account>,
}

#[derive(Debug, Default)]
struct Account {
    /// The links that have said a mood. Not empty.
    moods: BTreeMap<LinkId, Mood>,
}

impl Presence {
    /// The driver's first word about a link, or its next: `account` says a mood over it. True if others now see another mood
    /// of the account: then [`Presence::tell`] is due.
    pub fn say(&mut self, account_id: AccountId, link: LinkId, mood: Mood) -> bool {
        let before = self.mood_of(account_id);
        self.links.insert(link, account_id);
        self.accounts.entry(account_id).or_default().moods.insert(link, mood);
        self.mood_of(account_id) != before
    }

    /// A link is gone; returns whose, if others now see another mood of the account.
    pub fn leave(&mut self, link: LinkId) -> Option<AccountId> {
        let account_id = self.links.remove(&link)?;
        let before = self.mood_of(account_id);
        if let Some(account) = self.accounts.get_mut(&account_id) {
            account.moods.remove(&link);
            if account.moods.is_empty() {
                self.accounts.remove(&account_id);
            }
        }
        (self.mood_of(account_id) != before).then_some(account_id)
    }

    /// What is seen of an account.
    #[must_use]
    pub fn mood_of(&self, account_id: AccountId) -> Mood {
        let moods = self.accounts.get(&account_id).and_then(|account| account.moods.values().max());
        moods.copied().unwrap_or(Mood::Offline)
    }

    /// Whether a link has said a mood.
    #[must_use]
    pub fn has_said(&self, link: LinkId) -> bool {
        self.links.contains_key(&link)
    }

    /// Tells the links of `contacts` what is seen of `account_id` now.
    #[must_use]
    pub fn tell(&self, account_id: AccountId, contacts: &[AccountId]) -> Vec<Tell> {
        let mood = self.mood_of(account_id);
        let links = contacts.iter().flat_map(|contact| self.links_of(*contact));
        links.map(|link| Tell { link, account_id, mood }).collect()
    }

    /// What a link is told after its first mood: who of `contacts` is there.
    #[must_use]
    pub fn roster(&self, contacts: &[AccountId]) -> Vec<(AccountId, Mood)> {
        let moods = contacts.iter().map(|contact| (*contact, self.mood_of(*contact)));
        moods.filter(|(_, mood)| *mood > Mood::Offline).collect()
    }

    /// The two have become contacts, or with `are_contacts` false are none any more: each is told what it may see now of
    /// the other.
    #[must_use]
    pub fn meet(&self, one: AccountId, other: AccountId, are_contacts: bool) -> Vec<Tell> {
        let mut told = Vec::new();
        for (seen, by) in [(one, other), (other, one)] {
            let mood = self.mood_of(seen);
            if mood > Mood::Offline {
                let mood = if are_contacts { mood } else { Mood::Offline };
                told.extend(self.links_of(by).map(|link| Tell { link, account_id: seen, mood }));
            }
        }
        told
    }

    fn links_of(&self, account_id: AccountId) -> impl Iterator<Item = LinkId> + '_ {
        self.accounts.get(&account_id).into_iter().flat_map(|account| account.moods.keys().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
    const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);
    const CAROL: AccountId = AccountId::from_bytes([0xCA; 16]);
    const ALICE_LINK: LinkId = LinkId(1);
    const ALICE_OTHER_LINK: LinkId = LinkId(2);
    const BOB_LINK: LinkId = LinkId(3);

    #[test]
    fn of_several_links_the_highest_mood_counts() {
        let mut presence = Presence::default();
        assert!(presence.say(ALICE, ALICE_LINK, Mood::Busy));
        assert!(presence.say(ALICE, ALICE_OTHER_LINK, Mood::Online));
        assert!(!presence.say(ALICE, ALICE_LINK, Mood::Offline), "nobody sees a difference");
        assert_eq!(presence.mood_of(ALICE), Mood::Online);
        assert_eq!(presence.leave(ALICE_OTHER_LINK), Some(ALICE));
        assert_eq!(presence.mood_of(ALICE), Mood::Offline);
        assert_eq!(presence.leave(ALICE_LINK), None, "she was not to be seen");
        assert!(presence.links.is_empty() && presence.accounts.is_empty());
    }

    #[test]
    fn contacts_who_have_said_a_mood_are_told() {
        let mut presence = Presence::default();
        presence.say(ALICE, ALICE_LINK, Mood::Online);
        assert_eq!(presence.tell(ALICE, &[BOB, CAROL]), []);
        presence.say(BOB, BOB_LINK, Mood::Offline);
        let told = Tell { link: BOB_LINK, account_id: ALICE, mood: Mood::Online };
        assert_eq!(presence.tell(ALICE, &[BOB, CAROL]), [told]);
        assert_eq!(presence.roster(&[ALICE, CAROL]), [(ALICE, Mood::Online)]);
        presence.leave(ALICE_LINK);
        assert_eq!(presence.tell(ALICE, &[BOB]), [Tell { mood: Mood::Offline, ..told }]);
        assert_eq!(presence.roster(&[ALICE, CAROL]), []);
    }

    #[test]
    fn who_becomes_or_is_no_contact_any_more_is_told_at_once() {
        let mut presence = Presence::default();
        presence.say(ALICE, ALICE_LINK, Mood::Online);
        presence.say(BOB, BOB_LINK, Mood::Offline);
        let told = Tell { link: BOB_LINK, account_id: ALICE, mood: Mood::Online };
        assert_eq!(presence.meet(ALICE, BOB, true), [told], "of bob nothing is to be seen");
        assert_eq!(presence.meet(ALICE, BOB, false), [Tell { mood: Mood::Offline, ..told }]);
    }

    #[test]
    fn a_link_that_said_nothing_leaves_nothing() {
        let mut presence = Presence::default();
        assert_eq!(presence.leave(ALICE_LINK), None);
        assert!(!presence.has_said(ALICE_LINK));
    }
}
