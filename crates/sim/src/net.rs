//! The network of a world: links between devices and the server, with delay, cuts, holes and, where the plan says so, what
//! only a hostile network does to single frames.
//!
//! Invariants: without hostility, each direction of a link keeps the order of its frames, and a link that loses a frame
//! delivers nothing behind it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tacite_core::Input;
use tacite_model::limits::LINK_SILENCE_MS_MAX;
use tacite_server::LinkMessage;
use tacite_wire::{Frame, HEADER_BYTES, Header, Opcode, Status};
use tokio::sync::mpsc;

use crate::event::{Due, Happening};
use crate::person::{Compared, NAMES};
use crate::plan::Hostile;
use crate::transport::{Post, Transport};
use crate::world::World;

/// How long the end of a link that a device closes may take, milliseconds.
const CLOSE_MS_MAX: u64 = 2000;

/// See the module.
#[derive(Default)]
pub(crate) struct Net {
    pub(crate) post: Arc<Post>,
    links: BTreeMap<u64, Link>,
    last: u64,
    /// By person: nothing gets through before.
    holes: BTreeMap<usize, u64>,
}

struct Link {
    person: usize,
    bearer: Option<String>,
    to_server: Option<mpsc::UnboundedSender<LinkMessage>>,
    opened: bool,
    /// Nothing of it is delivered any more.
    cut: bool,
    /// No frame is delivered before the ones sent earlier.
    up_free_at_ms: u64,
    down_free_at_ms: u64,
    heard_at_ms: u64,
}

impl World {
    /// A device asks for a link; an earlier one does not count any more.
    pub(crate) fn open(&mut self, person: usize, bearer: Option<String>) {
        if let Some(earlier) = self.people[person].link.take() {
            self.abandon(earlier);
        }
        self.net.last += 1;
        let number = self.net.last;
        let now_ms = self.now_ms();
        self.net.links.insert(
            number,
            Link {
                person,
                bearer,
                to_server: None,
                opened: false,
                cut: false,
                up_free_at_ms: now_ms,
                down_free_at_ms: now_ms,
                heard_at_ms: now_ms,
            },
        );
        self.people[person].link = Some(number);
        let delay_ms = self.delay_ms();
        self.after(delay_ms, Happening::Establish(number));
    }

    pub(crate) fn delay_ms(&mut self) -> u64 {
        let (least, most) = self.delay_ms;
        self.dice.between(least, most)
    }

    /// The request for a link has come to where the server should be.
    pub(crate) fn establish(&mut self, number: u64) {
        let delay_ms = self.delay_ms();
        let now_ms = self.now_ms();
        let Some(link) = self.net.links.get_mut(&number).filter(|link| !link.cut) else { return };
        let Some(node) = self.server.node() else {
            self.after(delay_ms, Happening::Lost(number));
            return;
        };
        let (transport, to_server) = Transport::new(number, &self.net.post);
        link.to_server = Some(to_server);
        node.link(link.bearer.take(), transport);
        link.down_free_at_ms = now_ms + delay_ms;
        self.after(delay_ms, Happening::Opened(number));
    }

    /// A device hears that its link is open.
    pub(crate) fn opened(&mut self, number: u64) {
        let now_ms = self.now_ms();
        let Some(link) = self.net.links.get_mut(&number).filter(|link| !link.cut) else { return };
        link.opened = true;
        link.heard_at_ms = now_ms;
        let person = link.person;
        self.after(LINK_SILENCE_MS_MAX, Happening::Silence(number));
        if self.people[person].link == Some(number) {
            self.tell(format_args!("{} has link {number}", NAMES[person]));
            self.input(person, Input::LinkOpened);
        }
    }

    /// A frame goes from a device into the network.
    pub(crate) fn send_up(&mut self, person: usize, frame: &Frame) {
        let Some(number) = self.people[person].link else { return };
        let bytes = frame.clone().into_bytes();
        self.tell(format_args!("{} → server: {} {}", NAMES[person], frame.header.mnemonic, short(&bytes)));
        self.read_along(&bytes);
        let is_message = frame.header.opcode == Opcode::SEND_DIRECT;
        self.travel(number, true, is_message, |number| Happening::Up(number, bytes.clone()));
    }

