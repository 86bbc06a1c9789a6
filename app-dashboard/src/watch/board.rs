//! What is known of an instance, as the viewers get it.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::apps::{Instance, Problem};
use crate::history::History;
use crate::summary::{self, Known};

/// Most events, and most log records, of an instance.
const MOST_ITEMS: usize = 1000;
/// Most bytes of them.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// A subject that a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Topic {
    Summary,
    Services,
    Checks,
    Metrics,
    Config,
    Levels,
    Operations,
    Events,
    Logs,
}

impl Topic {
    pub(crate) const ALL: [Self; Self::COUNT] = [
        Self::Summary,
        Self::Services,
        Self::Checks,
        Self::Metrics,
        Self::Config,
        Self::Levels,
        Self::Operations,
        Self::Events,
        Self::Logs,
    ];
    pub(crate) const COUNT: usize = 9;

    /// The name in requests and in the stream.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Services => "services",
            Self::Checks => "checks",
            Self::Metrics => "metrics",
            Self::Config => "config",
            Self::Levels => "levels",
            Self::Operations => "operations",
            Self::Events => "events",
            Self::Logs => "logs",
        }
    }
}

/// The board of an instance.
#[derive(Default)]
pub(crate) struct Board {
    /// The version of the change that is being made.
    pub(super) version: u64,
    pub(super) known: Known,
    pub(super) problem: Option<Problem>,
    pub(super) asked: bool,
    pub(crate) history: History,
    texts: [Option<(u64, Arc<str>)>; Topic::COUNT],
    pub(super) events: Ring,
    pub(super) logs: Ring,
}

/// The last items of a numbered list in the app.
#[derive(Default)]
pub(super) struct Ring {
    items: VecDeque<Item>,
    bytes: usize,
    /// The number to ask after.
    pub(super) after: Option<u64>,
    /// The process that the last items are of.
    instance: String,
    /// How many items there were.
    count: u64,
}

/// One event or one log record.
#[derive(Clone)]
pub(crate) struct Item {
    /// The version of the board with which it came.
    pub(crate) version: u64,
    pub(crate) text: Arc<str>,
}

impl Board {
    /// Puts an answer on the board. Returns whether it is new.
    pub(super) fn put(&mut self, topic: Topic, answer: &Value) -> bool {
        let text = answer.to_string();
        let place = &mut self.texts[topic as usize];
        if place.as_ref().is_some_and(|(_, known)| **known == *text) {
            return false;
        }
        *place = Some((self.version, text.into()));
        true
    }

    /// Makes the row of the fleet anew. Returns whether it is new.
    pub(super) fn row(&mut self, instance: &Instance) -> bool {
        let row = summary::row(instance, &self.known, self.problem.as_ref(), self.asked, &self.history);
        self.put(Topic::Summary, &row)
    }

    /// Notes that the instance was lost. What was known of it stays on the board.
    pub(super) fn lost(&mut self, problem: Problem, instance: &Instance) -> bool {
        self.problem = Some(problem);
        self.asked = true;
        self.row(instance)
    }

    /// Whether the instance answered, or could not be reached.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked
    }

    /// The answer to a topic, with its version.
    pub(crate) fn text(&self, topic: Topic) -> Option<(u64, Arc<str>)> {
        self.texts[topic as usize].clone()
    }

    /// The items that came after a version.
    pub(crate) fn items(&self, topic: Topic, after: u64) -> Vec<Item> {
        let ring = match topic {
            Topic::Events => &self.events,
            Topic::Logs => &self.logs,
            _ => return vec![],
        };
        let old = ring.items.partition_point(|item| item.version <= after);
        ring.items.iter().skip(old).cloned().collect()
    }
}

impl Ring {
    /// Forgets the place in the list of an earlier process. Another process numbers its items from the beginning, so a note stands
    /// before them. Returns whether there is such a note.
    pub(super) fn of_instance(&mut self, version: u64, instance: &str) -> bool {
        if self.instance == instance {
            return false;
        }
        instance.clone_into(&mut self.instance);
        self.after = None;
        let follows = !self.items.is_empty();
        if follows {
            self.push(version, json!({ "restarted": true }));
        }
        follows
    }

    /// Adds an item. Its `seq` is a number that no other item of this list has.
    fn push(&mut self, version: u64, mut item: Value) {
        self.count += 1;
        if let Some(fields) = item.as_object_mut() {
            fields.insert("seq".to_owned(), json!(self.count));
        }
        let text = item.to_string();
        self.bytes += text.len();
        self.items.push_back(Item { version, text: text.into() });
    }

