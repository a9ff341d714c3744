//! Contacts of the server of the tests, and its record of changes.

use tacite_model::AccountId;
use tacite_wire::proto::{self, ContactState, Empty};
use tacite_wire::{Code, Frame, Opcode, Status};

use super::{LinkId, Server};

/// How one account stands to another, as the first sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ContactRow {
    pub(crate) state: ContactState,
    pub(crate) blocked: bool,
    pub(crate) updated_at: u64,
}

impl Server {
    pub(crate) fn are_contacts(&self, one: AccountId, other: AccountId) -> bool {
        let agrees = |row: &ContactRow| row.state == ContactState::Accepted && !row.blocked;
        [(one, other), (other, one)].iter().all(|key| self.contacts.get(key).is_some_and(agrees))
    }

    /// Sets how two accounts stand, for both.
    pub(crate) fn set_contact(
        &mut self,
        one: AccountId,
        other: AccountId,
        states: (ContactState, ContactState),
    ) {
        for (key, state) in [((one, other), states.0), ((other, one), states.1)] {
            let updated_at = self.tick();
            let blocked = self.contacts.get(&key).is_some_and(|row| row.blocked);
            self.contacts.insert(key, ContactRow { state, blocked, updated_at });
        }
    }

    pub(super) fn request_contact(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let request: proto::RequestContact = frame.read().unwrap();
        let Some(other) = self.account_named(&request.handle) else {
            return self.refuse(link_id, frame, Code::NOBODY);
        };
        match self.contacts.get(&(account_id, other)).map(|row| row.state) {
            Some(ContactState::Accepted) => {}
            Some(ContactState::Asking) => {
                self.set_contact(account_id, other, (ContactState::Accepted, ContactState::Accepted));
            }
            _ => self.set_contact(account_id, other, (ContactState::Asked, ContactState::Asking)),
        }
        let row = self.contact_row(account_id, other);
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &row);
        self.push_contact(other, account_id);
    }

    pub(super) fn answer_contact(
        &mut self,
        link_id: LinkId,
        account_id: AccountId,
        frame: &Frame,
        accepts: bool,
    ) {
        let answer: proto::AnswerContact = frame.read().unwrap();
        let other = AccountId::try_from(answer.account_id.as_ref()).unwrap();
        match self.contacts.get(&(account_id, other)).map(|row| row.state) {
            Some(ContactState::Accepted) if accepts => {}
            Some(ContactState::Asking) if accepts => {
                self.set_contact(account_id, other, (ContactState::Accepted, ContactState::Accepted));
            }
            Some(ContactState::Asking) => {
                self.set_contact(account_id, other, (ContactState::Refused, ContactState::Asked));
            }
            _ => return self.refuse(link_id, frame, Code::NO_REQUEST),
        }
        let row = self.contact_row(account_id, other);
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &row);
        if accepts {
            self.push_contact(other, account_id);
        }
    }

    pub(super) fn block_contact(
        &mut self,
        link_id: LinkId,
        account_id: AccountId,
        frame: &Frame,
        blocks: bool,
    ) {
        let block: proto::BlockContact = frame.read().unwrap();
        let other = AccountId::try_from(block.account_id.as_ref()).unwrap();
        let updated_at = self.tick();
        let row = self.contacts.get_mut(&(account_id, other)).unwrap();
        (row.blocked, row.updated_at) = (blocks, updated_at);
        let row = self.contact_row(account_id, other);
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &row);
    }

    /// Whoever is online and has said so themselves is told.
    pub(super) fn set_presence(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let said: proto::SetPresence = frame.read().unwrap();
        self.presences.insert(account_id, said.presence);
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &Empty {});
        let mut present: Vec<AccountId> = self.presences.keys().copied().collect();
        present.retain(|other| self.are_contacts(account_id, *other));
        for other in present {
            self.push_presence(other, account_id);
            self.push_presence(account_id, other);
        }
    }

    fn push_presence(&mut self, to: AccountId, of: AccountId) {
        let row = proto::AccountPresence {
            account_id: of.as_bytes().to_vec().into(),
            presence: self.presences[&of],
        };
        let body = proto::PresenceChanged { presences: vec![row] };
        for link_id in self.links_of(to) {
            self.push(link_id, Opcode::PRESENCE_CHANGED, tacite_model::MessageId::from_bytes([0; 16]), &body);
        }
    }

    pub(super) fn set_typing(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let said: proto::Typing = frame.read().unwrap();
        let to = AccountId::try_from(said.account_id.as_ref()).unwrap();
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &Empty {});
        let body = proto::Typing { account_id: account_id.as_bytes().to_vec().into(), typing: said.typing };
        for to in self.links_of(to) {
            self.push(to, Opcode::TYPING_CHANGED, tacite_model::MessageId::from_bytes([0; 16]), &body);
        }
    }

    pub(super) fn sync(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let sync: proto::Sync = frame.read().unwrap();
        let account = self.accounts.get_mut(&account_id).unwrap();
        let known_generation = account.generation;
        account.generation = known_generation.max(sync.generation);
        self.links.get_mut(&link_id).unwrap().generation = sync.generation;
        let since = sync.since.unwrap();
        let since = (since.updated_at_ms, since.id.to_vec());
        let mut rows = self.rows_of(account_id);
        rows.retain(|(key, _)| *key > since);
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        let more = rows.len() > self.page_rows;
        rows.truncate(self.page_rows);
        let mut page = proto::SyncPage { more, known_generation, ..proto::SyncPage::default() };
        let (updated_at_ms, id) = rows.last().map_or(since, |(key, _)| key.clone());
        page.next = Some(proto::Cursor { updated_at_ms, id: id.into() });
        for (_, row) in rows {
            match row {
                Change::Contact(contact) => page.contacts.push(contact),
                Change::State(state) => page.states.push(state),
            }
        }
        if !more && self.hurries {
            self.begin_pushing(link_id, account_id);
        }
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &page);
        if !more && !self.hurries {
            self.begin_pushing(link_id, account_id);
        }
    }

    fn rows_of(&self, account_id: AccountId) -> Vec<((u64, Vec<u8>), Change)> {
        let contacts =
            self.contacts.iter().filter(|((owner, _), _)| *owner == account_id).map(|((_, other), row)| {
                let key = (row.updated_at, other.as_bytes().to_vec());
                (key, Change::Contact(self.contact_row(account_id, *other)))
            });
        let states = self.states.iter().filter(|((sender, _), _)| *sender == account_id).map(
            |((_, message_id), row)| {
                ((row.updated_at, message_id.as_bytes().to_vec()), Change::State(row.to_proto(*message_id)))
            },
        );
        contacts.chain(states).collect()
    }

    pub(crate) fn contact_row(&self, owner: AccountId, other: AccountId) -> proto::Contact {
        let row = self.contacts[&(owner, other)];
        proto::Contact {
            account_id: other.as_bytes().to_vec().into(),
            handle: self.accounts[&other].handle.as_str().to_owned(),
            state: row.state.into(),
            conversation_id: vec![8; 16].into(),
            updated_at_ms: row.updated_at,
            blocked: row.blocked,
        }
    }

    fn push_contact(&mut self, to: AccountId, other: AccountId) {
        let row = self.contact_row(to, other);
        for link_id in self.links_of(to) {
            self.push(link_id, Opcode::CONTACT_CHANGED, tacite_model::MessageId::from_bytes([0; 16]), &row);
        }
    }
}

/// A row of a page.
enum Change {
    Contact(proto::Contact),
    State(proto::MessageState),
}
