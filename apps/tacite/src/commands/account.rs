//! `tacite register`, `tacite login`, `tacite logout`.
//!
//! Invariant: everything that a person must say is asked before the first byte goes to the server.

use serde_json::json;
use tacite_client::clock;
use tacite_client::core::{AccountStanding, AccountView, Intent, Server, queries};
use tacite_client::model::{Invitation, InvitationError, Secret};

use super::{TIME, time, within_session};
use crate::arguments::{Common, DisableTls, Register, Secrets};
use crate::configuration;
use crate::escape;
use crate::failure::{Exit, Failure};
use crate::online::Online;
use crate::opening;
use crate::output::Output;
use crate::secrets::Source;
use crate::words;

/// Key that the server must show if nothing else names one, set when the program is built.
const PIN_AT_BUILD: Option<&str> = option_env!("TACITE_PIN_AT_BUILD");

/// `tacite register`
pub(super) fn register(common: &Common, register: &Register, output: &mut Output) -> Result<(), Failure> {
    let invitation = register.invite.as_deref().map(parse_invitation).transpose()?;
    let server = server(common, register, invitation.as_ref(), output)?;
    let mut opened = opening::new(common, "register")?;
    let account = opened.vault.transaction()?.account()?;
    if account.is_some_and(|account| account.standing != AccountStanding::Registering) {
        return Err(Failure::new(
            Exit::Refused,
            "already-registered",
            "This profile has an account already.",
            "Use another --profile for another account.",
        ));
    }
    let password = password_source(&register.secrets).choose_password()?;
    let words = if register.suggest_words {
        suggest_words(output)?
    } else {
        words::parse(&words_source(&register.secrets).choose("words")?)?
    };
    let intent = Intent::Register {
        server,
        invitation: invitation.map(|invitation| invitation.secret().clone()),
        handle: register.handle.clone(),
        password,
        words,
    };
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        match settled(online, output).await? {
            None => perform(online, output, intent).await?,
            Some(account) if account.handle == register.handle => {
                output.remark(
                    "note: an earlier registration has succeeded; the password and words given then hold",
                )?;
                online.until_level_again(output).await?;
            }
            Some(account) => {
                let sentence = format!("An earlier registration has succeeded, as {}.", account.handle);
                return Err(Failure::new(Exit::Refused, "already-registered", sentence, "Use that account."));
            }
        }
        tell_account(online, output, "Registered").await
    })
}

/// `tacite login`
pub(super) fn log_in(common: &Common, secrets: &Secrets, output: &mut Output) -> Result<(), Failure> {
    let opened = opening::existing(common, "login")?;
    let password = password_source(secrets).read("password")?;
    let words = words::parse(&words_source(secrets).read("words")?)?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        settled(online, output).await?;
        perform(online, output, Intent::LogIn { password, words }).await?;
        tell_account(online, output, "Logged in").await
    })
}

/// `tacite logout`
pub(super) fn log_out(common: &Common, output: &mut Output) -> Result<(), Failure> {
    let opened = opening::existing(common, "logout")?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        online.perform(Intent::LogOut).await?;
        Ok(output.result(&json!({ "signed_out": true }), "Logged out.")?)
    })
}

/// The account, once it is certain whether there is one: the answer to an earlier registration may have been lost.
async fn settled(online: &mut Online, output: &mut Output) -> Result<Option<AccountView>, Failure> {
    loop {
        match online.session().query(|tx| queries::status(tx)).await?.account {
            Some(account) if account.standing == AccountStanding::Registering => online.next(output).await?,
            account => return Ok(account),
        };
    }
}

/// Registers or logs in. Only when all is level are this device's prekeys on the server, so that it can be written to.
async fn perform(online: &mut Online, output: &mut Output, intent: Intent) -> Result<(), Failure> {
    online.perform(intent).await?;
    online.until_level_again(output).await
}

