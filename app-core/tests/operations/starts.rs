//! Operations that a start refuses.

use app_core::{
    ServiceDescriptor,
    operations::RESERVED_FLAGS,
    prelude::*,
    testing::{TestApp, runs},
};
use schemars::JsonSchema;
use serde::Deserialize;

const FAULTY: ServiceId = ServiceId::new(0xfa01);
const NAMESAKE: ServiceId = ServiceId::new(0xfa02);

#[derive(Deserialize, JsonSchema)]
#[allow(dead_code, reason = "only the schema counts")]
struct Reserved {
    reason: String,
    request_id: Option<String>,
    #[serde(rename = "aB")]
    a: u8,
    #[serde(rename = "a_b")]
    b: u8,
    fine: u8,
}

struct Missing;
impl Exposed for Missing {
    const SERVICE: ServiceId = ServiceId::new(0x3155);
}

async fn nothing() -> Result<(), Error> {
    Ok(())
}
async fn reserved(_args: Args<Reserved>) -> Result<(), Error> {
    Ok(())
}
async fn no_object(_args: Args<Vec<u8>>) -> Result<(), Error> {
    Ok(())
}
async fn two(_a: Args<Reserved>, _b: Args<Reserved>) -> Result<(), Error> {
    Ok(())
}
async fn job(_job: Job) -> Result<(), Error> {
    Ok(())
}
async fn needs(_missing: Dep<Missing>) -> Result<(), Error> {
    Ok(())
}

app_core::operation! { of: FAULTY, name: "twice", role: Read, effect: Reads, about: "a", run: nothing }
app_core::operation! { of: FAULTY, name: "twice", role: Read, effect: Reads, about: "b", run: nothing }
app_core::operation! { of: FAULTY, name: "Bad_Name", role: Read, effect: Reads, about: "c", run: nothing }
app_core::operation! { of: FAULTY, name: "reserved", role: Read, effect: Reads, about: "d", run: reserved }
app_core::operation! { of: FAULTY, name: "no-object", role: Read, effect: Reads, about: "e", run: no_object }
app_core::operation! { of: FAULTY, name: "two", role: Read, effect: Reads, about: "f", run: two }
app_core::operation! { of: FAULTY, name: "job", role: Read, effect: Reads, about: "g", run: job }
app_core::operation! { of: FAULTY, name: "needs", role: Read, effect: Reads, about: "h", run: needs }
app_core::operation! { of: NAMESAKE, name: "x", role: Read, effect: Reads, about: "i", run: nothing }

async fn refusals(service: ServiceDescriptor) -> String {
    let app = TestApp::builder().service(service).build();
    let report = app.start().await.unwrap_err();
    format!("{report:?}\n{}", app.captured().text())
}

#[tokio::test]
async fn a_start_names_every_mistake_of_an_operation() {
    let refused = refusals(runs(FAULTY, "faulty")).await;
    for says in [
        "has this name twice, here and ",
        "its name is not 1 to 64 of a to z, 0 to 9 and -",
        "the flag of its argument reason is --reason, which `appctl do` has; rename it",
        "the flag of its argument request_id is --request-id",
        "have one flag, --a-b; rename one",
        "its arguments are no object",
        "its function takes two `Args`",
        "its function takes a `Job`; add `job: true`",
        "it needs service 3155, which is not linked",
    ] {
        assert!(refused.contains(says), "{says}: {refused}");
    }
    assert!(!refused.contains("argument fine"), "{refused}");
    assert!(
        refused.contains("app-core/tests/operations/starts.rs") || refused.contains("operations/starts.rs")
    );
}

#[tokio::test]
async fn a_service_with_operations_is_not_called_app() {
    let refused = refusals(runs(NAMESAKE, "app")).await;
    assert!(refused.contains("the name of the application itself"), "{refused}");
}

#[test]
fn the_flags_of_every_command_are_reserved() {
    for flag in ["json", "context", "reason", "yes", "args", "help", "request-id", "all", "timeout"] {
        assert!(RESERVED_FLAGS.contains(&flag), "{flag}");
    }
}
