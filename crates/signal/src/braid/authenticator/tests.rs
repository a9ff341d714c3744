//! Known answers.

use super::{Authenticator, epoch_secret};
use crate::test_support::{array, pattern, secret, vectors};

#[test]
fn vectors_of_the_authenticator() {
    let vector = vectors("spqr_keys");
    let initial = Authenticator::new(&secret(&vector["auth_key"]));
    assert_eq!(initial.root, secret(&vector["authenticator_initial"]["root"]));
    assert_eq!(initial.mac_key, secret(&vector["authenticator_initial"]["mac_key"]));
    assert_eq!(initial.header_mac(1, &array(&vector["header"])), array::<32>(&vector["header_mac_epoch1"]));

    let secret_1 = epoch_secret(1, &secret(&vector["kem_shared"]));
    assert_eq!(secret_1, secret(&vector["scka_key_epoch1"]));
    let updated = initial.updated(1, &secret_1);
    assert_eq!(updated.root, secret(&vector["authenticator_after_epoch1_key"]["root"]));
    assert_eq!(updated.mac_key, secret(&vector["authenticator_after_epoch1_key"]["mac_key"]));
    let ciphertext = pattern(61, 1088);
    let (first, second) = (ciphertext.first_chunk().unwrap(), ciphertext.last_chunk().unwrap());
    assert_eq!(updated.ciphertext_mac(1, first, second), array::<32>(&vector["ct_mac_epoch1"]));
}
