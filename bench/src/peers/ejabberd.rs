//! ejabberd: an XMPP server that keeps accounts and waiting messages in Mnesia.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anyhow::{Context as _, Result, ensure};

use super::debian::{DebianPeer, Description, PASSWORD, PEOPLE};
use super::{Ability, Peer as _};
use crate::load::command::ProtocolName;

pub(super) const EJABBERD: Description = Description {
    name: "ejabberd",
    package: "ejabberd",
    user: "ejabberd",
    protocol: ProtocolName::Xmpp,
    port: 5223,
    // Without a storm: its log-ins take the password, and hashing that would be all that is measured.
    abilities: &[Ability::Pairs, Ability::Idle, Ability::Offline, Ability::FanOut],
    files: &[
        ("ejabberd.yml", include_str!("conf/ejabberd/ejabberd.yml")),
        ("ejabberdctl.cfg", include_str!("conf/ejabberd/ejabberdctl.cfg")),
        ("inetrc", include_str!("conf/ejabberd/inetrc")),
    ],
    command: &[
        "ejabberdctl",
        "--config-dir",
        "@CONF@",
        "--logs",
        "@DATA@/log",
        "--spool",
        "@DATA@/db",
        "foreground",
    ],
    environment: &[("HOME", "@DATA@"), ("ERL_EPMD_ADDRESS", "127.0.0.1")],
    process_name: Some("beam.smp"),
    seed: make_accounts,
};

/// Where the configuration lets ejabberd take commands.
const COMMANDS: &str = "127.0.0.1:5280";

/// Lets ejabberd itself make the accounts.
fn make_accounts(peer: &mut DebianPeer) -> Result<()> {
    for directory in ["log", "db"] {
        fs::create_dir_all(peer.data().join(directory))?;
    }
    peer.own_data()?;
    peer.start()?;
    for person in 0..PEOPLE {
        register(person).with_context(|| format!("making the account of person {person}"))?;
    }
    peer.stop()
}

fn register(person: u32) -> Result<()> {
    let body = format!(r#"{{"user":"u{person}","host":"localhost","password":"{PASSWORD}"}}"#);
    let mut commands = TcpStream::connect(COMMANDS)?;
    write!(
        commands,
        "POST /api/register HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    commands.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&answer));
    Ok(())
}
