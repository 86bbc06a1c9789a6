//! Waits until restarted services run again, and tells what happens to them meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::super::{graph, services};
use crate::answers::{Event, Service};
use crate::connect::{Effect, Session};
use crate::contexts::Address;
use crate::failure::{Failure, Status};
use crate::operation::Operation;
use crate::output::{self, Hex, human, one_line};
use crate::remote;
use crate::target::Target;

/// The pause between two looks at the app.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time for one look.
const LOOK: Duration = Duration::from_secs(5);
/// Longest event in characters.
const MOST: usize = 1000;

/// Services that are about to restart.
pub(super) struct Again {
    /// By service, how often it was started again before.
    restarts: BTreeMap<Hex, u64>,
    /// The number of the last event that was told.
    after: u64,
    address: Address,
}

impl Again {
    /// What is known before the restart.
    pub(super) async fn before(session: &Session, id: Hex, known: Vec<Service>) -> Result<Self, Failure> {
        let graph = graph::of(session).await?;
        let along: BTreeSet<_> =
            graph.along(&id.to_string()).into_iter().map(|service| service.id.clone()).collect();
        let restarts = known
            .into_iter()
            // A service that was down before need not run after the restart of another one.
            .filter(|service| {
                service.id == id || (service.state == "running" && along.contains(&service.id.to_string()))
            })
            .map(|service| (service.id, service.restarts))
            .collect();
        let address = Address { host: session.address.ip().to_string(), port: session.address.port() };
        let mut again = Self { restarts, after: 0, address };
        // What happened before is not told.
        again.news(session).await?;
        Ok(again)
    }

    /// Waits until all of them run again. Returns how long it took.
    ///
    /// # Errors
    /// Status 6 when one of them did not start, 7 when the time is over, 4 when the app is gone.
    pub(super) async fn wait(
        mut self,
        operation: &Operation<'_>,
        name: &str,
        (begun, limit): (Instant, Duration),
    ) -> Result<Duration, Failure> {
        let target = Target { addresses: vec![self.address.clone()], ..operation.target.clone() };
        let deadline = begun + limit;
        let mut session: Option<Session> = None;
        let ended = loop {
            let looked = self.look(&target, &mut session, deadline, operation.output.json).await;
            let why = match looked {
                Ok(None) => break Ok(begun.elapsed()),
                Ok(Some(why)) => why,
                // The endpoint restarts along, or the app is gone.
                Err(failure) if failure.status == Status::NotReached => {
                    if let Some(lost) = session.take() {
                        lost.close().await;
                    }
                    failure.message
                }
                Err(failure) => break Err(failure),
            };
            if Instant::now() + PAUSE >= deadline {
                let limit = human(limit);
                let message = format!("restart: {name} does not run again within {limit}: {why}");
                break Err(Failure::new(Status::NotInTime, message));
            }
            sleep(PAUSE).await;
        };
        if let Some(session) = session {
            session.close().await;
        }
        ended
    }

    /// Looks at the services. `None` when all run again, else why not.
    async fn look(
        &mut self,
        target: &Target,
        session: &mut Option<Session>,
        deadline: Instant,
        quiet: bool,
    ) -> Result<Option<String>, Failure> {
        let until = deadline.min(Instant::now() + LOOK);
        let session = match session {
            Some(session) if session.is_connected() => session,
            other => {
                if let Some(lost) = other.take() {
                    lost.close().await;
                }
                other.insert(Session::open(target, until).await?)
            }
        };
        session.deadline = until;
        for event in self.news(session).await? {
            if !quiet {
                let of = event.service_name.clone().unwrap_or_default();
                output::say(&one_line(&format!("-- {of}: {}", event.message), MOST));
            }
        }
        let all = session.call_by(until, Effect::Reads, services::ask).await?;
        self.judge(&all)
    }

    /// The events of these services since the last call. An old app tells none.
    async fn news(&mut self, session: &Session) -> Result<Vec<Event>, Failure> {
        let mut news = Vec::new();
        loop {
            let arguments = json!({ "after": self.after, "limit": 500 });
            let Some(page) = remote::ask::<Value>(session, 0, "events", arguments).await? else {
                return Ok(news);
            };
            let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
            let next = page.get("next").and_then(Value::as_u64).unwrap_or(self.after);
            let events = items.iter().map(Event::of_journal);
            news.extend(
                events.filter(|event| event.service.is_some_and(|id| self.restarts.contains_key(&id))),
            );
            if next <= self.after {
                return Ok(news);
            }
            self.after = next;
        }
    }

    /// `None` when all services run again, else why not.
    fn judge(&self, all: &[Service]) -> Result<Option<String>, Failure> {
        let mut waits = None;
        for (id, restarts) in &self.restarts {
            let Some(service) = all.iter().find(|service| service.id == *id) else {
                return Err(Failure::new(
                    Status::AnswerIsNo,
                    format!("restart: the app has no service {id} any more"),
                ));
            };
            let has_begun = service.restarts > *restarts;
            let why = || service.reason.clone().unwrap_or_else(|| "without a reason".to_owned());
            match service.state {
                "running" if has_begun => {}
                "failed" | "stopped" if has_begun => {
                    let next = if service.restarting { "; its policy starts it again" } else { "" };
                    let message = format!("restart: {} ({id}) did not start: {}{next}", service.name, why());
                    return Err(Failure::new(Status::AnswerIsNo, message));
                }
                state => waits = Some(format!("{} is {state}", service.name)),
            }
        }
        Ok(waits)
    }
}
