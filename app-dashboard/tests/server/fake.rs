//! Apps that are not there: they answer from memory, and count what they are asked.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use app_dashboard::{Answer, AppLink, Apps, Asked, Instance, Problem, ProblemKind, Question};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::Instant;

/// What an attacker puts into each text.
pub(crate) const EVIL: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'`\u{202e}\r\n\nevent: fleet\ndata: {}";

/// All apps.
#[derive(Default)]
pub(crate) struct Fake {
    keys: Vec<&'static str>,
    evil: bool,
    state: Mutex<State>,
    denies: AtomicBool,
    connections: AtomicUsize,
}

#[derive(Default)]
struct State {
    /// Each question, with the key of its app.
    asked: Vec<(String, String)>,
    dead: BTreeSet<String>,
    hanging: BTreeSet<String>,
    /// Apps that the list does not have.
    unlisted: BTreeSet<String>,
    /// Why there is no list.
    unreadable: Option<&'static str>,
}

impl Fake {
    pub(crate) fn with(count: usize) -> Arc<Self> {
        let keys = ["one", "two", "three", "four", "five"];
        Arc::new(Self { keys: keys[..count].to_vec(), ..Self::default() })
    }

    pub(crate) fn evil() -> Arc<Self> {
        Arc::new(Self { keys: vec!["one"], evil: true, ..Self::default() })
    }

    pub(crate) fn questions(&self) -> usize {
        self.state.lock().asked.len()
    }

    pub(crate) fn asked(&self, key: &str, question: &str) -> usize {
        let state = self.state.lock();
        state.asked.iter().filter(|(of, asked)| of == key && asked.contains(question)).count()
    }

    pub(crate) fn changes(&self) -> usize {
        self.state.lock().asked.iter().filter(|(_, asked)| asked.starts_with("Change(")).count()
    }

    pub(crate) fn last_change(&self) -> String {
        let state = self.state.lock();
        state.asked.iter().rev().find(|(_, asked)| asked.starts_with("Change(")).unwrap().1.clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(SeqCst)
    }

    pub(crate) fn deny(&self) {
        self.denies.store(true, SeqCst);
    }

    pub(crate) fn die(&self, key: &str) {
        self.state.lock().dead.insert(key.to_owned());
    }

    pub(crate) fn live(&self, key: &str) {
        self.state.lock().dead.remove(key);
    }

    pub(crate) fn unlist(&self, key: &str) {
        self.state.lock().unlisted.insert(key.to_owned());
    }

    pub(crate) fn list_again(&self, key: &str) {
        self.state.lock().unlisted.remove(key);
    }

    pub(crate) fn cannot_list(&self, why: Option<&'static str>) {
        self.state.lock().unreadable = why;
    }

    pub(crate) fn hang(&self, key: &str) {
        self.state.lock().hanging.insert(key.to_owned());
    }

