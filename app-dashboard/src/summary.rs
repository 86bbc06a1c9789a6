//! One row of the fleet: the state of an instance in a few facts.

use serde_json::{Map, Value, json};

use crate::apps::{Instance, Problem};
use crate::history::History;

/// Most names of services or checks in a row.
const MOST_NAMES: usize = 4;
/// Most reasons in a row.
const MOST_REASONS: usize = 4;
/// Longest text in a row, in characters.
const MOST_TEXT: usize = 300;
/// Points of the small line.
const TREND: usize = 40;
/// Names of metrics: log records by level, resident memory, processor time.
const RECORDS: &str = "op_0_ddabce92f45675a0";
const MEMORY: &str = "process_resident_memory_bytes";
const CPU: &str = "process_cpu_seconds_total";
/// The id of the messaging service.
const MESSAGING: &str = "e5fd6a364d10d023";

/// The last answers of an instance.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) identity: Option<Value>,
    pub(crate) whoami: Option<Value>,
    pub(crate) readiness: Option<Value>,
    pub(crate) services: Option<Value>,
    pub(crate) checks: Option<Value>,
}

/// The row of an instance. `asked` is whether the instance was asked at all.
pub(crate) fn row(
    instance: &Instance,
    known: &Known,
    problem: Option<&Problem>,
    asked: bool,
    history: &History,
) -> Value {
    let ready = known.readiness.as_ref().and_then(|readiness| readiness["ready"].as_bool());
    let state = match (problem, ready) {
        (Some(_), _) => "unreachable",
        // What is known is of an earlier connection, or there is nothing yet.
        (None, _) if !asked => "connecting",
        (None, Some(true)) => "ready",
        (None, Some(false)) => "not_ready",
        (None, None) => "unknown",
    };
    let mut row = Map::new();
    let mut put = |name: &str, value: Value| drop(row.insert(name.to_owned(), value));
    put("key", json!(instance.key));
    put("context", json!(instance.context));
    put("address", json!(instance.address));
    put("state", json!(state));
    put("problem", problem.map_or(Value::Null, |problem| json!(cut(&problem.message))));
    if let Some(identity) = &known.identity {
        for name in ["name", "version", "release", "instance", "host", "pid", "started_at"] {
            put(name, short(&identity[name]));
        }
    }
    if let Some(whoami) = &known.whoami {
        put("role", short(&whoami["role"]));
    }
    if let Some(readiness) = &known.readiness {
        put("reasons", texts(&readiness["reasons"]));
        put("notes", texts(&readiness["notes"]));
        put("next_end", readiness["ends"].get(0).map_or(Value::Null, |end| short(&end["at"])));
    }
    if let Some(services) = known.services.as_ref().and_then(|services| services["services"].as_array()) {
        put("services", of_services(services));
        // Its page is shown only where there is something to show.
        let is_messaging = |service: &Value| service["id"].as_str().is_some_and(|id| id.ends_with(MESSAGING));
        put("messages", json!(services.iter().any(is_messaging)));
    }
    if let Some(checks) = known.checks.as_ref().and_then(|checks| checks["checks"].as_array()) {
        put("checks", of_checks(checks));
    }
    put("memory_bytes", json!(history.last(MEMORY, "")));
    put("cpu_cores", json!(history.last(CPU, "")));
    put("errors_per_minute", json!(history.last(RECORDS, "level=error").map(|rate| rate * 60.0)));
    put("memory_trend", Value::Array(history.trend(MEMORY, TREND)));
    Value::Object(row)
}

fn of_services(services: &[Value]) -> Value {
    let in_state = |state: &str| services.iter().filter(|service| service["state"] == state).count();
    let sum = |name: &str| services.iter().filter_map(|service| service[name].as_u64()).sum::<u64>();
    let not_running = services.iter().filter(|service| service["state"] != "running");
    let worst: Vec<_> = not_running
        .take(MOST_NAMES)
        .map(|service| json!({ "name": short(&service["name"]), "state": short(&service["state"]) }))
        .collect();
    json!({
        "total": services.len(), "running": in_state("running"), "failed": in_state("failed"),
        "restarts": sum("restarts"), "failures": sum("deaths"), "tasks": sum("tasks"), "not_running": worst,
    })
}

fn of_checks(checks: &[Value]) -> Value {
    let with_status = |status: &str| checks.iter().filter(|check| check["status"] == status).count();
    let unhealthy = checks.iter().filter(|check| check["status"] == "unhealthy");
    let names: Vec<_> = unhealthy.take(MOST_NAMES).map(|check| short(&check["name"])).collect();
    json!({
        "total": checks.len(), "healthy": with_status("healthy"), "unhealthy": with_status("unhealthy"),
        "unknown": with_status("unknown"),
        "paused": checks.iter().filter(|check| check["paused"] == true).count(),
        "failing": names,
    })
}

/// A text or a number of an app, cut; null for anything else.
fn short(value: &Value) -> Value {
    match value {
        Value::String(text) => json!(cut(text)),
        Value::Number(_) => value.clone(),
        _ => Value::Null,
    }
}

fn texts(value: &Value) -> Value {
    let texts = value.as_array().map(Vec::as_slice).unwrap_or_default();
    texts.iter().take(MOST_REASONS).map(short).collect()
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MOST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apps::ProblemKind;

    fn instance() -> Instance {
        Instance { key: "a".to_owned(), context: "a".to_owned(), address: "h:1".to_owned() }
    }

    #[test]
    fn the_state_follows_from_the_last_answers() {
        let history = History::default();
        let state = |known: &Known, problem: Option<&Problem>, asked| {
            row(&instance(), known, problem, asked, &history)["state"].clone()
        };
        let mut known = Known::default();
        assert_eq!(state(&known, None, false), "connecting");
        assert_eq!(state(&known, None, true), "unknown");
        known.readiness = Some(json!({ "ready": true }));
        assert_eq!(
            state(&known, None, false),
            "connecting",
            "it was ready at the end of an earlier connection"
        );
        assert_eq!(state(&known, None, true), "ready");
        known.readiness = Some(json!({ "ready": false, "reasons": ["quota is failed"] }));
        assert_eq!(state(&known, None, true), "not_ready");
        let gone = Problem::new(ProblemKind::NotReached, "connection refused");
        assert_eq!(state(&known, Some(&gone), true), "unreachable");
    }

    #[test]
    fn answers_of_another_shape_and_endless_texts_make_a_row_all_the_same() {
        let long = "x".repeat(100_000);
        let known = Known {
            identity: Some(json!({ "name": long, "version": ["no text"], "host": {} })),
            whoami: Some(json!(7)),
            readiness: Some(json!({ "ready": "yes", "reasons": vec![long.clone(); 1_000], "ends": [1, 2] })),
            services: Some(json!({ "services": [null, 1, { "state": 5, "restarts": "many" }] })),
            checks: Some(json!({ "checks": [{ "status": "unhealthy", "name": long }] })),
        };
        let messages = |id: &str| {
            let services = Some(json!({ "services": [{ "id": "0x7" }, { "id": id }] }));
            let known = Known { services, ..Known::default() };
            row(&instance(), &known, None, true, &History::default())["messages"].clone()
        };
        assert_eq!((messages("0xe5fd6a364d10d023"), messages("0x8")), (json!(true), json!(false)));
        let row = row(&instance(), &known, None, true, &History::default());
        assert!(row.to_string().len() < 5_000, "{}", row.to_string().len());
        assert_eq!(row["services"]["total"], 3);
        assert_eq!(row["version"], Value::Null);
        assert_eq!(row["reasons"].as_array().unwrap().len(), MOST_REASONS);
    }
}
