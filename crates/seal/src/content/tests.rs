//! Contents of every kind survive; every bound holds at its edge and not one past it.

use proptest::prelude::*;
use tacite_model::limits::{
    DISAPPEAR_MS_MAX, REACTION_BYTES_MAX, READS_PER_FRAME_MAX, RESENDS_PER_REQUEST_MAX,
};
use tacite_model::{AccountId, ExpiryStart, MessageName};

use super::*;
use crate::{CONTENT_BYTES, Gone, Reaction, ResendRequest, Text};

const ID: MessageId = MessageId::from_bytes([5; 16]);
const OTHER_ID: MessageId = MessageId::from_bytes([6; 16]);
const TARGET: MessageName = MessageName { author_id: AccountId::from_bytes([8; 16]), message_id: OTHER_ID };
const HOUR: Expiry = Expiry { after_ms: 3_600_000, start: ExpiryStart::Read };

fn of(body: Body) -> Content {
    Content {
        message_id: ID,
        sent_at: Timestamp::from_ms(1_800_000_000_000),
        previous_id: None,
        body,
        receipt_key: ReceiptKey::from_bytes([7; 32]),
        expiry: None,
        original_id: None,
    }
}

fn text(text: &str) -> Content {
    of(Body::Text(Text { text: text.to_owned(), reply_to: None }))
}

fn reaction(emoji: &str) -> Content {
    of(Body::Reaction(Reaction { target: TARGET, emoji: emoji.to_owned() }))
}

fn expiry(after_ms: u64) -> Expiry {
    Expiry { after_ms, start: ExpiryStart::Receipt }
}

fn request(count: usize, before_id: Option<MessageId>) -> ResendRequest {
    ResendRequest { message_ids: vec![OTHER_ID; count], after_id: None, before_id }
}

fn gone(count: usize, before_id: Option<MessageId>) -> Gone {
    Gone { message_ids: vec![OTHER_ID; count], before_id }
}

/// The bytes of a content that our own encoder would refuse to make.
fn forged(change: impl FnOnce(&mut proto::Content)) -> Zeroizing<Vec<u8>> {
    let hello = text("hello").encode().unwrap();
    let mut content = proto::Content::decode(padding::unpad(&hello).unwrap()).unwrap();
    change(&mut content);
    padding::pad(&content.encode_to_vec()).unwrap()
}

fn refused(change: impl FnOnce(&mut proto::Content)) -> ContentError {
    Content::decode(&forged(change), ID).unwrap_err()
}

fn with_body(body: proto::content::Body) -> ContentError {
    refused(|content| content.body = Some(body))
}

#[test]
fn every_kind_of_content_survives_encoding() {
    let request = ResendRequest { after_id: Some(ID), ..request(2, Some(OTHER_ID)) };
    let bodies = [
        Body::Text(Text { text: "héllo".to_owned(), reply_to: Some(TARGET) }),
        Body::Reaction(Reaction { target: TARGET, emoji: "👍🏽".to_owned() }),
        Body::Edit { message_id: OTHER_ID, text: "better".to_owned() },
        Body::Deletion { message_id: OTHER_ID },
        Body::Timer(Some(HOUR)),
        Body::Timer(None),
        Body::ResendRequest(request),
        Body::Gone(gone(1, Some(OTHER_ID))),
        Body::Read { message_ids: vec![OTHER_ID, ID] },
    ];
    for body in bodies {
        let bare = of(body);
        let full = Content {
            previous_id: Some(OTHER_ID),
            expiry: Some(HOUR),
            original_id: Some(OTHER_ID),
            ..bare.clone()
        };
        assert_eq!((bare.known_id(), full.known_id()), (ID, OTHER_ID));
        for content in [bare, full] {
            let bytes = content.encode().unwrap();
            assert!(Content::decode(&bytes, ID).unwrap() == content);
        }
    }
}

#[test]
fn the_bytes_are_fixed() {
    let content = Content { previous_id: Some(OTHER_ID), expiry: Some(HOUR), ..text("hi") };
    let expected = [
        &[0x0A, 16][..],
        &[5; 16],
        &[0x10, 0x80, 0xA0, 0xF1, 0xC2, 0xB1, 0x34],
        &[0x1A, 16],
        &[6; 16],
        &[0x22, 0x04, 0x0A, 2, b'h', b'i'],
        &[0x5A, 32],
        &[7; 32],
        &[0x62, 7, 0x08, 0x80, 0xDD, 0xDB, 0x01, 0x10, 1],
        &[0x80],
    ]
    .concat();
    let bytes = content.encode().unwrap();
    assert_eq!(bytes[..expected.len()], expected);
    assert!(bytes[expected.len()..].iter().all(|byte| *byte == 0));
}

