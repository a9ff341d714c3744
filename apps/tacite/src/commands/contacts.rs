//! `tacite contacts`.
//!
//! Invariant: a change is made on what the server knows now, not on what this device last heard.

use serde_json::{Value, json};
use tacite_client::core::{ContactView, Intent, Outcome, Standing, queries};
use tacite_client::model::Handle;

use super::{GLANCE, TIME, time, within_session};
use crate::arguments::{Common, Contacts};
use crate::failure::{Exit, Failure};
use crate::opening;
use crate::output::Output;

/// `tacite contacts request|accept|refuse`
pub(super) fn change(common: &Common, contacts: &Contacts, output: &mut Output) -> Result<(), Failure> {
    let (intent, command) = match contacts {
        Contacts::Request { handle } => {
            (Intent::RequestContact { handle: handle.clone() }, "contacts request")
        }
        Contacts::Accept { handle } => (Intent::AcceptContact { handle: handle.clone() }, "contacts accept"),
        Contacts::Refuse { handle } => (Intent::RefuseContact { handle: handle.clone() }, "contacts refuse"),
        Contacts::List { offline } => return list(common, *offline, output),
    };
    let opened = opening::existing(common, command)?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        online.until_level(output).await?;
        let Outcome::Contact { handle, standing } = online.perform(intent).await? else {
            return Err(Failure::unexpected());
        };
        Ok(output.result(&object(&handle, standing), &sentence(&handle, standing))?)
    })
}

/// `tacite contacts list`
pub(super) fn list(common: &Common, offline: bool, output: &mut Output) -> Result<(), Failure> {
    let mut opened = opening::existing(common, "contacts list")?;
    if offline {
        let contacts = queries::contacts(&opened.vault.transaction()?)?;
        return print(&contacts, output);
    }
    within_session(common, opened, time(common, GLANCE), output, async |online, output| {
        match online.until_level(output).await {
            Err(failure) if matches!(failure.exit, Exit::Unreached | Exit::LogInFirst | Exit::Refused) => {
                output.remark(&format!("note: {} This list may be old.", failure.sentence))?;
            }
            reached => reached?,
        }
        print(&online.session().query(|tx| queries::contacts(tx)).await?, output)
    })
}

fn print(contacts: &[ContactView], output: &mut Output) -> Result<(), Failure> {
    if contacts.is_empty() {
        output.remark("No contacts yet. Ask somebody with `tacite contacts request @NAME`.")?;
    }
    for contact in contacts {
        let mut object = object(&contact.handle, contact.standing);
        object["account_id"] = json!(contact.account_id.to_string());
        object["verified"] = json!(contact.verified);
        let standing = match contact.standing {
            Standing::Asked => "you asked",
            Standing::Asking => "asks to be your contact",
            Standing::Accepted => "contact",
            Standing::Refused => "refused",
        };
        output.result(&object, &format!("{} ({standing})", contact.handle))?;
    }
    Ok(())
}

fn object(handle: &Handle, standing: Standing) -> Value {
    json!({ "handle": handle.to_string(), "standing": standing.as_str() })
}

fn sentence(handle: &Handle, standing: Standing) -> String {
    match standing {
        Standing::Asked => format!("Asked {handle}. You can write to each other once they accept."),
        Standing::Asking => format!("{handle} asks to be your contact."),
        Standing::Accepted => format!("You and {handle} are contacts."),
        Standing::Refused => format!("Refused {handle}; they are not told."),
    }
}
