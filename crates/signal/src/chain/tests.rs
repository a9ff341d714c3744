//! Order, loss and the bounds of both kinds of chain.

use super::{ChainRules, NoKey, ReceivingChain, SendingChain};
use crate::{
    limits::{FORWARD_JUMP_MAX, SELF_FORWARD_JUMP_MAX, SKIPPED_KEYS_MAX},
    ratchet::SeedChain,
    secret::Secret,
};

type Sender = SendingChain<SeedChain>;
type Receiver = ReceivingChain<SeedChain>;

fn pair() -> (Sender, Receiver) {
    (Sender::new(Secret::new([5; 32])), Receiver::new(Secret::new([5; 32])))
}

fn receive(chain: &mut Receiver, counter: u32) -> Result<Secret<32>, NoKey> {
    let (key, change) = chain.plan(counter, false)?;
    chain.apply(change);
    Ok(key)
}

#[test]
fn keys_come_in_any_order_and_once() {
    let (mut sender, mut receiver) = pair();
    let keys: Vec<_> = (0..5).map(|_| sender.take().1).collect();
    for counter in [2, 0, 4, 3, 1] {
        assert_eq!(receive(&mut receiver, counter).as_ref(), Ok(&keys[counter as usize]));
        assert_eq!(receive(&mut receiver, counter), Err(NoKey::Past));
    }
}

#[test]
fn planning_changes_nothing() {
    let (_, receiver) = pair();
    let first = receiver.plan(100, false).unwrap().0;
    assert_eq!(receiver.plan(100, false).unwrap().0, first);
    assert_eq!(receiver.next, SeedChain::FIRST);
}

#[test]
fn t17_a_jump_of_25_000_is_followed_and_one_more_is_not() {
    let (_, receiver) = pair();
    assert!(receiver.plan(FORWARD_JUMP_MAX, false).is_ok());
    assert_eq!(receiver.plan(FORWARD_JUMP_MAX + 1, false).err(), Some(NoKey::TooFarAhead));
    assert_eq!(receiver.plan(u32::MAX, false).err(), Some(NoKey::TooFarAhead));
    assert!(receiver.plan(30_000, true).is_ok());
    assert_eq!(receiver.plan(SELF_FORWARD_JUMP_MAX + 1, true).err(), Some(NoKey::TooFarAhead));
}

#[test]
fn t17_the_newest_2_000_skipped_keys_are_kept() {
    let (_, mut receiver) = pair();
    receive(&mut receiver, 10_000).unwrap();
    assert_eq!(receiver.skipped.len(), SKIPPED_KEYS_MAX as usize);
    assert_eq!(receive(&mut receiver, 7_999), Err(NoKey::Past));
    assert!(receive(&mut receiver, 8_000).is_ok());
    // Every second message is lost from here on.
    for counter in (10_002..20_000).step_by(2) {
        receive(&mut receiver, counter).unwrap();
        assert!(receiver.skipped.len() <= SKIPPED_KEYS_MAX as usize);
    }
}
