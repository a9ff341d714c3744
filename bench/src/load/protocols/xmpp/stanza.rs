//! Where stanzas begin and end, without a parser of XML.
//!
//! Invariant: both servers escape `>` in attributes and text, so tags can be told apart by `<` and `>`.

use memchr::{memchr, memmem};

/// The length of the first whole element (or of the end of the stream), with the blanks before it.
pub(super) fn stanza_end(input: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_u32);
    loop {
        let open = at + memchr(b'<', &input[at..])?;
        let close = open + memchr(b'>', &input[open..])?;
        at = close + 1;
        match (input[open + 1], input[close - 1]) {
            (b'?', _) => continue,
            (b'/', _) => depth = depth.saturating_sub(1),
            (_, b'/') => {}
            // The stream's own tag never closes: step over it.
            _ if input[open..].starts_with(b"<stream:stream") => continue,
            _ => depth += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

/// The text of a message.
pub(super) fn body_of(stanza: &[u8]) -> Option<&[u8]> {
    let start = memmem::find(stanza, b"<body>")? + b"<body>".len();
    let length = memchr(b'<', &stanza[start..])?;
    Some(&stanza[start..start + length])
}

/// Whether some tag says `name='value'`, in either kind of quotes.
pub(super) fn has_attribute(stanza: &[u8], name: &str, value: &str) -> bool {
    ['\'', '"']
        .iter()
        .any(|quote| memmem::find(stanza, format!("{name}={quote}{value}{quote}").as_bytes()).is_some())
}

/// How many stanzas an `<a/>` says were handled.
pub(super) fn attribute_h(stanza: &[u8]) -> Option<u32> {
    let start = memmem::find(stanza, b" h=")? + b" h='".len();
    let digits = stanza.get(start..)?.split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanzas_end_where_their_first_tag_closes() {
        assert_eq!(stanza_end(b"<a/>x"), Some(4));
        assert_eq!(stanza_end(b"<m><b>x</b></m><m>"), Some(15));
        assert_eq!(stanza_end(b"<m><b>x</b>"), None);
        assert_eq!(stanza_end(b"\n<?xml version='1.0'?><stream:stream a='b'><f/>"), Some(47));
        assert_eq!(stanza_end(b"</stream:stream>"), Some(16));
    }

    #[test]
    fn bodies_and_attributes_are_found() {
        assert_eq!(body_of(b"<message><body>hello</body></message>"), Some(&b"hello"[..]));
        assert_eq!(body_of(b"<message><subject/></message>"), None);
        assert!(has_attribute(b"<status code=\"110\"/>", "code", "110"));
        assert!(has_attribute(b"<status code='110'/>", "code", "110"));
        assert!(!has_attribute(b"<status code='1101'/>", "code", "110"));
        assert_eq!(attribute_h(b"<a xmlns='urn:xmpp:sm:3' h='12'/>"), Some(12));
        assert_eq!(attribute_h(b"<a h="), None);
    }
}