    fn answer(&self, question: &Question) -> Answer {
        let text = |plain: &str| if self.evil { EVIL.to_owned() } else { plain.to_owned() };
        let operation = |service: &str, name: &str| json!({ "service": "0x0", "service_name": service, "name": name, "about": text("about"), "role": "read", "effect": "reads" });
        Ok(match question {
            Question::Identity => {
                json!({ "name": text("quota-app"), "version": text("1"), "instance": "0x1", "host": text("host"), "pid": 7 })
            }
            Question::Readiness => {
                json!({ "ready": true, "reasons": [], "notes": [text("note")], "ends": [] })
            }
            Question::Services => json!({ "services": [
                { "id": "0x10", "name": text("quota"), "state": "running", "needs": ["0x11"], "reason": text("") },
                { "id": "0x11", "name": text("config"), "state": "running", "needs": [] },
            ] }),
            Question::Checks => json!({ "checks": [
                { "id": "0x20", "name": text("check"), "status": "unhealthy", "problem": text("bad"), "result": { "started_at": "x" } },
            ] }),
            Question::Check(_) => {
                json!({ "check": {}, "results": [{ "error": text("bad") }], "transitions": [] })
            }
            Question::Levels => json!({ "app": { "level": "info" }, "services": [] }),
            Question::Metrics => json!({ "text": format!(
                "# HELP process_resident_memory_bytes {}\n# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 1024\n",
                text("Memory.").replace('\n', " ")
            ) }),
            Question::Operations => {
                json!({ "operations": [
                    operation("app", "whoami"), operation("app", "events"), operation("app", "logs"),
                    json!({ "service": "0x5", "service_name": "config", "name": "show", "role": "operate", "may_call": false }),
                ] })
            }
            Question::Call(call) if call.name == "whoami" => json!({ "names": ["me"], "role": "operate" }),
            Question::Call(call) if ["events", "logs"].contains(&call.name.as_str()) => {
                let after = call.arguments["after"].as_u64();
                let items: Vec<Value> = match after {
                    None => vec![json!({ "number": 1, "message": text("started"), "kind": text("kind") })],
                    Some(_) => vec![],
                };
                json!({ "items": items, "next": 1, "missed": 0 })
            }
            Question::Call(_) | Question::Change(_) if self.denies.load(SeqCst) => {
                return Err(Problem::new(
                    ProblemKind::Denied,
                    "denied: it needs role operate, and reader.dev has read",
                ));
            }
            _ => json!({}),
        })
    }
}

struct FakeLink {
    fake: Arc<Fake>,
    key: String,
    open: AtomicBool,
}

/// The apps as the server gets them.
pub(crate) struct Shared(pub(crate) Arc<Fake>);

impl Apps for Shared {
    fn list(&self) -> Asked<'_, Result<Vec<Instance>, Problem>> {
        let instance = |key: &&str| Instance {
            key: (*key).to_owned(),
            context: (*key).to_owned(),
            address: "host:1".to_owned(),
        };
        let state = self.0.state.lock();
        let all = self.0.keys.iter().filter(|key| !state.unlisted.contains(**key)).map(instance).collect();
        let list = state.unreadable.map_or(Ok(all), |why| Err(Problem::new(ProblemKind::Unusable, why)));
        Box::pin(async { list })
    }

    fn connect<'a>(
        &'a self,
        instance: &'a Instance,
        _: Instant,
    ) -> Asked<'a, Result<Arc<dyn AppLink>, Problem>> {
        Box::pin(async {
            if self.0.state.lock().dead.contains(&instance.key) {
                return Err(Problem::new(ProblemKind::NotReached, "host:1: connection refused"));
            }
            self.0.connections.fetch_add(1, SeqCst);
            let link = FakeLink {
                fake: Arc::clone(&self.0),
                key: instance.key.clone(),
                open: AtomicBool::new(true),
            };
            Ok(Arc::new(link) as Arc<dyn AppLink>)
        })
    }
}

impl AppLink for FakeLink {
    fn is_connected(&self) -> bool {
        self.open.load(SeqCst)
    }

    fn ask(&self, question: Question, deadline: Instant) -> Asked<'_, Answer> {
        Box::pin(async move {
            let hangs = {
                let mut state = self.fake.state.lock();
                state.asked.push((self.key.clone(), format!("{question:?}")));
                if state.dead.contains(&self.key) {
                    return Err(Problem::new(ProblemKind::NotReached, "host:1: connection refused"));
                }
                state.hanging.contains(&self.key)
            };
            if hangs {
                let late = Problem::new(ProblemKind::NotReached, "host:1: no answer in time");
                return tokio::time::timeout_at(deadline, pending()).await.unwrap_or(Err(late));
            }
            self.fake.answer(&question)
        })
    }

    fn close(&self) -> Asked<'_, ()> {
        Box::pin(async {
            if self.open.swap(false, SeqCst) {
                self.fake.connections.fetch_sub(1, SeqCst);
            }
        })
    }
}
