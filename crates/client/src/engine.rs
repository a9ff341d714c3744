//! The loop that the contract of `tacite_core` prescribes: transaction, handle, commit, and only then the effects.
//!
//! Invariants: an effect is performed only after its transaction was committed; events of a link that was replaced or
//! closed are not handed in; if the vault or the engine fails, the loop ends and the link with it, so nothing is
//! acknowledged that was not stored.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tacite_core::{
    Alarm, Core, Effect, Event, Input, Intent, Outcome, Problem, RequestId, Server, Transaction, Vault,
};
use tacite_model::{Handle, MessageId, Secret};
use tacite_wire::{Frame, Header, Opcode};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::clock::{now, random_source};
use crate::depot::Depot;
use crate::link::{self, LinkEvent, LinkEvents, LinkTarget};
use crate::mailbox::Mailbox;
use crate::problem;
use crate::session::{SessionError, SessionOptions};

/// Events of links that may wait for the engine before the link is slowed down.
const LINK_EVENTS_MAX: usize = 64;
/// How long the end of a session may wait for the server's answers, milliseconds.
const FINISH_MS_MAX: u64 = 2000;
/// The same for acknowledgements: what was shown should not come again.
const ACKNOWLEDGE_MS_MAX: u64 = 15_000;
/// How long the end of a session may wait for the end of its link.
const CLOSE_WAIT_MAX: Duration = Duration::from_secs(3);

