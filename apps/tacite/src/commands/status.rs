//! `tacite status`.
//!
//! Invariant: answers within seconds and succeeds whether or not the server is there, because that is the answer.

use serde_json::{Value, json};
use tacite_client::core::{self, LinkStatus, queries};

use super::{GLANCE, time, within_session};
use crate::arguments::{Common, Status};
use crate::escape;
use crate::failure::{Exit, Failure};
use crate::opening;
use crate::output::Output;

/// `tacite status`
pub(super) fn run(common: &Common, status: &Status, output: &mut Output) -> Result<(), Failure> {
    let mut opened = opening::existing(common, "status")?;
    if status.offline {
        let status = queries::status(&opened.vault.transaction()?)?;
        return print(common, &status, None, None, output);
    }
    within_session(common, opened, time(common, GLANCE), output, async |online, output| {
        let problem = match online.until_level(output).await {
            Ok(()) => None,
            Err(failure) if matches!(failure.exit, Exit::Unreached | Exit::LogInFirst | Exit::Refused) => {
                Some(failure)
            }
            Err(failure) => return Err(failure),
        };
        let status = online.session().query(|tx| queries::status(tx)).await?;
        print(common, &status, Some(online.link()), problem.as_ref(), output)
    })
}

fn print(
    common: &Common,
    status: &core::Status,
    link: Option<LinkStatus>,
    problem: Option<&Failure>,
    output: &mut Output,
) -> Result<(), Failure> {
    let link = match link {
        None => "not-tried",
        Some(LinkStatus::Offline { .. }) => "offline",
        Some(LinkStatus::Connecting) => "connecting",
        Some(LinkStatus::Online) => "online",
        Some(LinkStatus::Level) => "level",
    };
    let object = json!({
        "profile": common.profile.to_string(),
        "account_id": status.account.as_ref().map(|account| account.account_id.to_string()),
        "handle": status.account.as_ref().map(|account| account.handle.to_string()),
        "administrator": status.account.as_ref().map(|account| account.administrator),
        "session": status.account.as_ref().map(|account| account.standing.as_str()),
        "server": status.server.as_ref().map(server_object),
        "delivery_mode": status.delivery_mode.as_str(),
        "queued": status.queued,
        "link": link,
        "problem": problem,
    });
    Ok(output.result(&object, &lines(common, status, link, problem))?)
}

fn server_object(server: &core::Server) -> Value {
    json!({
        "address": server.address,
        "name": server.name,
        "pinned": server.pin.is_some(),
        "tls": !server.tls_disabled,
        "certificate_checked": !server.certificate_unchecked,
    })
}

fn lines(common: &Common, status: &core::Status, link: &str, problem: Option<&Failure>) -> String {
    let mut lines = vec![format!("profile:  {}", common.profile)];
    if let Some(account) = &status.account {
        lines.push(format!("account:  {} ({})", account.handle, account.standing.as_str()));
    }
    if let Some(server) = &status.server {
        let key = if server.pin.is_some() { "key pinned" } else { "public certificate" };
        let name = escape::line(server.name.as_deref().unwrap_or("name not known yet"));
        lines.push(format!("server:   {name} at {} ({key})", server.address));
    }
    lines.push(format!("delivery: {}", status.delivery_mode.as_str()));
    lines.push(format!("link:     {link}"));
    if let Some(problem) = problem {
        lines.push(format!("          {}", escape::line(&problem.sentence)));
    }
    lines.push(format!("outbox:   {}", status.queued));
    lines.join("\n")
}
