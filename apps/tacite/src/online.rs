//! A session together with the time that a command has, and what is known of its link.
//!
//! Invariants: no wait outlasts the deadline; a link that will not come by itself (logged out, wrong key) ends every wait
//! for it at once, with the reason.

use std::time::Duration;

use tacite_client::core::{Event, Intent, LinkStatus, Outcome, Problem};
use tacite_client::{Session, SessionError};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Exit, Failure};
use crate::output::Output;

/// A running session.
#[derive(Debug)]
pub(crate) struct Online {
    session: Session,
    deadline: Option<Instant>,
    link: LinkStatus,
    /// What the person was last told.
    notice: Option<Problem>,
}

impl Online {
    /// Takes charge of a session that has just begun. `time`: how long all may take.
    pub(crate) fn new(session: Session, time: Option<Duration>) -> Self {
        let deadline = time.map(|time| Instant::now() + time);
        Self { session, deadline, link: LinkStatus::Connecting, notice: None }
    }

    /// The session.
    pub(crate) const fn session(&self) -> &Session {
        &self.session
    }

    /// How the link stands by the events that were taken.
    pub(crate) const fn link(&self) -> LinkStatus {
        self.link
    }

    /// What the person was last told.
    pub(crate) const fn notice(&self) -> Option<&Problem> {
        self.notice.as_ref()
    }

    /// What hindered the link last, or what the server last refused.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.session.link_problem().or_else(|| self.notice.clone())
    }

    /// The next event.
    pub(crate) async fn next(&mut self, output: &mut Output) -> Result<Event, Failure> {
        let event = match self.deadline {
            Some(deadline) => timeout_at(deadline, self.session.next_event()).await,
            None => Ok(self.session.next_event().await),
        };
        let event = event.map_err(|_| self.timed_out())?.ok_or(SessionError::Ended)?;
        match &event {
            Event::Link(link) => self.link = *link,
            Event::Notice(problem) => {
                self.notice = Some(problem.clone());
                output.notice(&Failure::from(problem.clone()))?;
            }
            _ => {}
        }
        Ok(event)
    }

    /// Waits until nothing waits on the server any more.
    pub(crate) async fn until_level(&mut self, output: &mut Output) -> Result<(), Failure> {
        while self.link != LinkStatus::Level {
            self.next(output).await?;
            self.check_link()?;
        }
        Ok(())
    }

    /// The same after a log-in: that the link was down before does not count.
    pub(crate) async fn until_level_again(&mut self, output: &mut Output) -> Result<(), Failure> {
        while self.link != LinkStatus::Level {
            self.next(output).await?;
        }
        Ok(())
    }

    /// Fails if the link will not come by itself.
    pub(crate) fn check_link(&self) -> Result<(), Failure> {
        if self.link != (LinkStatus::Offline { retry_at: None }) {
            return Ok(());
        }
        Err(self.problem().map_or_else(log_in_first, Failure::from))
    }

    /// Carries out an intent.
    pub(crate) async fn perform(&self, intent: Intent) -> Result<Outcome, Failure> {
        let answer = self.session.perform(intent);
        let answer = match self.deadline {
            Some(deadline) => timeout_at(deadline, answer).await.map_err(|_| self.timed_out())?,
            None => answer.await,
        };
        Ok(answer?)
    }

    /// Ends the session.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        Ok(self.session.close().await?)
    }

    fn timed_out(&self) -> Failure {
        Failure::timed_out("Try again later, or give more time with --timeout.", self.problem())
    }
}

fn log_in_first() -> Failure {
    Failure::new(Exit::LogInFirst, "logged-out", "You are not logged in.", "Log in with `tacite login`.")
}
