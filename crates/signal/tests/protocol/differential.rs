//! libcrux and `RustCrypto`'s `ml-kem` give the same keys, ciphertexts and secrets, also for altered ciphertexts.

use libcrux_ml_kem::{mlkem768, mlkem1024};
use ml_kem::{Decapsulate, DecapsulationKey, KeyExport, MlKem768, MlKem1024};
use proptest::prelude::*;

macro_rules! differential {
    ($name:ident, $libcrux:ident, $parameters:ty) => {
        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
            #[test]
            fn $name(d in any::<[u8; 32]>(), z in any::<[u8; 32]>(), coins in any::<[u8; 32]>(), flip in any::<Option<u16>>()) {
                let seed: [u8; 64] = [d, z].concat().try_into().unwrap();
                let ours = $libcrux::generate_key_pair(seed);
                let theirs = DecapsulationKey::<$parameters>::from_seed(seed.into());
                let their_public = theirs.encapsulation_key();
                let their_key = their_public.to_bytes();
                prop_assert_eq!(ours.pk().as_slice(), their_key.as_slice());

                let (ciphertext, shared) = $libcrux::encapsulate(ours.public_key(), coins);
                let (their_ciphertext, their_shared) = their_public.encapsulate_deterministic(&coins.into());
                prop_assert_eq!(ciphertext.as_slice().as_slice(), their_ciphertext.as_slice());
                prop_assert_eq!(shared.as_slice(), their_shared.as_slice());

                let mut bytes = *ciphertext.as_slice();
                if let Some(place) = flip {
                    bytes[usize::from(place) % bytes.len()] ^= 1;
                }
                let secret = $libcrux::decapsulate(ours.private_key(), &bytes.into());
                let their_secret = theirs.decapsulate(&bytes.into());
                prop_assert_eq!(secret.as_slice(), their_secret.as_slice());
                prop_assert_eq!(secret == shared, flip.is_none());
            }
        }
    };
}

differential!(t02_ml_kem_768, mlkem768, MlKem768);
differential!(t02_ml_kem_1024, mlkem1024, MlKem1024);