/// A query over the vault, answering by itself.
pub(crate) type Query = Box<dyn FnOnce(&mut Transaction<'_>) + Send>;

/// What a session asks of the engine.
pub(crate) enum Request {
    /// Carry out an intent.
    Perform(Intent, oneshot::Sender<Result<Outcome, Problem>>),
    /// Read from the vault.
    Query(Query),
    /// Note that messages were shown.
    MarkShown(Vec<(Handle, MessageId)>),
    /// End.
    Stop,
}

/// The engine with all that it drives.
pub(crate) struct Engine {
    core: Core,
    vault: Vault,
    options: SessionOptions,
    runtime: Runtime,
    requests: mpsc::UnboundedReceiver<Request>,
    events: Arc<Mailbox>,
    answers: HashMap<RequestId, oneshot::Sender<Result<Outcome, Problem>>>,
    last_request: u64,
    link: Option<OpenLink>,
    last_link: u64,
    link_events: mpsc::Receiver<(u64, LinkEvent)>,
    link_events_in: mpsc::Sender<(u64, LinkEvent)>,
    /// What came behind frames that were handed in together.
    next_link_event: Option<(u64, LinkEvent)>,
    /// What came of putting and fetching bodies; the engine bounds how many are under way.
    bodies: mpsc::UnboundedReceiver<Input>,
    bodies_in: mpsc::UnboundedSender<Input>,
    alarm: Alarm,
    link_problem: LinkProblem,
}

/// Why the last link ended or could not be opened; `None` also if it simply ended.
pub(crate) type LinkProblem = Arc<Mutex<Option<Problem>>>;

/// The link that counts, by its number; dropping it ends the link.
struct OpenLink {
    number: u64,
    frames: mpsc::UnboundedSender<Frame>,
    /// Commands without a final answer, messages aside: their second answer may wait for the recipient.
    unanswered: HashMap<MessageId, Opcode>,
    /// The way to the depot, or why there is none.
    depot: Result<Depot, Problem>,
}

/// What the engine woke up for.
enum Wake {
    Request(Request),
    Link(u64, LinkEvent),
    Body(Input),
    Timer,
}

/// Marks events with the number of their link.
struct Numbered {
    number: u64,
    events: mpsc::Sender<(u64, LinkEvent)>,
}

impl Engine {
    /// Puts an engine together; nothing happens yet.
    pub(crate) fn new(
        vault: Vault,
        options: SessionOptions,
        runtime: Runtime,
        requests: mpsc::UnboundedReceiver<Request>,
        events: Arc<Mailbox>,
    ) -> Self {
        let (link_events_in, link_events) = mpsc::channel(LINK_EVENTS_MAX);
        let (bodies_in, bodies) = mpsc::unbounded_channel();
        Self {
            core: options.deployment_key.clone().map_or_else(Core::new, Core::with_deployment_key),
            vault,
            options,
            runtime,
            requests,
            events,
            answers: HashMap::new(),
            last_request: 0,
            link: None,
            last_link: 0,
            link_events,
            link_events_in,
            next_link_event: None,
            bodies,
            bodies_in,
            alarm: Alarm::new(now()),
            link_problem: LinkProblem::default(),
        }
    }

    /// Where the engine notes what hinders its link.
    pub(crate) fn link_problem(&self) -> LinkProblem {
        Arc::clone(&self.link_problem)
    }

    /// Runs until a session says stop or is gone.
    pub(crate) fn run(mut self) -> Result<(), SessionError> {
        self.hand_in(Input::Start)?;
        loop {
            match self.wait() {
                Wake::Request(Request::Perform(intent, answer)) => self.perform_intent(intent, answer)?,
                Wake::Request(Request::Query(query)) => query(&mut self.vault.transaction()?),
                Wake::Request(Request::MarkShown(messages)) => self.mark_shown(messages)?,
                Wake::Request(Request::Stop) => break,
                Wake::Link(number, event) => self.link_event(number, event)?,
                Wake::Body(input) => self.hand_in(input)?,
                Wake::Timer => self.timer()?,
            }
        }
        self.finish_commands()?;
        self.close_link();
        Ok(())
    }

    /// Goes on until every command is answered, for a short while: acknowledgements wait for one another.
    fn finish_commands(&mut self) -> Result<(), SessionError> {
        let since = now();
        while let Some(patience_ms) = self.link.as_ref().and_then(OpenLink::patience_ms) {
            let until = since.plus_ms(patience_ms);
            if now() >= until {
                break;
            }
            self.alarm.set(until);
            match self.wait() {
                Wake::Request(_) => return Ok(()),
                Wake::Link(number, event) => self.link_event(number, event)?,
                Wake::Body(input) => self.hand_in(input)?,
                Wake::Timer => self.timer()?,
            }
        }
        Ok(())
    }

    fn wait(&mut self) -> Wake {
        if let Some((number, event)) = self.next_link_event.take() {
            return Wake::Link(number, event);
        }
        let sleep = Duration::from_millis(self.alarm.sleep_ms(now()));
        let Self { requests, link_events, bodies, runtime, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                request = requests.recv() => Wake::Request(request.unwrap_or(Request::Stop)),
                Some((number, event)) = link_events.recv() => Wake::Link(number, event),
                Some(input) = bodies.recv() => Wake::Body(input),
                () = tokio::time::sleep(sleep) => Wake::Timer,
            }
        })
    }

    fn perform_intent(
        &mut self,
        intent: Intent,
        answer: oneshot::Sender<Result<Outcome, Problem>>,
    ) -> Result<(), SessionError> {
        self.last_request += 1;
        let id = RequestId(self.last_request);
        self.answers.insert(id, answer);
        self.hand_in(Input::Intent(id, intent))
    }

    fn mark_shown(&mut self, messages: Vec<(Handle, MessageId)>) -> Result<(), SessionError> {
        // Nobody waits for the answer.
        self.last_request += 1;
        let intent = Intent::MarkRead { messages };
        self.hand_in(Input::Intent(RequestId(self.last_request), intent))
    }

    fn link_event(&mut self, number: u64, event: LinkEvent) -> Result<(), SessionError> {
        if self.link.as_ref().is_none_or(|link| link.number != number) {
            return Ok(());
        }
        let input = match event {
            LinkEvent::Opened => {
                tracing::debug!(link = number, "link opened");
                Input::LinkOpened
            }
            LinkEvent::Arrived(frame) => return self.frames_arrived(number, frame),
            LinkEvent::Closed(cause) => {
                let reason = cause.as_ref().map(|problem| problem.word);
                tracing::debug!(link = number, reason, "link ended");
                self.link = None;
                self.link_problem.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&cause);
                Input::LinkClosed { cause }
            }
        };
        self.hand_in(input)
    }

    /// Frames that are there already are handed in together with the first: one commit waits for the disk as long as many.
    fn frames_arrived(&mut self, number: u64, first: Frame) -> Result<(), SessionError> {
        let mut frames = vec![first];
        while frames.len() < LINK_EVENTS_MAX {
            match self.link_events.try_recv() {
                Ok((of, LinkEvent::Arrived(frame))) if of == number => frames.push(frame),
                Ok(other) => {
                    self.next_link_event = Some(other);
                    break;
                }
                Err(_) => break,
            }
        }
        for Frame { header, .. } in &frames {
            trace("arrived", header);
            if let Some(link) = &mut self.link
                && header.status.is_answer()
            {
                link.unanswered.remove(&header.message_id);
            }
        }
        match self.hand_in_all(frames.iter().cloned().map(Input::Frame)) {
            // One that cannot be dealt with must not keep those before it from being stored.
            Err(SessionError::Core(_)) if frames.len() > 1 => {
                frames.into_iter().try_for_each(|frame| self.hand_in(Input::Frame(frame)))
            }
            result => result,
        }
    }

    /// Hands in a timer that is due.
    fn timer(&mut self) -> Result<(), SessionError> {
        if self.alarm.rings(now()) { self.hand_in(Input::Timer) } else { Ok(()) }
    }

    fn hand_in(&mut self, input: Input) -> Result<(), SessionError> {
        self.hand_in_all([input])
    }

    /// The contract: nothing is performed before the commit.
    fn hand_in_all(&mut self, inputs: impl IntoIterator<Item = Input>) -> Result<(), SessionError> {
        let now = now();
        self.alarm.look(now);
        let mut tx = self.vault.transaction()?;
        let effects = self.core.handle_all(&mut tx, inputs, now, &mut random_source())?;
        tx.commit()?;
        for effect in effects {
            self.perform(effect);
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::OpenLink { server, bearer } => self.open_link(server, bearer),
            Effect::Send(frame) => {
                if let Some(link) = &mut self.link {
                    link.send(frame);
                }
            }
            Effect::CloseLink => {
                if let Some(link) = &mut self.link {
                    link.frames = closed_sender();
                }
            }
            Effect::Tell(event) => self.tell(event),
            Effect::PutBody { depot_url, name, permit, bytes } => {
                self.trip(|depot| async move {
                    let put = async { depot?.put(&depot_url, name, &permit, bytes).await };
                    Input::BodyPut { name, result: put.await }
                });
            }
            Effect::FetchBody { depot_url, name } => {
                self.trip(|depot| async move {
                    let fetch = async { depot?.fetch(&depot_url, name).await };
                    Input::BodyFetched { name, result: fetch.await }
                });
            }
            Effect::WakeAt(at) => self.alarm.set(at),
        }
    }

    fn open_link(&mut self, mut server: Server, bearer: Option<Secret<String>>) {
        if let Some(address) = &self.options.address {
            server.address.clone_from(address);
        }
        self.last_link += 1;
        let (frames, frames_out) = mpsc::unbounded_channel();
        let number = self.last_link;
        let target = LinkTarget { server, bearer, permissions: self.options.permissions };
        let depot = Depot::new(&target);
        self.link = Some(OpenLink { number, frames, unanswered: HashMap::new(), depot });
        let events = Numbered { number, events: self.link_events_in.clone() };
        self.runtime.spawn(link::run(target, frames_out, events));
    }

    fn tell(&mut self, event: Event) {
        let (id, answer) = match event {
            Event::Done(id, outcome) => (id, Ok(outcome)),
            Event::Failed(id, problem) => (id, Err(problem)),
            other => {
                self.events.put(other);
                return;
            }
        };
        if let Some(waiting) = self.answers.remove(&id) {
            let _ = waiting.send(answer);
        }
    }

    /// Carries a body to or from the depot, beside everything else.
    fn trip<F: Future<Output = Input> + Send + 'static>(
        &self,
        carry: impl FnOnce(Result<Depot, Problem>) -> F,
    ) {
        let depot =
            self.link.as_ref().map_or_else(|| Err(problem::depot_unreachable()), |it| it.depot.clone());
        let trip = carry(depot);
        let bodies_in = self.bodies_in.clone();
        self.runtime.spawn(async move {
            // An engine that has ended wants no body any more.
            let _ = bodies_in.send(trip.await);
        });
    }

    /// Ends the link after what was handed to it is sent, and waits until it has ended.
    fn close_link(&mut self) {
        let Some(OpenLink { number, frames, .. }) = self.link.take() else { return };
        drop(frames);
        if matches!(self.next_link_event, Some((of, LinkEvent::Closed(_))) if of == number) {
            return;
        }
        let link_events = &mut self.link_events;
        let ended = async {
            while let Some((of, event)) = link_events.recv().await {
                if of == number && matches!(event, LinkEvent::Closed(_)) {
                    break;
                }
            }
        };
        if self.runtime.block_on(async { timeout(CLOSE_WAIT_MAX, ended).await }).is_err() {
            tracing::debug!("the link did not end in time");
        }
    }
}

