//! `route` and `park`: the delivery machine, with a few hundred devices.

use std::hint::black_box;

use anyhow::{Result, ensure};
use tacite_router::delivery::{Effect, Input, LinkId};
use tacite_router::{Delivery, DeviceKey, Enqueued, MessageKey, Receipt};

use super::material::{ALICE, NOW, PROOF, message_ids, parcel, recipient, sent_frame};

const DEVICES: u32 = 200;

/// A machine and room for what it decides.
#[derive(Default)]
struct Machine {
    delivery: Delivery,
    effects: Vec<Effect>,
}

impl Machine {
    /// Hands in one input; gives how many effects it had.
    fn handle(&mut self, input: Input) -> usize {
        self.effects.clear();
        self.delivery.handle(input, NOW, &mut self.effects);
        black_box(&self.effects).len()
    }
}

/// To somebody who is there: taken and pushed, then acknowledged and answered.
pub(super) fn route(count: u32) -> Result<()> {
    let mut machine = Machine::default();
    for number in 0..DEVICES {
        let (device, link) = (recipient(number), LinkId(u64::from(number) + 2));
        machine.handle(Input::LinkUp { device, link });
        machine.handle(Input::Fetched { device, link, messages: Vec::new() });
    }
    for (number, id) in (0..count).zip(message_ids()) {
        let device = recipient(number % DEVICES);
        let sent = sent_frame(device, id)?;
        let taken = machine.handle(Input::Submit(Box::new(parcel(device, id, &sent))));
        let key = MessageKey { sender_id: ALICE, message_id: id };
        let receipts = vec![Receipt { key, proof: Some(PROOF), silent: false }];
        let received = machine.handle(Input::Acknowledge { device, receipts });
        ensure!((taken, received) == (2, 1), "a message went another way than over the link");
    }
    Ok(())
}

/// To somebody who is away: taken and handed to the store, then answered.
pub(super) fn park(count: u32) -> Result<()> {
    let mut machine = Machine::default();
    let sender = DeviceKey { account_id: ALICE, ..recipient(0) };
    for (number, id) in (0..count).zip(message_ids()) {
        let recipient = recipient(number % DEVICES);
        let sent = sent_frame(recipient, id)?;
        let taken = machine.handle(Input::Submit(Box::new(parcel(recipient, id, &sent))));
        let key = MessageKey { sender_id: ALICE, message_id: id };
        let outcomes = vec![(key, Ok(Enqueued::Waiting))];
        let parked = machine.handle(Input::Parked { recipient, sender, outcomes });
        ensure!((taken, parked) == (2, 1), "a message went another way than to the store");
    }
    Ok(())
}
