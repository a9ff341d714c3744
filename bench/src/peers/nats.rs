//! nats-server: a broker that keeps nothing and acknowledges nothing.

use super::Ability;
use super::debian::Description;
use crate::load::command::ProtocolName;

pub(super) const NATS: Description = Description {
    name: "nats",
    package: "nats-server",
    user: "nats",
    protocol: ProtocolName::Nats,
    port: 4222,
    abilities: &[Ability::Pairs, Ability::Idle, Ability::FanOut, Ability::Storm],
    files: &[("nats.conf", include_str!("conf/nats.conf"))],
    command: &["nats-server", "-c", "@CONF@/nats.conf"],
    environment: &[],
    process_name: None,
    // One account for all, in the configuration: core NATS keeps no state of a person.
    seed: |_| Ok(()),
};
