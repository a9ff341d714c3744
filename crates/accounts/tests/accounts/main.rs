//! The rules as a server calls them, against people who mean well and people who do not.

#[cfg(test)]
mod invitations;
#[cfg(test)]
mod log_in;
#[cfg(test)]
mod person;
#[cfg(test)]
mod registration;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod stolen_database;