    /// What servers have sent goes into the network.
    pub(crate) fn collect(&mut self) {
        self.collect_trips();
        for (number, message) in self.net.post.take() {
            match message {
                Some(LinkMessage::Close(_)) => {}
                Some(message) => {
                    let mut is_message = false;
                    if let LinkMessage::Binary(bytes) = &message {
                        self.read_along(bytes);
                        is_message = carries_message(bytes);
                    }
                    self.travel(number, false, is_message, |number| Happening::Down(number, message.clone()));
                }
                None => self.travel(number, false, false, Happening::DownEnd),
            }
        }
    }

    fn read_along(&mut self, bytes: &[u8]) {
        if crate::wiretap::holds(bytes, self.truth.marker()) {
            self.wrong(String::from("what a person wrote stands in a frame"));
        }
    }

    /// Plans the arrival of something at the other end of a link.
    fn travel(&mut self, number: u64, up: bool, is_message: bool, make: impl Fn(u64) -> Happening) {
        let now_ms = self.now_ms();
        let hostile = if is_message && !self.is_healed { self.hostile } else { Hostile::default() };
        let delay_ms = self.delay_ms();
        let is_dropped = hostile.drops > 0 && self.dice.per_mille(hostile.drops);
        let is_doubled = hostile.doubles > 0 && self.dice.per_mille(hostile.doubles);
        let is_late = hostile.reorders > 0 && self.dice.per_mille(hostile.reorders);
        let lateness_ms = if is_late || is_doubled { self.dice.below(5000) } else { 0 };
        self.tally.faults += u64::from(is_dropped) + u64::from(is_doubled) + u64::from(is_late);
        let Some(link) = self.net.links.get_mut(&number).filter(|link| !link.cut) else { return };
        let free_at_ms = if up { &mut link.up_free_at_ms } else { &mut link.down_free_at_ms };
        let at_ms = (*free_at_ms).max(now_ms + delay_ms);
        if !is_late {
            *free_at_ms = at_ms;
        }
        if is_doubled {
            self.agenda.add(at_ms + lateness_ms, make(number));
        }
        if is_late {
            self.agenda.add(at_ms + lateness_ms, make(number));
        } else if !is_dropped {
            self.agenda.add(at_ms, make(number));
        }
    }

    /// Whether something that is due on a link has to wait for the end of a hole; then it is planned anew.
    pub(crate) fn is_held_up(&mut self, number: u64, happening: &Happening) -> bool {
        let Some(link) = self.net.links.get(&number) else { return false };
        let Some(until_ms) = self.hole_of(link.person) else { return false };
        self.agenda.add(until_ms, happening.clone());
        true
    }

    /// Until when nothing gets through to a person.
    pub(crate) fn hole_of(&self, person: usize) -> Option<u64> {
        self.net.holes.get(&person).copied().filter(|until_ms| *until_ms > self.now_ms())
    }

    /// Something has come to the server's end.
    pub(crate) fn arrive_up(&mut self, number: u64, message: LinkMessage) {
        if let Some(link) = self.net.links.get(&number).filter(|link| !link.cut)
            && let Some(to_server) = link.to_server.clone()
        {
            let person = link.person;
            if let LinkMessage::Binary(bytes) = &message {
                self.look_at_frame(person, bytes);
            }
            // A link that the server has ended takes nothing any more.
            let _ = to_server.send(message);
        }
    }

    /// The server hears that a link has ended.
    pub(crate) fn end_up(&mut self, number: u64) {
        if let Some(link) = self.net.links.get_mut(&number) {
            link.to_server = None;
        }
    }

    /// Something has come to the device's end.
    pub(crate) fn arrive_down(&mut self, number: u64, message: &LinkMessage) {
        let now_ms = self.now_ms();
        let Some(link) = self.net.links.get_mut(&number).filter(|link| !link.cut) else { return };
        link.heard_at_ms = now_ms;
        let (person, opened) = (link.person, link.opened);
        match message {
            LinkMessage::Ping(_) => self.travel(number, true, false, Happening::Pong),
            LinkMessage::Binary(bytes) if opened && self.people[person].link == Some(number) => {
                let Ok(frame) = Frame::decode(bytes.clone()) else {
                    return self.wrong(String::from("the server sent what is no frame"));
                };
                let header = frame.header;
                if header.opcode == Opcode::SYNC && header.status == Status::FINISHED {
                    self.people[person].compared = Compared::Well;
                }
                self.tell(format_args!(
                    "server → {}: {} {} {} {}",
                    NAMES[person],
                    header.mnemonic,
                    short(bytes),
                    header.status.0,
                    header.code.0
                ));
                self.input(person, Input::Frame(frame));
            }
            _ => {}
        }
    }