impl OpenLink {
    /// A link that is gone has said so; until that is handed in, what is sent falls away.
    fn send(&mut self, frame: Frame) {
        let header = frame.header;
        trace("sent", &header);
        if self.frames.send(frame).is_ok() && header.opcode != Opcode::SEND_DIRECT {
            self.unanswered.insert(header.message_id, header.opcode);
        }
    }

    /// How long the end of the session may wait for answers, milliseconds; `None`: all have come.
    fn patience_ms(&self) -> Option<u64> {
        let is_receipt = |opcode: &Opcode| matches!(*opcode, Opcode::ACKNOWLEDGE | Opcode::MARK_READ);
        let receipts = self.unanswered.values().any(is_receipt);
        (!self.unanswered.is_empty()).then_some(if receipts { ACKNOWLEDGE_MS_MAX } else { FINISH_MS_MAX })
    }
}

impl LinkEvents for Numbered {
    async fn tell(&self, event: LinkEvent) -> bool {
        self.events.send((self.number, event)).await.is_ok()
    }
}

/// Names a frame in the log: neither content nor ids.
fn trace(what: &str, header: &Header) {
    let (status, code) = (header.status.0, header.code.0);
    tracing::debug!(frame = %header.mnemonic, status, code, bytes = header.body_bytes, "{what}");
}

/// A sender whose receiver is gone: what is sent falls away, and the one that it replaces ends its link.
fn closed_sender() -> mpsc::UnboundedSender<Frame> {
    mpsc::unbounded_channel().0
}

#[cfg(test)]
mod tests;
