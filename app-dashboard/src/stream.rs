//! The event stream of a page: one connection with all that the page shows.
//!
//! The format is that of server-sent events. A page reads it with `fetch`, since `EventSource` cannot send the session. Each
//! event has the topic as its name, and `{"key": .., "data": ..}` as its data. `data` of events and log records is a list of
//! the new ones; `items` says so in the name: `events_items`, `logs_items`. The first list has `"first": true`, and stands for
//! all that was sent before.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::Service;
use axum::body::Body;
use axum::http::header::{self, HeaderValue};
use axum::response::Response;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::apps::Problem;
use crate::fleet::{Fleet, Listed};
use crate::watch::{Look, Topic, Watched};

/// A comment after this time without an event, so that both sides notice that the other has gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Changes within this time go out together.
const TOGETHER: Duration = Duration::from_millis(100);
/// How often the list of instances is read.
const LIST_EVERY: Duration = Duration::from_secs(10);

/// What a page shows.
pub(crate) struct Wanted {
    /// The instance; none for the fleet.
    pub(crate) key: Option<String>,
    pub(crate) topics: Vec<Topic>,
}

struct Viewer {
    fleet: Fleet,
    wanted: Wanted,
    service: Service,
    changes: watch::Receiver<u64>,
    seen: HashMap<String, Seen>,
    next_list: Instant,
    problem: Option<Problem>,
    /// When the last event was sent.
    sent: Instant,
    /// What is ready to be sent.
    ready: VecDeque<String>,
    _slot: OwnedSemaphorePermit,
}

/// What was sent of an instance.
struct Seen {
    watched: Arc<Watched>,
    /// The version of what was sent last, by topic.
    texts: [u64; Topic::COUNT],
    items: [u64; Topic::COUNT],
    _looks: Vec<Look>,
}

/// Answers with the stream. It ends when the client goes away or the service stops.
pub(crate) fn answer(fleet: Fleet, wanted: Wanted, slot: OwnedSemaphorePermit) -> Response {
    let viewer = Viewer {
        changes: fleet.changes(),
        service: fleet.service().clone(),
        fleet,
        wanted,
        seen: HashMap::new(),
        next_list: Instant::now(),
        problem: None,
        sent: Instant::now(),
        ready: VecDeque::from([": connected\n\n".to_owned()]),
        _slot: slot,
    };
    let events = stream::unfold(viewer, async |mut viewer| {
        let service = viewer.service.clone();
        let next = service.run_until_stopped(viewer.next()).await?;
        Some((Ok::<_, Infallible>(next), viewer))
    });
    let mut response = Response::new(Body::from_stream(events));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

impl Viewer {
    /// The next text to send.
    async fn next(&mut self) -> String {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                self.sent = Instant::now();
                return ready;
            }
            if Instant::now() >= self.next_list {
                self.next_list = Instant::now() + LIST_EVERY;
                self.list().await;
            }
            // Marks the changes as seen before reading them, so that none is lost in between.
            self.changes.mark_unchanged();
            self.collect();
            if !self.ready.is_empty() {
                continue;
            }
            let until = self.next_list.min(self.sent + HEARTBEAT);
            tokio::select! {
                changed = self.changes.changed() => {
                    if changed.is_ok() {
                        sleep(TOGETHER).await;
                    }
                }
                () = sleep_until(until) => {
                    if self.sent.elapsed() >= HEARTBEAT {
                        self.ready.push_back(":\n\n".to_owned());
                    }
                }
            }
        }
    }

    /// Looks at the instances that the page shows.
    async fn list(&mut self) {
        let Listed { mut instances, problem } = self.fleet.list().await;
        if let Some(key) = &self.wanted.key {
            instances.retain(|watched| watched.instance.key == *key);
        }
        let changed = self.problem != problem
            || instances.len() != self.seen.len()
            || instances.iter().any(|watched| !self.sees(watched));
        let first = self.seen.is_empty() && self.problem.is_none();
        self.problem = problem;
        self.seen.retain(|_, seen| instances.iter().any(|watched| Arc::ptr_eq(watched, &seen.watched)));
        for watched in instances {
            if !self.sees(&watched) {
                let looks = watched.look(&self.wanted.topics);
                let seen =
                    Seen { watched, texts: [0; Topic::COUNT], items: [0; Topic::COUNT], _looks: looks };
                self.seen.insert(seen.watched.instance.key.clone(), seen);
            }
        }
        if changed || first {
            let mut keys: Vec<_> = self.seen.keys().collect();
            keys.sort();
            let data = json!({ "keys": keys, "problem": self.problem });
            self.ready.push_back(event("fleet", &data.to_string()));
        }
    }

    fn sees(&self, watched: &Arc<Watched>) -> bool {
        self.seen.get(&watched.instance.key).is_some_and(|seen| Arc::ptr_eq(&seen.watched, watched))
    }

    /// Collects what is new on the boards.
    fn collect(&mut self) {
        for (key, seen) in &mut self.seen {
            let key = json!(key);
            let board = seen.watched.board.lock();
            for topic in &self.wanted.topics {
                let sent = &mut seen.texts[*topic as usize];
                if let Some((version, text)) = board.text(*topic).filter(|(version, _)| version > sent) {
                    *sent = version;
                    let data = format!("{{\"key\":{key},\"data\":{text}}}");
                    self.ready.push_back(event(topic.name(), &data));
                }
                let sent = &mut seen.items[*topic as usize];
                let items = board.items(*topic, *sent);
                if let Some(last) = items.last() {
                    let first = *sent == 0;
                    *sent = last.version;
                    let list: Vec<_> = items.iter().map(|item| &*item.text).collect();
                    let data = format!("{{\"key\":{key},\"data\":[{}],\"first\":{first}}}", list.join(","));
                    self.ready.push_back(event(&format!("{}_items", topic.name()), &data));
                }
            }
        }
    }
}

/// An event. The data is JSON on one line, so it has no line break.
fn event(name: &str, data: &str) -> String {
    let mut text = String::with_capacity(name.len() + data.len() + 20);
    // Writing to a string does not fail.
    let _ = write!(text, "event: {name}\ndata: {data}\n\n");
    text
}

#[cfg(test)]
mod tests {
    use super::event;

    #[test]
    fn a_line_break_of_an_app_makes_no_second_event() {
        let forged = serde_json::json!({ "message": "x\n\nevent: fleet\ndata: {}\r\n\u{2028}" });
        let sent = event("logs_items", &forged.to_string());
        assert_eq!(sent.matches('\n').count(), 3, "{sent:?}");
        assert!(!sent.contains('\r'));
    }
}
