//! Known answer of the key derivation.

use super::Agreements;
use crate::{
    secret::Secret,
    test_support::{bytes, secret, vectors},
};

#[test]
fn vectors_of_the_handshake() {
    let vector = vectors("pqxdh");
    let input = bytes(&vector["secret_input"]);
    let parts: Vec<_> = input.chunks(32).map(Secret::<32>::copy_of).collect();
    let [_, dh1, dh2, dh3, dh4, kem] = parts.as_slice() else { panic!("six parts") };
    let keys = Agreements { classical: [dh1, dh2, dh3], one_time: Some(dh4), post_quantum: kem }.keys();
    assert_eq!(keys.root, secret(&vector["root"]));
    assert_eq!(keys.chain, secret(&vector["chain"]));
    assert_eq!(keys.authentication, secret(&vector["spqr_auth"]));
    let without = Agreements { classical: [dh1, dh2, dh3], one_time: None, post_quantum: kem }.keys();
    assert_ne!(without.root, keys.root);
}
