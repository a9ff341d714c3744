//! Tests of access tokens against forgers (T53), and of refresh tokens' text.

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_ms(1_800_000_000_500);
const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const SESSION: SessionId = SessionId([7; 16]);

fn keys(seed: u64) -> Keys {
    Keys::generate(&mut ChaCha20Rng::seed_from_u64(seed))
}

fn club() -> AccessTokens {
    AccessTokens::new(&keys(1), "club.example")
}

fn alices_token() -> String {
    club().issue(ALICE, DeviceId::FIRST, SESSION, NOW).0
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// Signs whatever header and claims with the club's own key.
fn signed(header: &Value, claims: &Value) -> String {
    use ed25519_dalek::Signer as _;
    let message = format!("{}.{}", part(header), part(claims));
    let signature = SigningKey::from_bytes(keys(1).token_seed.expose()).sign(message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

// B6, B7: what a token says.
#[test]
fn a_token_names_account_device_session_scope_and_times() {
    let (token, identity) = club().issue(ALICE, DeviceId::FIRST, SESSION, NOW);
    assert_eq!(club().verify(&token, NOW), Ok(identity.clone()));
    assert_eq!((identity.account_id, identity.session_id), (ALICE, SESSION));
    assert_eq!(identity.scopes, Scopes::DEVICE);
    assert!(token.len() <= TOKEN_BYTES_MAX);
    let claims = claims_of(&token);
    assert_eq!(claims["sub"], ALICE.to_string());
    assert_eq!(claims["aud"], "club.example");
    assert_eq!(claims["iat"], 1_800_000_000_u64);
    assert_eq!(claims["exp"], 1_800_000_900_u64, "15 minutes");
    assert_eq!(claims["scope"], Scopes::DEVICE.to_claim());
}

// B6, T53
#[test]
fn a_token_ends_after_15_minutes() {
    let (token, identity) = club().issue(ALICE, DeviceId::FIRST, SESSION, NOW);
    let end = identity.expires_at;
    assert!(club().verify(&token, end.minus_ms(1)).is_ok());
    assert_eq!(club().verify(&token, end), Err(AccountsError::SessionEnded));
}

// T53
#[test]
fn another_servers_token_is_refused() {
    let same_key = AccessTokens::new(&keys(1), "other.example");
    assert_eq!(same_key.verify(&alices_token(), NOW), Err(AccountsError::TokenInvalid));
    let same_name = AccessTokens::new(&keys(2), "club.example");
    assert_eq!(same_name.verify(&alices_token(), NOW), Err(AccountsError::TokenInvalid));
}

// T53
#[test]
fn no_other_algorithm_is_accepted_whatever_the_header_says() {
    let token = alices_token();
    let (claims, signature) = (token.split('.').nth(1).unwrap(), token.split('.').nth(2).unwrap());
    for algorithm in ["none", "None", "HS256", "RS256", "ES256", "PS512", ""] {
        let header = part(&json!({ "alg": algorithm, "typ": "JWT" }));
        for signature in [signature, ""] {
            let forged = format!("{header}.{claims}.{signature}");
            assert_eq!(club().verify(&forged, NOW), Err(AccountsError::TokenInvalid), "{algorithm}");
        }
    }
}

// T53
#[test]
fn the_public_key_is_no_shared_secret() {
    let public = SigningKey::from_bytes(keys(1).token_seed.expose()).verifying_key();
    let secret = EncodingKey::from_secret(public.as_bytes());
    let claims = claims_of(&alices_token());
    let forged = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &secret).unwrap();
    assert_eq!(club().verify(&forged, NOW), Err(AccountsError::TokenInvalid));
}

// T53
#[test]
fn a_key_named_or_brought_by_the_token_is_not_used() {
    use ed25519_dalek::Signer as _;
    let mallory = SigningKey::from_bytes(&[0x66; 32]);
    let x = URL_SAFE_NO_PAD.encode(mallory.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": x });
    let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": "../../dev/null", "jwk": jwk });
    let message = format!("{}.{}", part(&header), part(&claims_of(&alices_token())));
    let signature = URL_SAFE_NO_PAD.encode(mallory.sign(message.as_bytes()).to_bytes());
    let forged = format!("{message}.{signature}");
    assert_eq!(club().verify(&forged, NOW), Err(AccountsError::TokenInvalid));
}

// T53
#[test]
fn a_changed_claim_breaks_the_signature_and_a_missing_one_the_token() {
    let token = alices_token();
    let mut claims = claims_of(&token);
    claims["sub"] = json!(AccountId::from_bytes([0xB0; 16]).to_string());
    let parts: Vec<_> = token.split('.').collect();
    let changed = format!("{}.{}.{}", parts[0], part(&claims), parts[2]);
    assert_eq!(club().verify(&changed, NOW), Err(AccountsError::TokenInvalid));

    let header = json!({ "alg": "EdDSA", "typ": "JWT" });
    let whole = claims_of(&token);
    assert!(club().verify(&signed(&header, &whole), NOW).is_ok());
    for claim in ["sub", "device", "session", "scope", "iat", "exp", "aud"] {
        let mut claims = whole.clone();
        claims.as_object_mut().unwrap().remove(claim);
        let token = signed(&header, &claims);
        assert_eq!(club().verify(&token, NOW), Err(AccountsError::TokenInvalid), "{claim}");
    }
}

#[test]
fn oversized_and_garbled_tokens_are_refused() {
    let longest = "a".repeat(TOKEN_BYTES_MAX);
    let too_long = "a".repeat(TOKEN_BYTES_MAX + 1);
    for token in ["", ".", "..", "...", "a.b.c", "é.é.é", &longest, &too_long] {
        assert_eq!(club().verify(token, NOW), Err(AccountsError::TokenInvalid));
    }
}

#[test]
fn a_token_is_read_up_to_the_limit_and_no_further() {
    let header = json!({ "alg": "EdDSA", "typ": "JWT" });
    let mut claims = claims_of(&alices_token());
    for bytes in 0..TOKEN_BYTES_MAX {
        claims["padding"] = json!("x".repeat(bytes));
        let token = signed(&header, &claims);
        assert_eq!(club().verify(&token, NOW).is_ok(), token.len() <= TOKEN_BYTES_MAX, "{}", token.len());
    }
}

#[test]
fn a_refresh_token_survives_text_and_nothing_else_is_one() {
    let token = RefreshToken::random(&mut ChaCha20Rng::seed_from_u64(3));
    let text = token.to_text();
    assert_eq!(text.len(), 43);
    assert_eq!(RefreshToken::from_text(&text).unwrap().hash(), token.hash());
    for wrong in ["", &text[1..], &format!("{text}A"), &text.replace(|_| true, "!")] {
        assert_eq!(RefreshToken::from_text(wrong).err(), Some(AccountsError::TokenInvalid));
    }
}
