//! What can go wrong between this device and a server before a frame is exchanged, in words for people.
//!
//! Invariants: no sentence holds an address; a problem that waiting cannot mend is not retryable, so that nobody retries
//! against a wrong key.

use std::io;

use tacite_core::Problem;
use tacite_wire::Code;
use tokio_tungstenite::tungstenite::Error as WebSocketError;
use tokio_tungstenite::tungstenite::http::StatusCode;

/// The server did not answer, or the connection broke.
pub(crate) fn unreachable(error: &io::Error) -> Problem {
    let sentence = format!("The server cannot be reached: {}.", error.kind());
    later("server-unreachable", &sentence, "Check the network and whether the server runs.")
}

/// The server took too long to answer.
pub(crate) fn too_slow() -> Problem {
    later(
        "server-unreachable",
        "The server does not answer.",
        "Check the network and whether the server runs.",
    )
}

/// The link was open and has fallen silent or broken.
pub(crate) fn link_lost(detail: &str) -> Problem {
    later(
        "link-lost",
        &format!("The link to the server is gone: {detail}."),
        "Wait; it is opened again by itself.",
    )
}

/// The open link broke.
pub(crate) fn link_broken(error: &WebSocketError) -> Problem {
    match error {
        WebSocketError::Io(error) => link_lost(&error.kind().to_string()),
        error => link_lost(&error.to_string()),
    }
}

/// The TLS handshake failed.
pub(crate) fn handshake_failed(error: &io::Error) -> Problem {
    let Some(cause) = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>()) else {
        return unreachable(error);
    };
    match cause {
        rustls::Error::InvalidCertificate(rustls::CertificateError::ApplicationVerificationFailure) => never(
            "server-key-wrong",
            "The server shows another key than the one that this profile trusts. Somebody may be in between.",
            "Do not go on. Ask the server's administrator for a new invitation and compare the fingerprint.",
        ),
        rustls::Error::InvalidCertificate(_) => never(
            "certificate-invalid",
            &format!("The server's certificate is not trusted: {cause}."),
            "Use an invitation, which pins the server's key, or check the address.",
        ),
        _ => never(
            "tls-failed",
            &format!("The server does not speak TLS 1.3 as this client does: {cause}."),
            "Check the address and the port.",
        ),
    }
}

/// The WebSocket could not be opened.
pub(crate) fn upgrade_failed(error: &WebSocketError) -> Problem {
    match error {
        WebSocketError::Io(error) => unreachable(error),
        WebSocketError::Http(answer) if passing(answer.status()) => later(
            "server-unavailable",
            &format!("The server takes no links now (HTTP {}).", answer.status().as_u16()),
            "Wait; the client tries again by itself.",
        ),
        WebSocketError::Http(_) | WebSocketError::Protocol(_) => never(
            "not-a-server",
            "There is something else than a Tacite server at this address.",
            "Check the address and the port.",
        ),
        _ => link_lost("the WebSocket could not be opened"),
    }
}

/// The vault's server is to be reached without TLS and is not on this machine.
pub(crate) fn plain_not_allowed() -> Problem {
    never(
        "tls-wanted",
        "The server is on another machine and TLS is switched off.",
        "Use TLS, or say --disable-tls=force if the network between is yours.",
    )
}

/// The vault says that any certificate will do, and the caller does not.
pub(crate) fn unchecked_not_allowed() -> Problem {
    never(
        "certificate-unchecked",
        "This profile was made without checking the server's certificate.",
        "Say --allow-invalid-cert again, for tests only.",
    )
}

/// The address in the vault or configuration is not `host:port`.
pub(crate) fn address_invalid() -> Problem {
    never("address-invalid", "The server's address is not host:port.", "Check the configuration.")
}

/// The depot could not be reached, or broke off.
pub(crate) fn depot_unreachable() -> Problem {
    later(
        "depot-unreachable",
        "The place of sealed bodies cannot be reached.",
        "Wait; the client tries again.",
    )
}

/// The depot has refused a body, or a question for one.
pub(crate) fn depot_refused(status: StatusCode) -> Problem {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::of(Code::FRAME_MALFORMED),
        StatusCode::TOO_MANY_REQUESTS => Problem::of(Code::TOO_FAST),
        StatusCode::INSUFFICIENT_STORAGE => Problem::of(Code::STORAGE_FULL),
        // A permit that has expired is replaced by the next try.
        _ => later(
            "depot-refused",
            "The place of sealed bodies has refused one.",
            "Wait; the client tries again.",
        ),
    }
}

/// The server names a depot where nothing may be put.
pub(crate) fn depot_address_invalid() -> Problem {
    later(
        "depot-address-invalid",
        "The server names a place for sealed bodies that is no https address.",
        "Tell the server's administrator.",
    )
}

/// The server sent too much that is no frame.
pub(crate) fn garbage() -> Problem {
    later("server-garbage", "The server sent what cannot be read.", "Tell the server's administrator.")
}

fn passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

fn later(word: &'static str, sentence: &str, next_step: &str) -> Problem {
    problem(Code::UNAVAILABLE, word, sentence, next_step, true)
}

/// Nothing is to be said to this server.
fn never(word: &'static str, sentence: &str, next_step: &str) -> Problem {
    problem(Code::FORBIDDEN, word, sentence, next_step, false)
}

fn problem(code: Code, word: &'static str, sentence: &str, next_step: &str, retryable: bool) -> Problem {
    let (sentence, next_step) = (sentence.to_owned(), next_step.to_owned());
    Problem { code, word, sentence, next_step, retryable, retry_after_ms: None }
}
