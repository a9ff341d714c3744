//! `tacite contacts`.
//!
//! Invariant: a change is made on what the server knows now, not on what this device last heard.

use serde_json::{Value, json};
use tacite_client::core::{ContactNote, ContactView, Intent, Outcome, Standing, queries};
use tacite_client::model::Handle;

use super::{GLANCE, TIME, time, within_session};
use crate::arguments::{Common, Contacts};
use crate::escape;
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
        Contacts::Block { handle } => (Intent::BlockContact { handle: handle.clone() }, "contacts block"),
        Contacts::Unblock { handle } => {
            (Intent::UnblockContact { handle: handle.clone() }, "contacts unblock")
        }
        Contacts::Note { handle, name, notes } => {
            return note(common, handle, (name.as_deref(), notes.as_deref()), output);
        }
        Contacts::List { offline } => return list(common, *offline, output),
    };
    let opened = opening::existing(common, command)?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        online.until_level(output).await?;
        let Outcome::Contact { handle, standing } = online.perform(intent).await? else {
            return Err(Failure::unexpected());
        };
        let (mut object, mut sentence) = (object(&handle, standing), sentence(&handle, standing));
        if let Contacts::Block { .. } | Contacts::Unblock { .. } = contacts {
            let blocked = matches!(contacts, Contacts::Block { .. });
            object["blocked"] = json!(blocked);
            sentence = format!("{handle} is {}.", if blocked { "blocked" } else { "not blocked any more" });
        }
        Ok(output.result(&object, &sentence)?)
    })
}

/// `tacite contacts note`
fn note(
    common: &Common,
    handle: &Handle,
    (name, notes): (Option<&str>, Option<&str>),
    output: &mut Output,
) -> Result<(), Failure> {
    let changes = [
        name.map(|name| ContactNote::OwnName(name.to_owned())),
        notes.map(|notes| ContactNote::Notes(notes.to_owned())),
    ];
    let opened = opening::existing(common, "contacts note")?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        for note in changes.into_iter().flatten() {
            online.perform(Intent::NoteContact { handle: handle.clone(), note }).await?;
        }
        let contacts = online.session().query(|tx| queries::contacts(tx)).await?;
        print(&contacts.into_iter().filter(|contact| contact.handle == *handle).collect::<Vec<_>>(), output)
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
        object["own_name"] = json!(contact.own_name);
        object["notes"] = json!(contact.notes);
        object["blocked"] = json!(contact.blocked);
        let standing = match contact.standing {
            Standing::Asked => "you asked",
            Standing::Asking => "asks to be your contact",
            Standing::Accepted => "contact",
            Standing::Refused => "refused",
        };
        let blocked = if contact.blocked { ", blocked" } else { "" };
        let mut line = format!("{} ({standing}{blocked})", contact.handle);
        for (word, text) in [("", &contact.own_name), ("notes: ", &contact.notes)] {
            if !text.is_empty() {
                line = format!("{line} {word}{}", escape::line(text));
            }
        }
        output.result(&object, &line)?;
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