    /// A device hears, or notices, that its link has ended.
    pub(crate) fn end_down(&mut self, number: u64) {
        let Some(link) = self.net.links.remove(&number) else { return };
        let person = link.person;
        if self.people[person].link == Some(number) {
            self.people[person].link = None;
            self.tell(format_args!("{} has lost link {number}", NAMES[person]));
            self.input(person, Input::LinkClosed { cause: None });
        }
    }

    /// A device asks for the end of its link: what was sent goes first.
    pub(crate) fn close(&mut self, person: usize) {
        let Some(number) = self.people[person].link else { return };
        let Some(link) = self.net.links.get(&number) else { return };
        if link.opened {
            self.travel(number, true, false, Happening::UpEnd);
            self.after(CLOSE_MS_MAX, Happening::Lost(number));
        } else {
            self.after(0, Happening::Lost(number));
        }
    }

    /// Nobody at the device's end cares for a link any more; the server notices it later.
    pub(crate) fn abandon(&mut self, number: u64) {
        let notices_after_ms = *self.dice.pick(&[0, 5, 500, 20_000]);
        if let Some(link) = self.net.links.get_mut(&number) {
            link.cut = true;
            self.after(notices_after_ms, Happening::UpEnd(number));
        }
    }

    /// A person's link breaks; both ends notice it at some time.
    pub(crate) fn cut(&mut self, person: usize) {
        let Some(number) = self.people[person].link else { return };
        self.abandon(number);
        let notices_after_ms = *self.dice.pick(&[0, 5, 500, 20_000]);
        self.after(notices_after_ms, Happening::Lost(number));
        self.fail_trips(Some(person));
    }

    /// Nothing gets through to and from a person for a while. No hole ends before one that was there: what came later would
    /// overtake what was held up.
    pub(crate) fn dig_hole(&mut self, person: usize, ms: u64) {
        let until_ms = (self.now_ms() + ms).min(self.healed_at_ms);
        let hole = self.net.holes.entry(person).or_default();
        *hole = until_ms.max(*hole);
    }

    /// All links break at once, and both ends notice it soon: the server has died.
    pub(crate) fn cut_all(&mut self) {
        let numbers: Vec<u64> = self.net.links.keys().copied().collect();
        for number in numbers {
            if let Some(link) = self.net.links.get_mut(&number) {
                link.cut = true;
                link.to_server = None;
            }
            let delay_ms = self.delay_ms();
            self.after(delay_ms, Happening::Lost(number));
        }
    }

    /// The network is good from now on; no hole lasts longer. What a hostile one has eaten comes again over new links.
    pub(crate) fn heal_net(&mut self) {
        if self.hostile.is_on() {
            for person in 0..self.people.len() {
                self.cut(person);
            }
        }
    }

    /// A device that has heard nothing for too long gives its link up.
    pub(crate) fn listen(&mut self, number: u64) {
        let now_ms = self.now_ms();
        let Some(link) = self.net.links.get(&number).filter(|link| !link.cut) else { return };
        let silent_ms = now_ms - link.heard_at_ms;
        if silent_ms >= LINK_SILENCE_MS_MAX {
            self.abandon(number);
            self.end_down(number);
        } else {
            self.after(LINK_SILENCE_MS_MAX - silent_ms, Happening::Silence(number));
        }
    }
}

/// Whether a frame of the server is one that delivery must do without for a while.
fn carries_message(bytes: &Bytes) -> bool {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>().map(Header::decode) else { return false };
    [Opcode::DIRECT_RECEIVED, Opcode::STATE_CHANGED].contains(&header.opcode)
}

/// A message's id, as far as it is needed to tell it from others.
fn short(bytes: &Bytes) -> String {
    bytes.first_chunk::<HEADER_BYTES>().map_or_else(String::new, |header| {
        let id = Header::decode(header).message_id;
        let [first, second, third, ..] = id.as_bytes();
        format!("{first:02x}{second:02x}{third:02x}")
    })
}
