//! Invitations: who has the secret may register.
//!
//! Invariants: the secret has 128 random bits and is stored as SHA-256 only; it is good for a bounded time and number of
//! uses; the invitation for the first account ends with the next one of its kind.

use tacite_model::limits::{INVITATION_MS, INVITATION_USES_MAX};
use tacite_model::{AccountId, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::registration::invitation_hash;
use crate::store::{NewInvitation, Store};
use crate::{Accounts, AccountsError, Rng};

impl<S: Store> Accounts<S> {
    /// Makes an invitation for `uses` registrations, 1 to 1,000, good for 7 days. `created_by` is `None` for the operator.
    ///
    /// Fails with `Unreadable` if `uses` is out of range.
    pub async fn invite(
        &self,
        uses: u32,
        created_by: Option<AccountId>,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Secret<[u8; 16]>, AccountsError> {
        let (secret, new) = draw(uses, created_by, now, rng)?;
        self.store.invite(new).await?;
        Ok(secret)
    }

    /// Makes the invitation that a new server shows to its operator, in place of earlier ones; `None` once there is an account.
    pub async fn first_invitation(
        &self,
        uses: u32,
        now: Timestamp,
        rng: &mut Rng,
    ) -> Result<Option<Secret<[u8; 16]>>, AccountsError> {
        let (secret, new) = draw(uses, None, now, rng)?;
        let kept = self.store.invite_first(new).await?;
        Ok(kept.then_some(secret))
    }
}

fn draw(
    uses: u32,
    created_by: Option<AccountId>,
    now: Timestamp,
    rng: &mut Rng,
) -> Result<(Secret<[u8; 16]>, NewInvitation), AccountsError> {
    if !(1..=INVITATION_USES_MAX).contains(&uses) {
        return Err(AccountsError::Unreadable("uses"));
    }
    let mut secret = Zeroizing::new([0; 16]);
    rng.fill_bytes(secret.as_mut());
    let hash = invitation_hash(&secret);
    let new = NewInvitation { hash, uses, created_by, now, expires_at: now.plus_ms(INVITATION_MS) };
    Ok((Secret::new(*secret), new))
}