async fn tell_account(online: &Online, output: &mut Output, done: &str) -> Result<(), Failure> {
    let status = online.session().query(|tx| queries::status(tx)).await?;
    let account = status.account.ok_or_else(Failure::unexpected)?;
    let object = json!({
        "account_id": account.account_id.to_string(),
        "handle": account.handle.to_string(),
        "administrator": account.administrator,
    });
    let name = status
        .server
        .and_then(|server| server.name)
        .map(|name| format!(" on {}", escape::line(&name)))
        .unwrap_or_default();
    let role = if account.administrator { " You administer this server." } else { "" };
    Ok(output.result(&object, &format!("{done} as {}{name}.{role}", account.handle))?)
}

/// The server to register with: an invitation's, at the address that flags or environment give, or all from the
/// configuration.
fn server(
    common: &Common,
    register: &Register,
    invitation: Option<&Invitation>,
    output: &mut Output,
) -> Result<Server, Failure> {
    let configuration = opening::configuration(common)?;
    for key in &configuration.unknown_keys {
        let sentence = format!("The configuration has an unknown key, {key}; it is passed over.");
        output.notice(&Failure::usage(sentence, "Correct the spelling, or remove it."))?;
    }
    let mut server = match invitation {
        Some(invitation) => Server::from(invitation),
        None => Server {
            address: String::new(),
            name: None,
            pin: None,
            tls_disabled: false,
            certificate_unchecked: false,
        },
    };
    server.pin = server.pin.or(register.pin);
    let (mut host, mut port) = (common.server.clone(), common.port);
    if invitation.is_none() {
        // The file and the build may speak of another server than an invitation does.
        server.pin = server.pin.or(configuration.pin).or(pin_at_build());
        host = host.or(configuration.address);
        port = port.or(configuration.port);
    }
    server.address = address(&server.address, host, port)?;
    server.tls_disabled = common.disable_tls.is_some();
    server.certificate_unchecked = common.allow_invalid_cert && server.pin.is_none();
    if common.disable_tls == Some(DisableTls::Force) {
        output.remark(
            "note: nothing encrypts the link to the server; messages themselves are encrypted as always",
        )?;
    }
    Ok(server)
}

fn parse_invitation(link: &str) -> Result<Invitation, Failure> {
    link.parse().map_err(|error: InvitationError| {
        Failure::usage(
            format!("The invitation cannot be used: {error}."),
            "Copy the whole link, between quotes.",
        )
    })
}

fn address(invited: &str, host: Option<String>, port: Option<u16>) -> Result<String, Failure> {
    let (invited_host, invited_port) = invited.rsplit_once(':').unwrap_or_default();
    let host =
        host.or_else(|| (!invited_host.is_empty()).then(|| invited_host.to_owned())).ok_or_else(|| {
            Failure::usage(
                "It is not said which server.",
                "Give an invitation with --invite, or an address with --server.",
            )
        })?;
    let port = port.or_else(|| invited_port.parse().ok()).unwrap_or(configuration::PORT);
    Ok(opening::address(&host, port))
}

fn pin_at_build() -> Option<tacite_client::model::KeyPin> {
    PIN_AT_BUILD.and_then(|pin| pin.parse().ok())
}

/// They are told before the server hears of them: whatever happens then, the person has them.
fn suggest_words(output: &mut Output) -> Result<Secret<String>, Failure> {
    let words = words::suggest(&mut clock::random_source());
    let sentence = format!(
        "Your three words: {}\nWrite them down now; they are not shown again. Each new log-in asks for them.",
        words.expose()
    );
    output.result(&json!({ "words": words.expose() }), &sentence)?;
    Ok(words)
}

fn password_source(secrets: &Secrets) -> Source {
    Source::new(secrets.password_file.as_deref(), secrets.password_fd)
}

fn words_source(secrets: &Secrets) -> Source {
    Source::new(secrets.words_file.as_deref(), secrets.words_fd)
}
