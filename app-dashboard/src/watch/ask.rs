//! The questions of one round.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_core::prelude::{HealthCheckId, ServiceId};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Board, Topic, Watched};
use crate::apps::{Answer, AppLink, Call, Problem, ProblemKind, Question};
use crate::parse;

/// Rounds between questions whose answers seldom change.
const SELDOM: u64 = 30;
/// Rounds between two readings of the configs.
const CONFIG_EVERY: u64 = 3;
/// Time between two readings of the metrics while their page is open, and while the fleet page is open.
const METRICS_EVERY: Duration = Duration::from_secs(5);
const METRICS_SELDOM: Duration = Duration::from_secs(10);
/// Time until the second reading. There is no rate before it.
const METRICS_AGAIN: Duration = Duration::from_secs(2);
/// A reading may be early by this much, since rounds are not exact.
const EARLY: Duration = Duration::from_millis(200);
/// Most histories of checks in one round.
const MOST_HISTORIES: usize = 24;
/// Most items of a page.
const PAGE: u64 = 500;

/// What is known over a connection.
#[derive(Default)]
pub(super) struct Rounds {
    round: u64,
    metrics_at: Option<Instant>,
    /// How often the metrics were read.
    metrics: u64,
    operations: Option<Result<Vec<Value>, Problem>>,
    /// The history of each check, and the run that was its last.
    histories: HashMap<String, (Value, Value)>,
    config_at: Option<u64>,
}

