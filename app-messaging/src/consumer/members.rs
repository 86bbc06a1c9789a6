//! The consumers that run in this application, and what operators decided about them.

use std::collections::BTreeMap;
use std::sync::Arc;

use app_ids::StreamId;
use parking_lot::Mutex;

use super::pauses::Pauses;
use crate::types::MessageInfo;

/// A consumer that runs.
#[derive(Debug)]
pub(crate) struct Member {
    /// The id of its service, and its name.
    pub(crate) durable: String,
    /// The declared stream.
    pub(crate) stream_id: StreamId,
    /// The types that it takes.
    pub(crate) infos: Vec<&'static MessageInfo>,
    /// Its consumers in the server: the stream and the name. The first ones are those of its own stream.
    pub(crate) feeds: Vec<MemberFeed>,
    pub(super) pauses: Pauses,
    /// Feeds that get no messages at the moment: why.
    waiting: Mutex<BTreeMap<usize, String>>,
}

/// A consumer in the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberFeed {
    pub(crate) stream: String,
    pub(crate) name: String,
    /// Whether it reads retries or replays, and not the stream of the consumer.
    pub(crate) is_aside: bool,
}

impl Member {
    /// Says why a feed gets no messages, or that it gets them. Returns whether that is news.
    pub(super) fn waits(&self, feed: usize, why: Option<String>) -> bool {
        let mut waiting = self.waiting.lock();
        match why {
            Some(why) => waiting.insert(feed, why).is_none(),
            None => waiting.remove(&feed).is_some(),
        }
    }

    /// Why it pauses. `None` when it does not.
    pub(crate) fn pause(&self) -> Option<String> {
        let pause = self.pauses.now();
        (!pause.is_over()).then(|| pause.to_string())
    }

    fn notes(&self, troubles_alone: bool) -> Vec<String> {
        let pause = self.pauses.now();
        let shown = if troubles_alone { pause.is_trouble() } else { !pause.is_over() };
        let paused = shown.then(|| format!("consumer {} is paused: {pause}", self.durable));
        // The same for all feeds as a rule: then it is said once.
        let waiting = self.waiting.lock().values().next().cloned();
        let waiting = waiting.map(|why| format!("consumer {} gets no messages: {why}", self.durable));
        paused.into_iter().chain(waiting).collect()
    }
}

/// What is known of all consumers.
#[derive(Debug, Default)]
struct All {
    running: BTreeMap<String, Arc<Member>>,
    /// Consumers that an operator paused, whether they run here or not: why.
    operators: BTreeMap<String, String>,
}

/// The consumers that run, by the id of their service and their name.
#[derive(Debug, Default)]
pub(crate) struct Consumers(Mutex<All>);

/// What a consumer says about itself when it begins.
pub(super) struct Entering {
    pub(super) durable: String,
    pub(super) stream_id: StreamId,
    pub(super) infos: Vec<&'static MessageInfo>,
    pub(super) feeds: Vec<MemberFeed>,
}

impl Consumers {
    /// Enters a consumer. The error is a name in the server that another one has. `None` if it runs already.
    pub(super) fn enter(self: &Arc<Self>, entering: Entering) -> Result<Entered, Option<String>> {
        let Entering { durable, stream_id, infos, feeds } = entering;
        let mut all = self.0.lock();
        if all.running.contains_key(&durable) {
            return Err(None);
        }
        let others = all.running.values().flat_map(|member| &member.feeds);
        let mut taken = others.filter(|other| feeds.contains(other));
        if let Some(taken) = taken.next() {
            return Err(Some(taken.name.clone()));
        }
        let (pauses, waiting) = (Pauses::default(), Mutex::default());
        let member = Arc::new(Member { durable, stream_id, infos, feeds, pauses, waiting });
        member.pauses.by_operator(all.operators.get(&member.durable).cloned());
        all.running.insert(member.durable.clone(), Arc::clone(&member));
        Ok(Entered { consumers: Arc::clone(self), member })
    }

    /// Sets what an operator decided about a consumer, whether it runs here or not.
    pub(super) fn by_operator(&self, durable: &str, why: Option<String>) -> Option<Arc<Member>> {
        let mut all = self.0.lock();
        match &why {
            Some(why) => all.operators.insert(durable.to_owned(), why.clone()),
            None => all.operators.remove(durable),
        };
        let member = all.running.get(durable)?;
        member.pauses.by_operator(why).then(|| Arc::clone(member))
    }

    /// The consumers that an operator paused, whether they run here or not.
    pub(crate) fn paused_by_operators(&self) -> BTreeMap<String, String> {
        self.0.lock().operators.clone()
    }

    /// The consumers that run here.
    pub(crate) fn running(&self) -> Vec<Arc<Member>> {
        self.0.lock().running.values().cloned().collect()
    }

    /// A note for each consumer that pauses or waits.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.running().iter().flat_map(|member| member.notes(false)).collect()
    }

    /// A note for each consumer that pauses by itself or waits. What an operator paused is in order.
    pub(crate) fn troubles(&self) -> Vec<String> {
        self.running().iter().flat_map(|member| member.notes(true)).collect()
    }
}

/// A consumer that runs. Its name is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Entered {
    consumers: Arc<Consumers>,
    pub(super) member: Arc<Member>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.consumers.0.lock().running.remove(&self.member.durable);
    }
}
