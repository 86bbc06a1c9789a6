//! Other people's client: `nats-py` sends what this crate handles, reads what it sends, and asks for services.

use std::sync::Arc;

use app_core::testing::{Ended, Program};
use app_core::trace::TraceContext;
use app_messaging::{Done, KeyHash};
use parking_lot::Mutex;
use quota_schema::quota_capnp::quota_rule;
use serde_json::{Value, json};

use crate::fleet::{Office, dead_letters};
use crate::nats::NatsProgram;
use crate::worker::{Job, STREAM, WORKER};
use crate::{PATIENCE, say, until};

const SCRIPT: &str = r#"
import asyncio, json, sys
import nats

URL, SUBJECT, PAYLOAD, STREAM, TRACE = sys.argv[1:]

def plain(headers):
    return dict(headers or {})

async def main():
    client = await nats.connect(URL)
    stream = client.jetstream()
    payload = bytes.fromhex(PAYLOAD)
    acks = [await stream.publish(SUBJECT, payload)]
    acks.append(await stream.publish(SUBJECT, payload, headers={"traceparent": TRACE}))
    bad = await stream.publish(SUBJECT, b"no message")
    reads = await stream.pull_subscribe("", durable="foreign", stream=STREAM)
    first = (await reads.fetch(1, timeout=30))[0]
    await first.ack()
    ping = json.loads((await client.request("$SRV.PING", b"", timeout=30)).data)
    info = json.loads((await client.request("$SRV.INFO." + ping["name"], b"", timeout=30)).data)
    print(json.dumps({
        "acks": [[ack.stream, ack.seq] for ack in acks + [bad]],
        "first": {"subject": first.subject, "headers": plain(first.headers), "payload": first.data.hex()},
        "ping": ping,
        "info": info,
    }))
    await client.close()

asyncio.run(main())
"#;

/// Runs the script. `None` when `nats-py` is not installed; then the test says that it was skipped.
fn python(args: [&str; 5]) -> Option<Ended> {
    let run = |args: &[&str]| Program::new("python3").args(args).patience(PATIENCE).run();
    let works = std::process::Command::new("python3").args(["-c", "import nats"]).output();
    if !works.is_ok_and(|output| output.status.success()) {
        let skipped = "SKIPPED: python3 can't import nats (install nats-py)";
        let asked = std::env::var("REQUIRE_TOOLS").as_deref() == Ok("1");
        assert!(!asked, "{skipped}, and REQUIRE_TOOLS=1 asks for it");
        say(skipped);
        return None;
    }
    Some(run(&[&["-c", SCRIPT], &args[..]].concat()))
}

/// A message as the contract says it: one Cap'n Proto message, packed.
fn payload(name: &str) -> String {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<quota_rule::Builder<'_>>().set_name(name);
    let mut packed = Vec::new();
    capnp::serialize_packed::write_message(&mut packed, &message).unwrap();
    packed.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a handler saw of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    name: String,
    id: Option<String>,
    is_from: bool,
    trace: Option<String>,
}

/// What we sent, as Python reads it.
fn is_as_the_contract_says(message: &Value, office: &Office) {
    let key = KeyHash::of(b"ours").to_string();
    let subject = format!("op.d0.{WORKER}.b58d2af76e13c940.{}.{}", &key[..1], &key[1..]);
    assert_eq!((&message["payload"], &message["subject"]), (&payload("ours").into(), &subject.into()));
    let headers = &message["headers"];
    assert_eq!(headers["Nats-Msg-Id"], "b58d2af76e13c940.ours");
    assert_eq!(headers["Op-Message"], "b58d2af76e13c940");
    assert_eq!(headers["Op-Instance"], office.app.instance().hex());
    for present in ["Op-App", "Op-Release", "Op-Sent"] {
        assert!(headers[present].is_string(), "{present}: {headers}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_py_sends_reads_and_finds_services() {
    for program in NatsProgram::all() {
        let server = program.start();
        let office = Office::open(&server.url()).await;
        Office::send(&office.sender(), "ours").await;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let consumer = office.messaging.consumer("proof").of::<Job>().max_in_flight(1);
        consumer
            .start(&office.service, move |job| {
                let notes = Arc::clone(&notes);
                async move {
                    let trace = TraceContext::current().map(|context| context.traceparent());
                    notes.lock().push(Seen {
                        name: job.read(|job| Ok(job.get_name()?.to_string()?))?,
                        id: job.id().map(str::to_owned),
                        is_from: job.from().is_some(),
                        trace,
                    });
                    Ok(Done)
                }
            })
            .unwrap();
        let (key, trace) = (KeyHash::of(b"theirs").to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let subject = format!("op.d0.{WORKER}.b58d2af76e13c940.{}.{}", &key[..1], &key[1..]);
        let parent = format!("00-{trace}-00f067aa0ba902b7-01");
        until("the services of NATS", || server.has_subscription("$SRV.PING")).await;
        let Some(ended) = python([&server.url(), &subject, &payload("theirs"), STREAM, &parent]) else {
            return;
        };
        ended.expect_code(0);
        let told: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!(told["acks"], json!([[STREAM, 2], [STREAM, 3], [STREAM, 4]]));

        is_as_the_contract_says(&told["first"], &office);
        until("three messages", || seen.lock().len() == 3).await;
        let seen = seen.lock().clone();
        let ours = Seen { name: "ours".to_owned(), id: Some("ours".to_owned()), is_from: true, trace: None };
        assert_eq!(Seen { trace: None, ..seen[0].clone() }, ours);
        let theirs = Seen { name: "theirs".to_owned(), id: None, is_from: false, trace: None };
        assert_eq!(seen[1], theirs);
        let (own, traced) = (seen[2].trace.clone(), Seen { trace: None, ..seen[2].clone() });
        assert_eq!(traced, theirs);
        assert!(own.is_some_and(|own| own.contains(trace)), "{seen:?}");
        until("the dead letter of what is no message", || dead_letters(&server) == Some(1)).await;

        for (verb, answer) in [("ping", &told["ping"]), ("info", &told["info"])] {
            assert_eq!(answer["type"], format!("io.nats.micro.v1.{verb}_response"));
            assert_eq!(answer["id"], office.app.instance().hex());
            assert_eq!(answer["metadata"]["instance"], office.app.instance().hex());
        }
        office.app.stop().await.expect_clean();
    }
}