#[test]
fn texts_are_bounded_on_both_sides() {
    assert_eq!(text("").encode().unwrap_err(), ContentError::TextLength(0));
    let longest = "x".repeat(TEXT_BYTES_MAX);
    let too_long = "x".repeat(TEXT_BYTES_MAX + 1);
    let full = Content {
        previous_id: Some(OTHER_ID),
        expiry: Some(expiry(DISAPPEAR_MS_MAX)),
        original_id: Some(OTHER_ID),
        ..of(Body::Text(Text { text: longest.clone(), reply_to: Some(TARGET) }))
    };
    assert_eq!(full.encode().unwrap().len(), CONTENT_BYTES[4]);
    assert!(Content::decode(&full.encode().unwrap(), ID).is_ok());
    let error = ContentError::TextLength(TEXT_BYTES_MAX + 1);
    assert_eq!(text(&too_long).encode().unwrap_err(), error);
    let edit = |text: &str| of(Body::Edit { message_id: OTHER_ID, text: text.to_owned() }).encode();
    assert!(edit(&longest).is_ok());
    assert_eq!(edit(&too_long).unwrap_err(), error);
    assert_eq!(edit("").unwrap_err(), ContentError::TextLength(0));
    let forged = proto::Text { text: too_long.clone(), reply_to: None };
    assert_eq!(with_body(proto::content::Body::Text(forged)), error);
    let forged = proto::Edit { message_id: vec![6; 16], text: too_long };
    assert_eq!(with_body(proto::content::Body::Edit(forged)), error);
}

#[test]
fn a_reaction_is_one_emoji_or_none() {
    for (emoji, is_good) in [
        (String::new(), true),
        ("x".repeat(REACTION_BYTES_MAX), true),
        ("x".repeat(REACTION_BYTES_MAX + 1), false),
        ("\u{1b}[2J".to_owned(), false),
    ] {
        let proto = proto::Reaction {
            target: Some(proto::MessageRef { author_id: vec![8; 16], message_id: vec![6; 16] }),
            emoji: emoji.clone(),
        };
        let forged = forged(|content| content.body = Some(proto::content::Body::Reaction(proto)));
        assert_eq!(reaction(&emoji).encode().is_ok(), is_good);
        assert_eq!(Content::decode(&forged, ID).is_ok(), is_good);
    }
    assert_eq!(
        with_body(proto::content::Body::Reaction(proto::Reaction::default())),
        ContentError::Malformed
    );
}

#[test]
fn times_to_disappear_are_bounded_on_both_sides() {
    for (after_ms, is_good) in
        [(0, false), (1, true), (DISAPPEAR_MS_MAX, true), (DISAPPEAR_MS_MAX + 1, false)]
    {
        let expiry = Some(expiry(after_ms));
        assert_eq!(Content { expiry, ..text("hello") }.encode().is_ok(), is_good, "{after_ms}");
        assert_eq!(of(Body::Timer(expiry)).encode().is_ok(), is_good, "{after_ms}");
        let proto = proto::Expiry { after_ms, start: 2 };
        assert_eq!(Content::decode(&forged(|it| it.expiry = Some(proto)), ID).is_ok(), is_good);
        let timer = proto::content::Body::Timer(proto::Timer { expiry: Some(proto) });
        assert_eq!(Content::decode(&forged(|it| it.body = Some(timer)), ID).is_ok(), is_good);
    }
    for start in [0, 3, -1] {
        let proto = proto::Expiry { after_ms: 1, start };
        assert_eq!(refused(|content| content.expiry = Some(proto)), ContentError::Malformed, "{start}");
    }
}

#[test]
fn requests_and_their_refusals_are_bounded() {
    let most = RESENDS_PER_REQUEST_MAX;
    let cases = [(0, Some(ID), true), (1, None, true), (most, None, true), (most + 1, Some(ID), false)];
    for (count, before_id, is_good) in cases {
        check_request(count, before_id, is_good);
        check_gone(count, before_id, is_good);
    }
    // Who asks for nothing in particular asks for everything; nobody is told that nothing is gone.
    check_request(0, None, true);
    check_gone(0, None, false);
}

