//! Project Wycheproof's vectors for every primitive that the protocol uses.
//!
//! Where the crate wraps a primitive publicly, through the wrapper; else through the library that it uses.

use aes::{Aes128, Aes192, Aes256};
use cbc::cipher::{BlockCipherDecrypt, BlockModeDecrypt, KeyInit, KeyIvInit, block_padding::Pkcs7};
use curve25519_dalek::edwards::CompressedEdwardsY;
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use libcrux_ml_kem::{mlkem768, mlkem1024};
use sha2::Sha256;
use tacite_signal::{PrivateKey, PublicKey};
use wycheproof::{TestResult, cipher, eddsa, hkdf as hkdf_vectors, mac, mlkem, xdh};

#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let private: [u8; 32] = test.private_key.as_slice().try_into().unwrap();
        let Ok(public) = test.public_key.as_slice().try_into() else {
            assert_eq!(test.result, TestResult::Invalid);
            continue;
        };
        let shared = PrivateKey::from_bytes(&private).agree(&PublicKey::from_u_coordinate(public));
        if test.shared_secret.iter().all(|byte| *byte == 0) {
            assert!(shared.is_err(), "test {}: a zero secret is refused", test.tc_id);
        } else {
            assert_eq!(shared.unwrap().as_slice(), test.shared_secret.as_slice(), "test {}", test.tc_id);
        }
    }
}

/// XEdDSA verifies as Ed25519 does, with the sign of the key in the signature's last bit, so the vectors of Ed25519 serve.
#[test]
fn t03_ed25519_by_way_of_xeddsa() {
    let set = eddsa::TestSet::load(eddsa::TestName::Ed25519).unwrap();
    let mut valid = 0;
    for group in &set.test_groups {
        let compressed = CompressedEdwardsY::from_slice(&group.key.pk).unwrap();
        let Some(point) = compressed.decompress() else { continue };
        let key = PublicKey::from_u_coordinate(point.to_montgomery().to_bytes());
        for test in &group.tests {
            let mut signature = test.sig.to_vec();
            // A signature with the bit set already would be another one.
            if signature.get(63).is_some_and(|last| last & 0x80 != 0) {
                continue;
            }
            if let Some(last) = signature.get_mut(63) {
                *last |= compressed.as_bytes()[31] & 0x80;
            }
            let verified = key.verify(&test.msg, &signature).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "test {}: {}", test.tc_id, test.comment);
            valid += u32::from(verified);
        }
    }
    assert!(valid > 50);
}

#[test]
fn hkdf_sha256() {
    let set = hkdf_vectors::TestSet::load(hkdf_vectors::TestName::HkdfSha256).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mut okm = vec![0; test.size];
        let expanded = Hkdf::<Sha256>::new(Some(&test.salt), &test.ikm).expand(&test.info, &mut okm);
        assert_eq!(expanded.is_ok(), test.result == TestResult::Valid, "test {}", test.tc_id);
        assert!(expanded.is_err() || okm == test.okm.as_slice(), "test {}", test.tc_id);
    }
}

#[test]
fn hmac_sha256() {
    let set = mac::TestSet::load(mac::TestName::HmacSha256).unwrap();
    for group in &set.test_groups {
        for test in &group.tests {
            let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&test.key).unwrap().chain_update(&test.msg);
            let verified = mac.verify_truncated_left(&test.tag).is_ok();
            assert_eq!(verified, test.result == TestResult::Valid, "test {}", test.tc_id);
        }
    }
}

#[test]
fn aes_cbc_pkcs7() {
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (key, iv, ciphertext) = (&test.key, &test.nonce, &test.ct);
        let plaintext = match key.len() {
            16 => decrypt::<Aes128>(key, iv, ciphertext),
            24 => decrypt::<Aes192>(key, iv, ciphertext),
            _ => decrypt::<Aes256>(key, iv, ciphertext),
        };
        let expected = (test.result == TestResult::Valid).then(|| test.pt.to_vec());
        assert_eq!(plaintext, expected, "test {}", test.tc_id);
    }
}

fn decrypt<C: BlockCipherDecrypt + KeyInit>(key: &[u8], iv: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let mut buffer = ciphertext.to_vec();
    let decryptor = cbc::Decryptor::<C>::new_from_slices(key, iv).unwrap();
    decryptor.decrypt_padded::<Pkcs7>(&mut buffer).ok().map(<[u8]>::to_vec)
}

/// The vectors of one parameter set, from key generation to decapsulation.
macro_rules! ml_kem {
    ($name:ident, $module:ident, $whole:ident, $encaps:ident, $generate:ident, $public:ty, $ciphertext:ty) => {
        #[test]
        fn $name() {
            let tests = |name| {
                mlkem::TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests)
            };
            for test in tests(mlkem::TestName::$generate) {
                let pair = $module::generate_key_pair(test.seed.unwrap().as_slice().try_into().unwrap());
                assert_eq!(pair.pk().as_slice(), test.encaps_key.unwrap().as_slice());
                assert_eq!(pair.sk().as_slice(), test.decaps_key.unwrap().as_slice());
            }
            for test in tests(mlkem::TestName::$encaps) {
                let key = <$public>::try_from(test.encaps_key.as_ref().unwrap().as_slice());
                let key = key.ok().filter(|key| $module::validate_public_key(key));
                assert_eq!(key.is_some(), test.result == TestResult::Valid, "encapsulation {}", test.tc_id);
                let Some(key) = key else { continue };
                let (ciphertext, shared) =
                    $module::encapsulate(&key, test.msg.unwrap().as_slice().try_into().unwrap());
                assert_eq!(ciphertext.as_slice().as_slice(), test.ct.unwrap().as_slice());
                assert_eq!(shared.as_slice(), test.shared_secret.unwrap().as_slice());
            }
            for test in tests(mlkem::TestName::$whole) {
                let seed = test.seed.as_ref().and_then(|seed| seed.as_slice().try_into().ok());
                let ciphertext = test.ct.as_ref().and_then(|ct| <$ciphertext>::try_from(ct.as_slice()).ok());
                let (Some(seed), Some(ciphertext)) = (seed, ciphertext) else {
                    assert_eq!(test.result, TestResult::Invalid, "decapsulation {}", test.tc_id);
                    continue;
                };
                let pair = $module::generate_key_pair(seed);
                let shared = $module::decapsulate(pair.private_key(), &ciphertext);
                assert_eq!(
                    shared.as_slice(),
                    test.shared_secret.unwrap().as_slice(),
                    "decapsulation {}",
                    test.tc_id
                );
            }
        }
    };
}

ml_kem!(
    t02_ml_kem_768,
    mlkem768,
    MlKem768,
    MlKem768Encaps,
    MlKem768KeyGenSeed,
    mlkem768::MlKem768PublicKey,
    mlkem768::MlKem768Ciphertext
);
ml_kem!(
    t02_ml_kem_1024,
    mlkem1024,
    MlKem1024,
    MlKem1024Encaps,
    MlKem1024KeyGenSeed,
    mlkem1024::MlKem1024PublicKey,
    mlkem1024::MlKem1024Ciphertext
);
