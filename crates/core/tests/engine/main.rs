//! The engine against a server in memory: two people, links that break, devices that crash, servers that lie.
//!
//! Everything here is deterministic: time, chance and the order of frames come from the test.

#[cfg(test)]
mod chain;
#[cfg(test)]
mod conversations;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod disappearing;
#[cfg(test)]
mod gaps;
#[cfg(test)]
mod healing;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod identities;
#[cfg(test)]
mod links;
#[cfg(test)]
mod lively;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod newest;
#[cfg(test)]
mod old_copies;
#[cfg(test)]
mod outbox;
#[cfg(test)]
mod people;
#[cfg(test)]
mod registering;
#[cfg(test)]
mod schedules;
#[cfg(test)]
mod server;
#[cfg(test)]
mod talking;
#[cfg(test)]
mod together;
#[cfg(test)]
mod world;
