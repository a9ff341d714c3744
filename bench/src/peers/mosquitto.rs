//! Mosquitto: an MQTT broker that saves what it keeps every half hour, and when asked to end.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use anyhow::Result;

use super::Ability;
use super::debian::{DebianPeer, Description, PASSWORD, PEOPLE};
use super::process::succeed;
use crate::load::command::ProtocolName;

pub(super) const MOSQUITTO: Description = Description {
    name: "mosquitto",
    package: "mosquitto",
    user: "mosquitto",
    protocol: ProtocolName::Mqtt,
    port: 8883,
    abilities: &[Ability::Pairs, Ability::Idle, Ability::Offline, Ability::FanOut, Ability::Storm],
    files: &[("mosquitto.conf", include_str!("conf/mosquitto.conf"))],
    command: &["mosquitto", "-c", "@CONF@/mosquitto.conf"],
    environment: &[],
    process_name: None,
    seed: make_accounts,
};

fn make_accounts(peer: &mut DebianPeer) -> Result<()> {
    let path = peer.data().join("passwd");
    let mut accounts = String::new();
    for person in 0..PEOPLE {
        writeln!(accounts, "u{person}:{PASSWORD}")?;
    }
    fs::write(&path, accounts)?;
    // Replaces the passwords by their hashes.
    succeed(Command::new("mosquitto_passwd").arg("-U").arg(path))
}
