//! `docs/protocol` says what the code says.
//!
//! Invariants: every opcode and every code has one row in the table of its page, in the order of the numbers; no row is
//! wrong or left over; the example bytes are what the code makes.

use std::collections::BTreeSet;
use std::path::Path;

use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_wire::proto::{Empty, Hello};
use tacite_wire::signing::{deployment_text, sign_in_text};
use tacite_wire::{Code, Frame, HEADER_BYTES, Header, Mnemonic, Opcode, Status};

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows, cell by cell, of all tables whose first line begins like this.
fn rows<'p>(page: &'p str, head: &str) -> Vec<Vec<&'p str>> {
    let mut rows = Vec::new();
    let mut lines = page.lines();
    while lines.by_ref().any(|line| line.starts_with(head)) {
        let rules_and_rows = lines.by_ref().take_while(|line| line.starts_with('|'));
        rows.extend(
            rules_and_rows.skip(1).map(|row| row.trim_matches('|').split('|').map(str::trim).collect()),
        );
    }
    rows
}

/// What stands in the page's blocks of hexadecimal digits, without white space.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```hex").skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap_or("").split_whitespace().collect()).collect()
}

// A1
#[test]
fn the_table_of_opcodes_is_the_codes() {
    let page = page("opcodes.md");
    let documented: Vec<[String; 3]> =
        rows(&page, "| number |").iter().map(|row| [0, 1, 2].map(|cell| row[cell].to_owned())).collect();
    let known: Vec<[String; 3]> = Opcode::ALL
        .iter()
        .map(|(opcode, mnemonic)| {
            let from = if opcode.is_push() { "server" } else { "client" };
            [opcode.0.to_string(), format!("`{mnemonic}`"), from.to_owned()]
        })
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn opcodes_are_answered_with_known_codes() {
    let page = page("opcodes.md");
    let known: BTreeSet<u16> = Code::ALL.iter().map(|(code, _)| code.0).collect();
    for row in rows(&page, "| number |") {
        let numbers = [row[5], row[6]].into_iter().flat_map(|cell| cell.split(' '));
        for code in numbers.filter_map(|word| word.parse::<u16>().ok()) {
            assert!(known.contains(&code), "{code} of {}", row[1]);
        }
    }
}

#[test]
fn the_table_of_codes_is_the_codes() {
    let page = page("codes.md");
    let documented: Vec<[String; 4]> = rows(&page, "| code | sentence |")
        .iter()
        .map(|row| [0, 1, 2, 3].map(|cell| row[cell].to_owned()))
        .collect();
    let known: Vec<[String; 4]> = Code::ALL
        .iter()
        .map(|(code, explanation)| {
            let retry = if explanation.retryable { "yes" } else { "no" };
            [&code.0.to_string(), explanation.sentence, explanation.next_step, retry].map(str::to_owned)
        })
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn example_frames_are_what_the_code_makes() {
    let refused = Header {
        opcode: Opcode::SEND_DIRECT,
        mnemonic: Mnemonic(*b"smpu"),
        message_id: MessageId::from_bytes([0xAB; 16]),
        timestamp: Timestamp::from_ms(0x0102_0304_0506_0708),
        version: 1,
        status: Status::ERROR,
        code: Code::NOBODY,
        body_bytes: 513,
    };
    let body = Hello { version: 1, software: String::from("tacite 0.1.0"), ..Hello::default() };
    let id = MessageId::from_bytes([1; 16]);
    let hello = Frame::command(Opcode::HELLO, id, Timestamp::from_ms(5), &body).unwrap();
    let answer =
        Frame::answer(&hello.header, Status::FINISHED, Code::DONE, Timestamp::from_ms(9), &Empty {}).unwrap();
    let hello = hello.into_bytes();
    assert_eq!(hello.len(), 296);
    let (shown, padding) = hello.split_at(HEADER_BYTES + 16);
    assert_eq!(padding, [0; 240]);
    let made = [hex::encode(refused.encode()), hex::encode(shown), hex::encode(answer.header.encode())];
    assert_eq!(examples(&page("frame.md")), made);
}

#[test]
fn example_texts_are_what_the_code_makes() {
    let alice = AccountId::from_bytes([1; 16]);
    let made = [sign_in_text("club", &[2; 32], alice, DeviceId::FIRST), deployment_text(&[2; 32])];
    assert_eq!(examples(&page("passwords.md")), made.map(hex::encode));
}
