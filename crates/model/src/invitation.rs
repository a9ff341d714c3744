//! Invitations: one link that says where a server is, which key it must show, and that its bearer may register.
//!
//! Grammar: `tacite://ADDRESS/NAME#SECRET.PIN`, where ADDRESS is `host:port`, NAME the server's name, SECRET and PIN
//! base64url without padding; `.PIN` is absent when the server shows a public certificate. Secret and pin stand in the
//! fragment, which browsers never send.
//!
//! Invariants: the secret has 128 bits, the pin 256; a parsed invitation prints as the text that it was parsed from.

use core::fmt;
use core::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;

use crate::Secret;
use crate::limits::SERVER_NAME_BYTES_MAX;

const SCHEME: &str = "tacite://";

/// SHA-256 of the DER encoding of a server's public key (`SubjectPublicKeyInfo`), as in RFC 7469.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyPin(pub [u8; 32]);

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyPin({self})")
    }
}

impl FromStr for KeyPin {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        decode::<32>(text).map(Self).ok_or(InvitationError::Pin)
    }
}

/// What an invitation link says.
#[derive(Debug, Clone)]
pub struct Invitation {
    address: String,
    server_name: String,
    secret: Secret<[u8; 16]>,
    pin: Option<KeyPin>,
}

/// Why a text is not an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvitationError {
    /// Does not begin with `tacite://`, or a part is missing.
    #[error("not an invitation: it looks like tacite://host:port/name#secret.pin")]
    Form,
    /// The address is not `host:port`.
    #[error("the address in the invitation is not host:port")]
    Address,
    /// The name is empty, too long, or has other than letters, digits, '.', '-' and ':'.
    #[error("the server's name in the invitation is not valid")]
    ServerName,
    /// The secret is not 128 bits in base64url.
    #[error("the secret in the invitation is damaged; copy the whole link")]
    Secret,
    /// The pin is not 256 bits in base64url.
    #[error("the server key in the invitation is damaged; copy the whole link")]
    Pin,
}

impl Invitation {
    /// Puts an invitation together. `address` is `host:port`.
    pub fn new(
        address: &str,
        server_name: &str,
        secret: [u8; 16],
        pin: Option<KeyPin>,
    ) -> Result<Self, InvitationError> {
        check_address(address)?;
        check_server_name(server_name)?;
        let (address, server_name) = (address.to_owned(), server_name.to_owned());
        Ok(Self { address, server_name, secret: Secret::new(secret), pin })
    }

    /// Where to connect, `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The name that the server must give itself, and to which log-in signatures are bound.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }

    /// What allows its bearer to register.
    #[must_use]
    pub const fn secret(&self) -> &Secret<[u8; 16]> {
        &self.secret
    }

    /// The key that the server must show; `None`: a public certificate for the address.
    #[must_use]
    pub const fn pin(&self) -> Option<KeyPin> {
        self.pin
    }

    /// The whole link, secret included.
    #[must_use]
    pub fn to_link(&self) -> String {
        let secret = URL_SAFE_NO_PAD.encode(self.secret.expose());
        let pin = self.pin.map(|pin| format!(".{pin}")).unwrap_or_default();
        format!("{SCHEME}{}/{}#{secret}{pin}", self.address, self.server_name)
    }
}

impl FromStr for Invitation {
    type Err = InvitationError;

    fn from_str(text: &str) -> Result<Self, InvitationError> {
        let rest = text.trim().strip_prefix(SCHEME).ok_or(InvitationError::Form)?;
        let (place, fragment) = rest.split_once('#').ok_or(InvitationError::Form)?;
        let (address, server_name) = place.split_once('/').ok_or(InvitationError::Form)?;
        let (secret, pin) = match fragment.split_once('.') {
            Some((secret, pin)) => (secret, Some(pin.parse()?)),
            None => (fragment, None),
        };
        let secret = decode::<16>(secret).ok_or(InvitationError::Secret)?;
        Self::new(address, server_name, secret, pin)
    }
}

/// Checks that a text is `host:port` (or `[v6]:port`).
pub fn check_address(address: &str) -> Result<(), InvitationError> {
    let (host, port) = address.rsplit_once(':').ok_or(InvitationError::Address)?;
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    let host_is_valid = !host.is_empty() && host.len() <= SERVER_NAME_BYTES_MAX && host.chars().all(valid);
    if !host_is_valid || !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return Err(InvitationError::Address);
    }
    Ok(())
}

/// Checks that a text may be the name of a server: 1 to 255 letters, digits, '.', '-' or ':'.
pub fn check_server_name(name: &str) -> Result<(), InvitationError> {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    if name.is_empty() || name.len() > SERVER_NAME_BYTES_MAX || !name.chars().all(valid) {
        return Err(InvitationError::ServerName);
    }
    Ok(())
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation(pin: Option<KeyPin>) -> Invitation {
        Invitation::new("127.0.0.1:7878", "club.example", [9; 16], pin).unwrap()
    }

    #[test]
    fn a_link_prints_as_it_was_parsed() {
        for pin in [None, Some(KeyPin([4; 32]))] {
            let link = invitation(pin).to_link();
            let parsed: Invitation = link.parse().unwrap();
            assert_eq!(parsed.to_link(), link);
            assert_eq!(parsed.pin(), pin);
            assert_eq!(parsed.secret().expose(), &[9; 16]);
        }
    }

    #[test]
    fn each_damaged_part_is_named() {
        let link = invitation(Some(KeyPin([4; 32]))).to_link();
        let parse = |text: &str| text.parse::<Invitation>().unwrap_err();
        assert_eq!(parse("https://example.org"), InvitationError::Form);
        assert_eq!(parse(&link[..link.len() - 1]), InvitationError::Pin);
        assert_eq!(parse(link.split_once('#').unwrap().0), InvitationError::Form);
        assert_eq!(parse(&link.replace(":7878", ":0")), InvitationError::Address);
        assert_eq!(parse(&link.replace(":7878", "")), InvitationError::Address);
        assert_eq!(parse(&link.replace("club", "cl ub")), InvitationError::ServerName);
        assert_eq!(parse("tacite://a:1/b#AAAA"), InvitationError::Secret);
    }

    #[test]
    fn a_secret_is_not_printed_by_accident() {
        assert!(!format!("{:?}", invitation(None)).contains("CQkJ"));
    }
}