impl Rounds {
    /// Asks all that viewers want. Fails if the instance is no longer reached.
    pub(super) async fn ask(
        &mut self,
        watched: &Watched,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<(), Problem> {
        self.asks_who(watched, link, deadline).await?;
        let (readiness, services, checks) = tokio::join!(
            link.ask(Question::Readiness, deadline),
            link.ask(Question::Services, deadline),
            link.ask(Question::Checks, deadline),
        );
        let (readiness, services, checks) = (reached(readiness)?, reached(services)?, reached(checks)?);
        watched.publish(|_, board, instance| {
            let mut new = false;
            if watched.is_wanted(Topic::Services) {
                new |= board.put(Topic::Services, &shown(&services));
            }
            board.known.readiness = readiness.ok();
            board.known.services = services.ok();
            board.known.checks = checks.ok();
            (board.problem, board.asked) = (None, true);
            board.row(instance) || new
        });
        if watched.is_wanted(Topic::Checks) {
            self.asks_histories(watched, link, deadline).await?;
        }
        if watched.is_wanted(Topic::Levels) {
            let levels = reached(link.ask(Question::Levels, deadline).await)?;
            watched.publish(|_, board, _| board.put(Topic::Levels, &shown(&levels)));
        }
        if watched.is_wanted(Topic::Operations) {
            let operations = self.operations(link, deadline).await?;
            let operations = shown(&operations.map(|all| json!({ "operations": all })));
            watched.publish(|_, board, _| board.put(Topic::Operations, &operations));
        }
        for topic in [Topic::Events, Topic::Logs] {
            if watched.is_wanted(topic) {
                self.asks_items(topic, watched, link, deadline).await?;
            }
        }
        if watched.is_wanted(Topic::Config) && self.config_at.is_none_or(|at| self.round >= at + CONFIG_EVERY)
        {
            self.config_at = Some(self.round);
            self.asks_config(watched, link, deadline).await?;
        }
        self.asks_metrics(watched, link, deadline).await?;
        self.round += 1;
        Ok(())
    }

    async fn asks_who(
        &mut self,
        watched: &Watched,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<(), Problem> {
        if !self.round.is_multiple_of(SELDOM) {
            return Ok(());
        }
        // The grants may have changed.
        self.operations = None;
        let identity = reached(link.ask(Question::Identity, deadline).await)?;
        let whoami = reached(self.call(link, ("app", "whoami"), json!({}), deadline).await?)?;
        watched.publish(|version, board, _| {
            let mut new = false;
            // If the app does not say which process it is, it counts as the one before.
            if let Some(instance) = identity.as_ref().ok().and_then(|identity| identity["instance"].as_str())
            {
                for ring in [&mut board.events, &mut board.logs] {
                    new |= ring.of_instance(version, instance);
                }
            }
            board.known.identity = identity.ok();
            board.known.whoami = whoami.ok();
            new
        });
        Ok(())
    }

    /// Reads the histories of checks that ran since the last round.
    async fn asks_histories(
        &mut self,
        watched: &Watched,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let checks = watched.board.lock().known.checks.clone().unwrap_or(Value::Null);
        let mut checks = checks["checks"].as_array().cloned().unwrap_or_default();
        let mut asked = 0;
        for check in &mut checks {
            let Some(id) = check["id"].as_str().map(str::to_owned) else { continue };
            let run = json!([check["result"], check["status"], check["paused"]]);
            let is_known = self.histories.get(&id).is_some_and(|(known, _)| *known == run);
            if !is_known
                && asked < MOST_HISTORIES
                && let Ok(number) = parse::hex(&id)
            {
                asked += 1;
                let question = Question::Check(HealthCheckId::new(number));
                if let Ok(history) = reached(link.ask(question, deadline).await)? {
                    self.histories.insert(id.clone(), (run, history));
                }
            }
            if let (Some((_, history)), Some(check)) = (self.histories.get(&id), check.as_object_mut()) {
                check.insert("results".to_owned(), history["results"].clone());
                check.insert("transitions".to_owned(), history["transitions"].clone());
            }
        }
        let ids: Vec<_> = checks.iter().filter_map(|check| check["id"].as_str()).collect();
        self.histories.retain(|id, _| ids.contains(&id.as_str()));
        watched.publish(|_, board, _| board.put(Topic::Checks, &json!({ "checks": checks })));
        Ok(())
    }

    async fn asks_items(
        &mut self,
        topic: Topic,
        watched: &Watched,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let ring = |board: &Board| if topic == Topic::Events { board.events.after } else { board.logs.after };
        let after = ring(&watched.board.lock());
        let mut arguments = json!({ "limit": PAGE });
        if let Some(after) = after {
            arguments["after"] = json!(after);
        }
        let name = if topic == Topic::Events { "events" } else { "logs" };
        let page = reached(self.call(link, ("app", name), arguments, deadline).await?)?;
        watched.publish(|version, board, _| match &page {
            Ok(page) => {
                let ring = if topic == Topic::Events { &mut board.events } else { &mut board.logs };
                let new = ring.take(version, page);
                board.put(topic, &json!({})) || new
            }
            Err(problem) => board.put(topic, &json!(problem)),
        });
        Ok(())
    }

    async fn asks_config(
        &mut self,
        watched: &Watched,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let statuses = reached(link.ask(Question::Configs, deadline).await)?;
        let shows = reached(self.call(link, ("config", "show"), json!({}), deadline).await?)?;
        let config = json!({ "statuses": shown(&statuses), "effective": shown(&shows) });
        watched.publish(|_, board, _| board.put(Topic::Config, &config));
        Ok(())
    }

    async fn asks_metrics(
        &mut self,
        watched: &Watched,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<(), Problem> {
        let wanted = watched.is_wanted(Topic::Metrics);
        let every = match (self.metrics, wanted) {
            (0 | 1, _) => METRICS_AGAIN,
            (_, true) => METRICS_EVERY,
            (_, false) => METRICS_SELDOM,
        };
        let every = every - EARLY;
        let due = self.metrics_at.is_none_or(|at| at.elapsed() >= every);
        if due {
            self.metrics_at = Some(Instant::now());
            self.metrics += 1;
            let metrics = reached(link.ask(Question::Metrics, deadline).await)?;
            watched.publish(|_, board, instance| match &metrics {
                Ok(metrics) => {
                    let process = board.known.identity.as_ref().and_then(|who| who["instance"].as_str());
                    let process = process.unwrap_or_default().to_owned();
                    board.history.take(&process, now(), metrics["text"].as_str().unwrap_or_default());
                    board.row(instance)
                }
                Err(problem) => board.put(Topic::Metrics, &json!(problem)),
            });
        }
        if wanted {
            watched.publish(|_, board, _| {
                let list = board.history.list();
                list["at"] != 0 && board.put(Topic::Metrics, &list)
            });
        }
        Ok(())
    }

    /// The operations of the instance. They do not change while it runs.
    async fn operations(
        &mut self,
        link: &dyn AppLink,
        deadline: Instant,
    ) -> Result<Result<Vec<Value>, Problem>, Problem> {
        if self.operations.is_none() {
            let answer = reached(link.ask(Question::Operations, deadline).await)?;
            let all = answer.map(|answer| answer["operations"].as_array().cloned().unwrap_or_default());
            self.operations = Some(all);
        }
        Ok(self.operations.clone().unwrap_or_else(|| Ok(vec![])))
    }

    /// Calls an operation that reads, by the names of its service and its own.
    async fn call(
        &mut self,
        link: &dyn AppLink,
        (service, name): (&str, &str),
        arguments: Value,
        deadline: Instant,
    ) -> Result<Answer, Problem> {
        let operations = match self.operations(link, deadline).await? {
            Ok(operations) => operations,
            Err(problem) => return Ok(Err(problem)),
        };
        let found = operations.iter().find(|known| known["service_name"] == service && known["name"] == name);
        if let Some(found) = found.filter(|found| found["may_call"] == false) {
            // Each denied call is on record in the app, so it is not made once a second.
            let role = found["role"].as_str().unwrap_or("higher");
            let denied =
                format!("\"{service} {name}\" needs the role {role}, which your certificate does not have");
            return Ok(Err(Problem::new(ProblemKind::Denied, denied)));
        }
        let id = found.and_then(|found| found["service"].as_str()).and_then(|id| parse::hex_or_zero(id).ok());
        let Some(id) = id else {
            let old =
                format!("It has no operation \"{service} {name}\", because it is older than this page.");
            return Ok(Err(Problem::new(ProblemKind::TooOld, old)));
        };
        let call = Call {
            service: ServiceId::new(id),
            name: name.to_owned(),
            arguments,
            reason: String::new(),
            request_id: String::new(),
            confirmed: false,
            time: deadline.saturating_duration_since(Instant::now()),
        };
        Ok(link.ask(Question::Call(Box::new(call)), deadline).await)
    }
}

/// An answer, or why there is none; an error if the instance is no longer reached.
fn reached(answer: Answer) -> Result<Answer, Problem> {
    match answer {
        Err(problem) if matches!(problem.kind, ProblemKind::NotReached | ProblemKind::Unknown) => {
            Err(problem)
        }
        answer => Ok(answer),
    }
}

fn shown(answer: &Answer) -> Value {
    match answer {
        Ok(answer) => answer.clone(),
        Err(problem) => json!(problem),
    }
}

/// Milliseconds since 1970 (UTC).
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
