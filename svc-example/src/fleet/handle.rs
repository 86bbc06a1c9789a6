//! What the service calls.

use std::sync::Arc;

use app_core::prelude::*;
use app_core::trace::CallerSpan;
use app_messaging::Messaging;
use tokio::sync::{mpsc, oneshot};

use super::clock::WallClock;
use super::shared::SharedRate;
use super::task::Task;
use crate::metrics::QuotaMetrics;
use crate::notices::Notices;
use crate::{Grant, Limits, QUOTA, Rule, Scope};

/// A rule of the fleet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FleetRule {
    pub(crate) rule: Rule,
    pub(crate) rate: SharedRate,
}

impl FleetRule {
    /// The rules of the fleet among these: one place for each rule, `None` for those of the instance.
    pub(crate) fn of(limits: &Limits) -> Vec<Option<Arc<Self>>> {
        let of_fleet = |rule: &Rule| {
            (rule.scope != Scope::Instance)
                .then(|| Arc::new(Self { rate: SharedRate::new(rule), rule: rule.clone() }))
        };
        limits.rules().iter().map(of_fleet).collect()
    }
}

/// What is asked of a key.
#[derive(Debug)]
pub(super) enum Ask {
    /// `caller` is the span of the call, for the message that the key ran out.
    Take {
        permits: u32,
        caller: CallerSpan,
        reply: Reply<Grant>,
    },
    Look {
        reply: Reply<u32>,
    },
    Fill {
        reply: Reply<()>,
    },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Error>>;

#[derive(Debug)]
pub(super) enum Command {
    Ask(Arc<FleetRule>, Box<str>, Ask),
    /// The rules of the fleet that are in effect from now on.
    Rules(Vec<Arc<FleetRule>>),
}

/// The permits that this instance shares with others. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Fleet {
    commands: mpsc::Sender<Command>,
}

impl Fleet {
    /// Starts the task `fleet`. `queue` calls wait for their turn; further ones wait for room.
    pub(crate) fn start(
        service: &Service,
        messaging: &Messaging,
        clock: WallClock,
        metrics: &QuotaMetrics,
        notices: &Notices,
        queue: u16,
    ) -> Result<Self, Error> {
        let (commands, taken) = mpsc::channel(queue.into());
        let task = Task::new(service, messaging, clock, metrics, notices);
        service.spawn("fleet", task.run(taken))?;
        Ok(Self { commands })
    }

    /// Takes permits of a key.
    pub(crate) async fn take(&self, rule: &Arc<FleetRule>, key: &str, permits: u32) -> Result<Grant, Error> {
        let caller = CallerSpan::here();
        self.ask(rule, key, |reply| Ask::Take { permits, caller, reply }).await
    }

    /// Permits that are left of a key.
    pub(crate) async fn remaining(&self, rule: &Arc<FleetRule>, key: &str) -> Result<u32, Error> {
        self.ask(rule, key, |reply| Ask::Look { reply }).await
    }

    /// Makes the bucket of a key full.
    pub(crate) async fn refill(&self, rule: &Arc<FleetRule>, key: &str) -> Result<(), Error> {
        self.ask(rule, key, |reply| Ask::Fill { reply }).await
    }

    /// Takes other rules.
    pub(crate) async fn set_rules(&self, rules: &[Option<Arc<FleetRule>>]) -> Result<(), Error> {
        let rules = rules.iter().flatten().cloned().collect();
        self.commands.send(Command::Rules(rules)).await.map_err(|_| over())
    }

    async fn ask<T>(
        &self,
        rule: &Arc<FleetRule>,
        key: &str,
        ask: impl FnOnce(Reply<T>) -> Ask,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let command = Command::Ask(Arc::clone(rule), key.into(), ask(reply));
        self.commands.send(command).await.map_err(|_| over())?;
        answer.await.unwrap_or_else(|_| Err(over()))
    }
}

fn over() -> Error {
    errors::SERVICE_NOT_ALIVE.error(QUOTA).message("the service stops, so it leases no permits").build()
}