    /// Takes a page `{items, next, missed}`. Returns whether it has items.
    pub(super) fn take(&mut self, version: u64, page: &Value) -> bool {
        let items = page["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(next) = page["next"].as_u64() {
            self.after = Some(next);
        }
        let missed = page["missed"].as_u64().filter(|missed| *missed > 0);
        let note = missed.map(|missed| json!({ "missed": missed }));
        for item in note.into_iter().chain(items.iter().filter(|item| item.is_object()).cloned()) {
            self.push(version, item);
        }
        while self.items.len() > MOST_ITEMS || self.bytes > MOST_BYTES {
            let Some(first) = self.items.pop_front() else { break };
            self.bytes -= first.text.len();
        }
        self.items.back().is_some_and(|last| last.version == version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_has_a_higher_version_and_what_is_not_keeps_its_own() {
        let mut board = Board { version: 1, ..Board::default() };
        assert!(board.put(Topic::Levels, &json!({ "a": 1 })));
        board.version = 2;
        assert!(!board.put(Topic::Levels, &json!({ "a": 1 })));
        assert_eq!(board.text(Topic::Levels).unwrap().0, 1);
        assert!(board.put(Topic::Levels, &json!({ "a": 2 })));
        assert_eq!(board.text(Topic::Levels).unwrap().0, 2);
        assert!(board.text(Topic::Config).is_none());
    }

    #[test]
    fn a_ring_keeps_the_last_items_and_knows_where_it_is() {
        let mut board = Board::default();
        let page = |from: u64, to: u64| {
            let items: Vec<_> = (from..to).map(|number| json!({ "number": number })).collect();
            json!({ "items": items, "next": to, "missed": 0 })
        };
        assert!(!board.events.of_instance(1, "a"));
        assert!(board.events.take(1, &page(0, 10)));
        assert!(!board.events.take(2, &page(10, 10)));
        assert!(board.events.take(3, &page(10, 12)));
        assert_eq!(board.events.after, Some(12));
        assert_eq!(board.items(Topic::Events, 0).len(), 12);
        assert_eq!(board.items(Topic::Events, 1).len(), 2);
        assert!(board.items(Topic::Logs, 0).is_empty());
        assert!(!board.events.of_instance(4, "a"));
        assert_eq!(board.events.after, Some(12));
        assert!(board.events.of_instance(4, "b"));
        assert_eq!(board.events.after, None, "another process counts anew");
        assert!(board.events.take(4, &page(0, 5_000)));
        assert_eq!(board.items(Topic::Events, 0).len(), MOST_ITEMS);
        let big = "x".repeat(MOST_BYTES / 4);
        for _ in 0..20 {
            board.events.take(5, &json!({ "items": [{ "message": big }, "no object", null], "next": 1 }));
        }
        assert!(board.items(Topic::Events, 0).len() <= 4);
        assert!(board.events.take(6, &json!({ "items": [], "next": 9, "missed": 3 })));
        let last = board.items(Topic::Events, 5);
        assert!(last.last().unwrap().text.contains("\"missed\":3"), "{}", last.last().unwrap().text);
        assert!(!board.events.take(7, &json!("no page")));
    }

    #[test]
    fn items_of_another_process_come_behind_a_note_and_no_two_have_the_same_sequence_number() {
        let mut board = Board::default();
        let page = json!({ "items": [{ "number": 1, "seq": 7 }, { "number": 2 }], "next": 2 });
        assert!(!board.logs.of_instance(1, "a"), "nothing was before");
        board.logs.take(1, &page);
        board.logs.of_instance(2, "b");
        board.logs.take(2, &page);
        let items = board.items(Topic::Logs, 0);
        let items: Vec<Value> = items.iter().map(|item| serde_json::from_str(&item.text).unwrap()).collect();
        let numbers: Vec<_> = items.iter().map(|item| item["number"].as_u64()).collect();
        assert_eq!(numbers, [Some(1), Some(2), None, Some(1), Some(2)]);
        assert_eq!(items[2]["restarted"], true);
        let sequence: Vec<_> = items.iter().map(|item| item["seq"].as_u64().unwrap()).collect();
        assert_eq!(sequence, [1, 2, 3, 4, 5]);
    }
}
