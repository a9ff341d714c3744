//! `tacite listen`.
//!
//! Invariants: a message is marked as shown only after it was written out, so a listener that dies shows it again rather
//! than never; within one run no message is written twice.

use std::collections::HashSet;
use std::time::Duration;

use serde_json::json;
use tacite_client::core::{Event, Intent, LinkStatus, MessageView, Presence, Standing, queries};
use tacite_client::model::{Handle, MessageId};

use super::within_session;
use crate::arguments::{self, Common, Listen};
use crate::escape;
use crate::failure::{Exit, Failure};
use crate::online::Online;
use crate::opening;
use crate::output::{Output, expiry_object, expiry_words, message_object};

/// `tacite listen`
pub(super) fn run(common: &Common, listen: &Listen, output: &mut Output) -> Result<(), Failure> {
    let opened = opening::existing(common, "listen")?;
    let time = common.timeout.map(Duration::from_secs);
    let listened = within_session(common, opened, time, output, async |online, output| {
        let mut listener = Listener { left: listen.count, shown: HashSet::new(), is_gone: false };
        for message in online.session().unshown().await? {
            if listener.show(online, output, &message)? {
                return Ok(());
            }
        }
        if let Some(presence) = listen.presence {
            online.perform(Intent::SetPresence { presence: presence.into() }).await?;
        }
        loop {
            if listen.until_level && is_level(online).await? {
                return Ok(());
            }
            online.check_link()?;
            match online.next(output).await? {
                Event::MessageReceived(message) if listener.show(online, output, &message)? => return Ok(()),
                Event::ContactChanged { handle, standing } => {
                    output.remark(&contact_remark(&handle, standing))?;
                }
                Event::Link(link) => listener.tell_link(online, output, link)?,
                event if listen.events => tell(output, &event)?,
                _ => {}
            }
        }
    });
    match listened {
        // A person ends listening by Ctrl+C: that is no failure, unless so many messages were wanted.
        Err(failure) if failure.exit == Exit::Interrupted && listen.count.is_none() => Ok(()),
        listened => listened,
    }
}

struct Listener {
    /// Messages still wanted; `None`: all.
    left: Option<u64>,
    shown: HashSet<(Handle, MessageId)>,
    /// Whether the person was told that the link is gone.
    is_gone: bool,
}

impl Listener {
    /// Writes a message out unless it was before. True: no more are wanted.
    fn show(&mut self, online: &Online, output: &mut Output, message: &MessageView) -> Result<bool, Failure> {
        let name = (message.peer.clone(), message.message_id);
        if self.shown.contains(&name) {
            return Ok(false);
        }
        output.message(message)?;
        online.session().mark_shown(vec![name.clone()])?;
        self.shown.insert(name);
        self.left = self.left.map(|left| left - 1);
        Ok(self.left == Some(0))
    }

    /// Tells once that the link is gone, however often it is tried again, and that it is back.
    fn tell_link(&mut self, online: &Online, output: &mut Output, link: LinkStatus) -> Result<(), Failure> {
        match link {
            LinkStatus::Offline { retry_at: Some(_) } if !self.is_gone => {
                self.is_gone = true;
                let reason =
                    online.problem().map_or("The link is gone.".to_owned(), |problem| problem.sentence);
                output.remark(&format!("note: {} Trying again.", escape::line(&reason)))?;
            }
            LinkStatus::Level if self.is_gone => {
                self.is_gone = false;
                output.remark("note: The server is back.")?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Prints what happened to a message or a contact.
fn tell(output: &mut Output, event: &Event) -> Result<(), Failure> {
    match event {
        Event::MessageChanged(message) => output.event("message-changed", message_object(message), &{
            let what = if message.deleted { "was deleted" } else { "has changed" };
            format!("a message with {} {what} [{}]", message.peer, message.state)
        })?,
        Event::MessageErased { peer, message_id, .. } => {
            let object = json!({ "peer": peer.to_string(), "message_id": message_id.to_string() });
            output.event("message-erased", object, &format!("a message with {peer} has disappeared"))?;
        }
        Event::TimerChanged { handle, timer } => {
            let object = json!({ "peer": handle.to_string(), "timer": timer.map(expiry_object) });
            let words = timer.map_or("stay".to_owned(), |timer| format!("disappear {}", expiry_words(timer)));
            output.event("timer-changed", object, &format!("messages with {handle} {words} from now on"))?;
        }
        Event::ContactBlocked { handle, blocked } => {
            let object = json!({ "peer": handle.to_string(), "blocked": blocked });
            let words = if *blocked { "blocked" } else { "blocked no longer" };
            output.event("contact-blocked", object, &format!("{handle} is {words}"))?;
        }
        Event::PresenceChanged { handle, presence } => {
            let word = match presence {
                Presence::Offline => "offline",
                Presence::Busy => "busy",
                Presence::Online => "online",
            };
            let object = json!({ "peer": handle.to_string(), "presence": word });
            output.event("presence-changed", object, &format!("{handle} is {word}"))?;
        }
        Event::TypingChanged { handle, typing } => {
            let object = json!({ "peer": handle.to_string(), "typing": typing });
            let words = if *typing { "is typing" } else { "is not typing any more" };
            output.event("typing-changed", object, &format!("{handle} {words}"))?;
        }
        _ => {}
    }
    Ok(())
}

impl From<arguments::Presence> for Presence {
    fn from(presence: arguments::Presence) -> Self {
        match presence {
            arguments::Presence::Online => Self::Online,
            arguments::Presence::Busy => Self::Busy,
        }
    }
}

fn contact_remark(handle: &Handle, standing: Standing) -> String {
    match standing {
        Standing::Asking => format!("{handle} asks to be your contact: `tacite contacts accept {handle}`"),
        Standing::Accepted => format!("{handle} is your contact now"),
        Standing::Asked => format!("you asked {handle}"),
        Standing::Refused => format!("you refused {handle}"),
    }
}

/// Whether nothing waits, on the server or in the outbox.
async fn is_level(online: &Online) -> Result<bool, Failure> {
    if online.link() != LinkStatus::Level {
        return Ok(false);
    }
    Ok(online.session().query(|tx| queries::status(tx)).await?.queued == 0)
}
