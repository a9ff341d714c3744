//! The bench: how fast Tacite is, compared with what people would pick instead and with what is possible at all.
//!
//! A *peer* is a server under test; a *workload* is what the generator does to it; a *measurement* is one workload at one
//! setting, for instance `W1/window 8`. Servers run on one core and the generator on another, one server at a time.
//!
//! Invariants: every peer is asked to do the same work under the same TLS; figures come from the machine, not from here;
//! what others did to the machine meanwhile is measured too and told.

pub mod client;
pub mod guard;
pub mod load;
pub mod measure;
pub mod peers;
pub mod report;
pub mod row;
