//! A session: an opened vault at work, with a link to its server.
//!
//! The engine runs on a thread of its own, because vault and password work block; a session is the handle to it. Intents
//! and queries go in, answers and events come out.
//!
//! Invariants: events come in the order in which they were committed; after [`Session::close`] the link has been ended
//! properly and nothing runs any more.

use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use tacite_core::{CoreError, Event, Intent, MessageView, Outcome, Problem, Transaction, Vault, VaultError};
use tacite_model::{Handle, MessageId, Secret};
use thiserror::Error;
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{Engine, LinkProblem, Request};
use crate::mailbox::{Found, Mailbox};
use crate::shown;

/// How a session reaches its server.
#[derive(Debug, Clone, Default)]
pub struct SessionOptions {
    /// `host:port` to use instead of the vault's; pin and name stay.
    pub address: Option<String>,
    /// What is allowed although it is dangerous.
    pub permissions: Permissions,
    /// What a server that accepts its own clients only wants to be shown.
    pub deployment_key: Option<Secret<Vec<u8>>>,
}

/// What a person has allowed for this run although it is dangerous.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Permissions {
    /// No TLS, although the server is on another machine.
    pub plain_anywhere: bool,
    /// Any certificate.
    pub certificate_unchecked: bool,
}

/// Why a session cannot go on. Nothing that was committed is lost.
#[derive(Debug, Error)]
pub enum SessionError {
    /// The vault cannot be read or written.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The engine cannot go on.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The engine has ended; [`Session::close`] says why.
    #[error("the engine has ended")]
    Ended,
    /// The engine's thread could not be started.
    #[error("no thread for the engine: {0}")]
    Thread(std::io::Error),
    /// The engine panicked: our bug.
    #[error("the engine failed")]
    Panicked,
}

/// Why an intent was not carried out.
#[derive(Debug, Error)]
pub enum PerformError {
    /// It was refused or failed; nothing of it remains.
    #[error("{}", .0.sentence)]
    Refused(Problem),
    /// The session has ended meanwhile.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// A running session.
#[derive(Debug)]
pub struct Session {
    requests: mpsc::UnboundedSender<Request>,
    events: Arc<Mailbox>,
    thread: JoinHandle<Result<(), SessionError>>,
    ended: oneshot::Receiver<()>,
    link_problem: LinkProblem,
}

impl Session {
    /// Starts the engine over a vault. Must be called within a tokio runtime with more than one thread.
    pub fn start(vault: Vault, options: SessionOptions) -> Result<Self, SessionError> {
        let (requests, requests_out) = mpsc::unbounded_channel();
        let events = Arc::new(Mailbox::default());
        let ends = Arc::clone(&events);
        let (ended_in, ended) = oneshot::channel();
        let engine = Engine::new(vault, options, Runtime::current(), requests_out, Arc::clone(&events));
        let link_problem = engine.link_problem();
        let run = move || {
            let _ended = (ended_in, Ending(ends));
            engine.run()
        };
        let thread =
            std::thread::Builder::new().name("engine".to_owned()).spawn(run).map_err(SessionError::Thread)?;
        Ok(Self { requests, events, thread, ended, link_problem })
    }

    /// Carries out what a person wants.
    pub async fn perform(&self, intent: Intent) -> Result<Outcome, PerformError> {
        let (answer, answered) = oneshot::channel();
        self.ask(Request::Perform(intent, answer))?;
        self.answer(answered).await?.map_err(PerformError::Refused)
    }

    /// Reads from the vault between two inputs of the engine. What the query writes is rolled back.
    pub async fn query<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Transaction<'_>) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, SessionError> {
        let (answer, answered) = oneshot::channel();
        let query = move |tx: &mut Transaction<'_>| drop(answer.send(query(tx)));
        self.ask(Request::Query(Box::new(query)))?;
        Ok(self.answer(answered).await??)
    }

    /// The incoming messages that no view has shown yet.
    pub async fn unshown(&self) -> Result<Vec<MessageView>, SessionError> {
        self.query(|tx| shown::unshown(tx)).await
    }

    /// Notes that messages, named by their other side and id, were shown. What is asked afterwards sees it.
    pub fn mark_shown(&self, messages: Vec<(Handle, MessageId)>) -> Result<(), SessionError> {
        self.ask(Request::MarkShown(messages))
    }

    /// Why the last link could not be opened or broke, if it did.
    #[must_use]
    pub fn link_problem(&self) -> Option<Problem> {
        self.link_problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next event; `None` once the engine has ended. Messages for which there was no room because nobody read are told
    /// from the vault afterwards, perhaps a second time. Cancelling loses nothing.
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            match self.events.take().await {
                Found::Event(event) => return Some(event),
                Found::End => return None,
                Found::Missed => {
                    let unshown = self.unshown().await.ok()?;
                    self.events.put_missed(unshown.into_iter().map(Event::MessageReceived));
                }
            }
        }
    }

    /// Ends the link and the engine. What the engine has committed is sent first, and the server's answers to
    /// acknowledgements are waited for, but not for ever.
    pub async fn close(self) -> Result<(), SessionError> {
        // An engine that has ended already says so by its thread's result.
        let _ = self.requests.send(Request::Stop);
        let _ = self.ended.await;
        self.thread.join().map_err(|_| SessionError::Panicked)?
    }

    fn ask(&self, request: Request) -> Result<(), SessionError> {
        self.requests.send(request).map_err(|_| SessionError::Ended)
    }

    /// What was asked while the engine ended may lie in the channel as long as the session lives, neither answered nor dropped.
    async fn answer<T>(&self, mut answered: oneshot::Receiver<T>) -> Result<T, SessionError> {
        tokio::select! {
            biased;
            answer = &mut answered => answer.map_err(|_| SessionError::Ended),
            () = self.requests.closed() => answered.try_recv().map_err(|_| SessionError::Ended),
        }
    }
}

/// Says that nothing will come any more, also if the engine panics.
struct Ending(Arc<Mailbox>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn what_is_asked_while_the_engine_ends_is_answered() {
        let (requests, mut engine) = mpsc::unbounded_channel();
        let session = Session {
            requests,
            events: Arc::default(),
            thread: std::thread::spawn(|| Ok(())),
            ended: oneshot::channel().1,
            link_problem: LinkProblem::default(),
        };
        let mut asked = pin!(session.query(|_| Ok(())));
        let mut context = Context::from_waker(Waker::noop());
        assert!(asked.as_mut().poll(&mut context).is_pending());
        // The engine takes no more requests; the one that waits is still there.
        engine.close();
        let answer = asked.poll(&mut context);
        assert!(matches!(answer, Poll::Ready(Err(SessionError::Ended))));
        assert!(engine.try_recv().is_ok());
    }
}
