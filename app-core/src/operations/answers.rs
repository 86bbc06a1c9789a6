//! The answers of calls with a request id, so that a repeated call does not act twice.
//!
//! A request id belongs to the names of its caller. So no caller finds the answer of another one.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, Hash, Hasher, RandomState},
    sync::Arc,
};

use parking_lot::Mutex;
use serde_json::Value;

use super::{OperationCall, run::OperationRun};

/// The most answers that are kept.
const MOST_ANSWERS: usize = 256;

/// The most bytes of answers that are kept.
const MOST_BYTES: usize = 8 << 20;

/// The answers of an app.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    kept: Mutex<KeptAnswers>,
    hashes: RandomState,
}

#[derive(Debug, Default)]
struct KeptAnswers {
    by_key: HashMap<Key, KeptAnswer>,
    /// In the order of their calls.
    order: VecDeque<Key>,
}

/// The names of the caller, and its request id.
type Key = (Vec<String>, String);

#[derive(Debug)]
struct KeptAnswer {
    /// Of the operation and its arguments.
    hash: u64,
    run: Arc<OperationRun>,
}

/// How a call with a request id goes on.
#[derive(Debug)]
pub(crate) enum Entered {
    /// It is the first one, and has to run.
    First,
    /// An earlier call has this run.
    Again(Arc<OperationRun>),
    /// The request id belongs to another call.
    Other,
}

impl Answers {
    /// Enters a call: keeps `run` for it, or finds the run of an earlier call.
    pub(crate) fn enter(&self, call: &OperationCall, id: &str, run: &Arc<OperationRun>) -> Entered {
        let key = (call.caller.names.clone(), id.to_owned());
        let hash = self.hash(call);
        let mut kept = self.kept.lock();
        if let Some(known) = kept.by_key.get(&key) {
            return if known.hash == hash { Entered::Again(Arc::clone(&known.run)) } else { Entered::Other };
        }
        kept.make_room();
        kept.by_key.insert(key.clone(), KeptAnswer { hash, run: Arc::clone(run) });
        kept.order.push_back(key);
        Entered::First
    }

    /// Forgets a call that did not run.
    pub(crate) fn leave(&self, names: &[String], id: &str) {
        let key = (names.to_vec(), id.to_owned());
        let mut kept = self.kept.lock();
        kept.by_key.remove(&key);
        kept.order.retain(|other| *other != key);
    }

    fn hash(&self, call: &OperationCall) -> u64 {
        let mut hasher = self.hashes.build_hasher();
        (call.service, &call.name, call.confirmed).hash(&mut hasher);
        feed(&call.arguments, &mut hasher);
        hasher.finish()
    }
}

impl KeptAnswers {
    /// Drops the oldest answers until there is room for one more. Calls that still run stay: their number has a bound.
    fn make_room(&mut self) {
        let bytes =
            |kept: &Self| kept.by_key.values().filter_map(|known| known.run.answer_bytes()).sum::<usize>();
        let mut total = bytes(self);
        let mut at = 0;
        while (self.order.len() >= MOST_ANSWERS || total > MOST_BYTES) && at < self.order.len() {
            let answered = self.by_key.get(&self.order[at]).and_then(|known| known.run.answer_bytes());
            let Some(bytes) = answered else {
                at += 1;
                continue;
            };
            total -= bytes.min(total);
            if let Some(key) = self.order.remove(at) {
                self.by_key.remove(&key);
            }
        }
    }
}

/// Feeds a value to a hasher. The order of fields does not count.
fn feed(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::Null => 0_u8.hash(hasher),
        Value::Bool(value) => (1_u8, value).hash(hasher),
        Value::Number(number) => (2_u8, number).hash(hasher),
        Value::String(text) => (3_u8, text).hash(hasher),
        Value::Array(items) => {
            (4_u8, items.len()).hash(hasher);
            items.iter().for_each(|item| feed(item, hasher));
        }
        Value::Object(fields) => {
            (5_u8, fields.len()).hash(hasher);
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            for (name, field) in fields {
                name.hash(hasher);
                feed(field, hasher);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use app_ids::ServiceId;
    use serde_json::json;

    use super::*;
    use crate::operations::{Caller, OperationRole};

    fn call(name: &str, arguments: Value) -> OperationCall {
        let caller = Caller::new(name, OperationRole::Operate, "a test");
        OperationCall::new(ServiceId::new(7), "forget", arguments, caller)
    }

    fn run() -> Arc<OperationRun> {
        OperationRun::new(std::time::Duration::ZERO)
    }

    fn answered(bytes: usize) -> Arc<OperationRun> {
        let run = run();
        run.end(Ok("x".repeat(bytes).into()));
        run
    }

    #[test]
    fn a_repeated_call_finds_the_first_run_and_another_call_does_not() {
        let answers = Answers::default();
        let first = call("a", json!({ "x": 1, "y": [2] }));
        let run = run();
        assert!(matches!(answers.enter(&first, "7", &run), Entered::First));
        let again = answers.enter(&call("a", json!({ "y": [2], "x": 1 })), "7", &self::run());
        assert!(matches!(again, Entered::Again(found) if Arc::ptr_eq(&found, &run)));
        assert!(matches!(answers.enter(&call("a", json!({ "x": 2, "y": [2] })), "7", &run), Entered::Other));
        assert!(matches!(answers.enter(&call("b", json!({ "x": 2 })), "7", &run), Entered::First));
        answers.leave(&first.caller.names, "7");
        assert!(matches!(answers.enter(&first, "7", &run), Entered::First));
    }

    #[test]
    fn the_last_256_answers_are_kept_and_those_that_still_run() {
        let answers = Answers::default();
        let running = call("a", json!("runs"));
        answers.enter(&running, "runs", &run());
        for number in 0..300 {
            answers.enter(&call("a", json!(number)), &number.to_string(), &answered(1));
        }
        let kept = answers.kept.lock();
        assert_eq!((kept.by_key.len(), kept.order.len()), (MOST_ANSWERS, MOST_ANSWERS));
        drop(kept);
        assert!(matches!(answers.enter(&running, "runs", &run()), Entered::Again(_)));
        assert!(matches!(answers.enter(&call("a", json!(299)), "299", &run()), Entered::Again(_)));
        assert!(matches!(answers.enter(&call("a", json!(0)), "0", &run()), Entered::First));
    }

    #[test]
    fn answers_have_a_bound_in_bytes() {
        let answers = Answers::default();
        for number in 0..20 {
            answers.enter(&call("a", json!(number)), &number.to_string(), &answered(1 << 20));
        }
        let kept = answers.kept.lock();
        assert!(kept.by_key.len() <= 10, "{} are kept", kept.by_key.len());
    }
}