fn check_request(count: usize, before_id: Option<MessageId>, is_good: bool) {
    assert_eq!(of(Body::ResendRequest(request(count, before_id))).encode().is_ok(), is_good, "{count}");
    let forged_request = proto::content::Body::ResendRequest(proto::ResendRequest {
        message_ids: vec![vec![6; 16]; count],
        before_id: optional(before_id),
        after_id: vec![],
    });
    let bytes = forged(|content| content.body = Some(forged_request));
    assert_eq!(Content::decode(&bytes, ID).is_ok(), is_good, "{count}");
}

fn check_gone(count: usize, before_id: Option<MessageId>, is_good: bool) {
    assert_eq!(of(Body::Gone(gone(count, before_id))).encode().is_ok(), is_good, "{count}");
    let forged_gone = proto::content::Body::Gone(proto::Gone {
        message_ids: vec![vec![6; 16]; count],
        before_id: optional(before_id),
    });
    let bytes = forged(|content| content.body = Some(forged_gone));
    assert_eq!(Content::decode(&bytes, ID).is_ok(), is_good, "{count}");
}

#[test]
fn so_many_texts_are_read_at_once_and_no_more() {
    for (count, is_good) in
        [(0, false), (1, true), (READS_PER_FRAME_MAX, true), (READS_PER_FRAME_MAX + 1, false)]
    {
        assert_eq!(of(Body::Read { message_ids: vec![ID; count] }).encode().is_ok(), is_good, "{count}");
        let forged_read = proto::content::Body::Read(proto::Read { message_ids: vec![vec![6; 16]; count] });
        let bytes = forged(|content| content.body = Some(forged_read));
        assert_eq!(Content::decode(&bytes, ID).is_ok(), is_good, "{count}");
    }
}

#[test]
fn ids_and_keys_of_other_lengths_are_refused() {
    let changes: [fn(&mut proto::Content); 6] = [
        |content| content.message_id = vec![5; 15],
        |content| content.previous_id = vec![5; 17],
        |content| content.original_id = vec![5; 1],
        |content| content.receipt_key = vec![],
        |content| content.receipt_key = vec![7; 31],
        |content| content.receipt_key = vec![7; 33],
    ];
    for change in changes {
        assert_eq!(refused(change), ContentError::Malformed);
    }
    let deletion = proto::Deletion { message_id: vec![1; 15] };
    assert_eq!(with_body(proto::content::Body::Deletion(deletion)), ContentError::Malformed);
    let gone = proto::Gone { message_ids: vec![vec![]], before_id: vec![] };
    assert_eq!(with_body(proto::content::Body::Gone(gone)), ContentError::Malformed);
    let read = proto::Read { message_ids: vec![vec![1; 15]] };
    assert_eq!(with_body(proto::content::Body::Read(read)), ContentError::Malformed);
}

// A3, T45: with all that a running conversation carries along.
#[test]
fn a_short_text_takes_the_smallest_size() {
    let content =
        |length| Content { previous_id: Some(OTHER_ID), expiry: Some(HOUR), ..text(&"x".repeat(length)) };
    assert_eq!(content(20).encode().unwrap().len(), CONTENT_BYTES[0]);
    assert_eq!(content(21).encode().unwrap().len(), CONTENT_BYTES[1]);
}

// T8: a message cannot be passed off as another.
#[test]
fn t8_the_id_inside_must_be_the_carriers() {
    let bytes = text("hello").encode().unwrap();
    assert_eq!(Content::decode(&bytes, OTHER_ID), Err(ContentError::OtherMessage));
}

#[test]
fn an_unknown_kind_is_told_apart_from_damage() {
    assert_eq!(refused(|content| content.body = None), ContentError::UnknownKind);
    assert_eq!(Content::decode(&padding::pad(b"\xFF").unwrap(), ID), Err(ContentError::Malformed));
}

proptest! {
    // T74
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
        let _ = Content::decode(&bytes, ID);
        if let Some(padded) = padding::pad(&bytes) {
            let _ = Content::decode(&padded, ID);
        }
    }

    // T74: bytes that are nearly right get farther.
    #[test]
    fn no_damage_makes_the_decoder_panic(at in 0..200_usize, byte in any::<u8>(), kind in 0..4_usize) {
        let content = match kind {
            0 => Content { expiry: Some(HOUR), original_id: Some(OTHER_ID), ..text("hello") },
            1 => reaction("👍"),
            2 => of(Body::ResendRequest(request(3, Some(ID)))),
            _ => of(Body::Timer(Some(HOUR))),
        };
        let mut bytes = content.encode().unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = Content::decode(&bytes, ID);
    }
}
