//! The codec against stanzas as Prosody and ejabberd write them.

use super::*;
use crate::load::payload::read_payload;

fn decode(xmpp: &mut Xmpp, text: &str) -> Result<(Vec<String>, String)> {
    let (mut told, mut out) = (Vec::new(), Vec::new());
    let mut input = BytesMut::from(text);
    xmpp.decode(&mut input, &mut out, &mut |event| told.push(format!("{event:?}")))?;
    assert!(input.is_empty());
    Ok((told, String::from_utf8(out)?))
}

#[test]
fn a_message_that_left_comes_back() {
    let mut out = Vec::new();
    let mut xmpp = Xmpp::default();
    let order = Order::Send { to: Destination::Person(3), source: 2, number: 9, due_ns: Some(7) };
    xmpp.encode(order, &mut out).expect("encodes");
    assert!(out.starts_with(b"<message type='chat' to='u3@localhost' id='2-9'><body>"));
    let mut heads = Vec::new();
    let mut sink = |event: Event<'_>| match event {
        Event::Message(body) => heads.push(read_payload(body).expect("ours")),
        other => panic!("{other:?}"),
    };
    xmpp.decode(&mut BytesMut::from(&out[..]), &mut Vec::new(), &mut sink).expect("valid");
    assert_eq!((heads.len(), heads[0].source, heads[0].number), (1, 2, 9));
}

#[test]
fn only_messages_count_as_accepted() {
    let mut xmpp = Xmpp { acknowledged: true, ..Xmpp::default() };
    let mut out = Vec::new();
    let send = |number| Order::Send { to: Destination::Person(3), source: 2, number, due_ns: None };
    for order in [Order::Online, send(0), send(1)] {
        xmpp.encode(order, &mut out).expect("encodes");
    }
    xmpp.end_batch(&mut out);
    assert!(out.ends_with(ASK_FOR_ACKNOWLEDGEMENT));
    let (told, _) = decode(&mut xmpp, "<a xmlns='urn:xmpp:sm:3' h='2'/>").expect("valid");
    assert_eq!(told, ["Accepted(1)"]);
    let (told, _) = decode(&mut xmpp, "<a h=\"3\" xmlns=\"urn:xmpp:sm:3\"/>").expect("valid");
    assert_eq!(told, ["Accepted(1)"]);
    let (told, _) = decode(&mut xmpp, "<a xmlns='urn:xmpp:sm:3' h='900'/>").expect("valid");
    assert_eq!(told, ["Accepted(0)"], "more than was sent cannot be accepted");
}

#[test]
fn what_came_is_counted_when_the_server_asks() {
    let mut xmpp = Xmpp { acknowledged: true, ..Xmpp::default() };
    let text = "<iq type='result'/><message><subject/></message><r xmlns='urn:xmpp:sm:3'/>";
    let (told, out) = decode(&mut xmpp, text).expect("valid");
    assert!(told.is_empty());
    assert_eq!(out, "<a xmlns='urn:xmpp:sm:3' h='2'/>");
}

#[test]
fn in_a_room_when_our_own_presence_came() {
    let mut xmpp = Xmpp { person: 5, ..Xmpp::default() };
    xmpp.encode(Order::Join(1), &mut Vec::new()).expect("encodes");
    let others = "<presence from='room1@conference.localhost/u4'><x/></presence>";
    let own = "<presence from='room1@conference.localhost/u5'><x><status code=\"110\"/></x></presence>";
    assert_eq!(decode(&mut xmpp, others).expect("valid").0, Vec::<String>::new());
    assert_eq!(decode(&mut xmpp, own).expect("valid").0, ["Ready"]);
}

#[test]
fn refusals_end_the_connection() {
    let mut xmpp = Xmpp::default();
    xmpp.encode(Order::Join(1), &mut Vec::new()).expect("encodes");
    assert!(decode(&mut xmpp, "<presence type='error'><error/></presence>").is_err());
    assert!(decode(&mut Xmpp::default(), "<stream:error><conflict/></stream:error>").is_err());
    assert!(decode(&mut Xmpp::default(), "</stream:stream>").is_err());
}
