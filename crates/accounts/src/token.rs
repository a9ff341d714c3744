//! Tokens: access tokens (JWT, RFC 7519, signed with Ed25519, RFC 8037) and refresh tokens (32 random bytes).
//!
//! Invariants: only `EdDSA` is accepted, whatever a token's header says (T53); a token of another server, an expired one
//! and one with a claim missing are refused; a refresh token exists in clear only in the answer that grants it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::SigningKey;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tacite_model::limits::{ACCESS_TOKEN_MS, TOKEN_BYTES_MAX};
use tacite_model::{AccountId, DeviceId, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::identity::{Identity, Scopes, SessionId};
use crate::store::TokenHash;
use crate::{AccountsError, Keys, Rng};

/// DER of a PKCS #8 private key for Ed25519 (RFC 8410, section 7), up to the 32 bytes of the seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Signs and checks the access tokens of one server.
pub(crate) struct AccessTokens {
    server_name: String,
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
}

/// What an access token says. Times are seconds since 1970, as RFC 7519 demands.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// Account, UUID.
    sub: String,
    /// Device, 1 to 127.
    device: u32,
    /// Session, 16 bytes in base64url.
    session: String,
    scope: String,
    iat: u64,
    exp: u64,
    /// The server's name.
    aud: String,
}

impl AccessTokens {
    pub(crate) fn new(keys: &Keys, server_name: &str) -> Self {
        let seed = keys.token_seed.expose();
        let private = Zeroizing::new([PKCS8_PREFIX.as_slice(), seed].concat());
        let public = SigningKey::from_bytes(seed).verifying_key();
        // Expiry is checked against the caller's clock, not against the library's.
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.validate_exp = false;
        validation.set_audience(&[server_name]);
        validation.set_required_spec_claims(&["aud", "exp", "sub"]);
        Self {
            server_name: server_name.to_owned(),
            signing: EncodingKey::from_ed_der(&private),
            verifying: DecodingKey::from_ed_der(public.as_bytes()),
            validation,
        }
    }

    /// A token for a device's session that begins `now`, and what it says.
    pub(crate) fn issue(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        session_id: SessionId,
        now: Timestamp,
    ) -> (String, Identity) {
        let exp = now.plus_ms(ACCESS_TOKEN_MS).as_seconds();
        let scopes = Scopes::DEVICE;
        let claims = Claims {
            sub: account_id.to_string(),
            device: device_id.into(),
            session: URL_SAFE_NO_PAD.encode(session_id.0),
            scope: scopes.to_claim(),
            iat: now.as_seconds(),
            exp,
            aud: self.server_name.clone(),
        };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &self.signing)
            .expect("an Ed25519 key made from a seed signs any claims");
        let expires_at = Timestamp::from_ms(exp.saturating_mul(1000));
        (token, Identity { account_id, device_id, session_id, scopes, expires_at })
    }

    /// Reads a token. Fails with [`AccountsError::TokenInvalid`], or [`AccountsError::SessionEnded`] once it has expired;
    /// whether its session still lives is the store's to say.
    pub(crate) fn verify(&self, token: &str, now: Timestamp) -> Result<Identity, AccountsError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(AccountsError::TokenInvalid);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation);
        let claims = decoded.map_err(|_| AccountsError::TokenInvalid)?.claims;
        if claims.exp <= now.as_seconds() {
            return Err(AccountsError::SessionEnded);
        }
        claims.identity().ok_or(AccountsError::TokenInvalid)
    }
}

impl Claims {
    fn identity(&self) -> Option<Identity> {
        Some(Identity {
            account_id: self.sub.parse().ok()?,
            device_id: DeviceId::try_from(self.device).ok()?,
            session_id: SessionId(decode(&self.session)?),
            scopes: Scopes::from_claim(&self.scope),
            expires_at: Timestamp::from_ms(self.exp.saturating_mul(1000)),
        })
    }
}

/// A refresh token, in clear.
pub(crate) struct RefreshToken(Secret<[u8; 32]>);

impl RefreshToken {
    pub(crate) fn random(rng: &mut Rng) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        rng.fill_bytes(bytes.as_mut());
        Self(Secret::new(*bytes))
    }

    pub(crate) fn from_text(text: &str) -> Result<Self, AccountsError> {
        decode(text).map(|bytes| Self(Secret::new(bytes))).ok_or(AccountsError::TokenInvalid)
    }

    pub(crate) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.expose())
    }

    /// What is stored. The token is random, so a plain hash cannot be guessed.
    pub(crate) fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.expose()).into())
    }
}

fn decode<const N: usize>(text: &str) -> Option<[u8; N]> {
    // The length comes first, so that nothing large is decoded.
    let fits = text.len() == (N * 4).div_ceil(3);
    fits.then(|| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()).flatten()
}

#[cfg(test)]
mod tests;
