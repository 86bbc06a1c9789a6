//! What an instance answers, what it reads of others, and what switches it off.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use app_core::plugins::discovery::{AnnouncedEndpoint, Discovery, EndpointList, SoughtServer};
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_ids::{AppId, DomainId};
use bytes::Bytes;
use quota_schema::quota_capnp::quota_rule;
use schema::messaging_capnp::messaging_spec;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::ids::MESSAGING_SERVICE_ID;
use crate::transport::{Outgoing, TransportError};
use crate::wire::Headers;
use crate::{Answer, Messaging};

const HOST: ServiceId = ServiceId::new(0x6d3e_58c2_a917_4b0f);
const LOOPBACK: &str = "127.0.0.1";
const SERVER: ServiceId = ServiceId::new(0x57);

crate::message! {
    /// A request.
    pub(crate) struct Weigh(quota_rule::Owned) -> quota_rule::Owned;
    id: 0x7e4f_69d3_ba28_5c10, of: HOST, name: "weigh", kind: Request
}

inventory::submit! { EndpointList::new(listens) }

/// A server of the tests' applications.
fn listens(app: &App) -> Vec<AnnouncedEndpoint> {
    let server_name = format!("{}_{}_{SERVER}", app.domain(), app.id());
    vec![AnnouncedEndpoint { service: SERVER, server_name, address: ([0, 0, 0, 0], 4422).into() }]
}

fn builder() -> TestAppBuilder {
    TestApp::builder().linked([MESSAGING_SERVICE_ID]).flags(|flags| {
        flags.app_id = AppId::new(0xa0);
        flags.release_id = 0x10.into();
    })
}

fn question(subject: &str) -> Outgoing {
    Outgoing { subject: subject.to_owned(), reply: None, headers: Headers::new(), payload: Bytes::new() }
}

async fn ask(messaging: &Messaging, subject: &str) -> Result<Value, TransportError> {
    let answer = messaging.transport().request(question(subject), Duration::from_secs(5)).await?;
    Ok(serde_json::from_slice(&answer.payload).unwrap())
}

#[tokio::test(start_paused = true)]
async fn an_instance_answers_to_all_to_its_name_and_to_its_id() {
    let app = builder().start().await;
    let messaging = app.get::<Messaging>();
    sleep(Duration::from_secs(1)).await;
    let (name, id) = ("op-d0-a0", app.instance().hex());
    for verb in ["PING", "INFO", "STATS"] {
        for rest in [String::new(), format!(".{name}"), format!(".{name}.{id}")] {
            let answer = ask(&messaging, &format!("$SRV.{verb}{rest}")).await.unwrap();
            let form = format!("io.nats.micro.v1.{}_response", verb.to_lowercase());
            assert_eq!((&answer["type"], &answer["name"]), (&form.into(), &name.into()), "{verb}{rest}");
            assert_eq!((&answer["id"], &answer["version"]), (&id.clone().into(), &"0.0.16".into()));
        }
        let other = ask(&messaging, &format!("$SRV.{verb}.{name}.7")).await.unwrap_err();
        assert_eq!(other, TransportError::NoResponders);
    }
    let answer = ask(&messaging, "$SRV.INFO").await.unwrap();
    let expected = json!({
        "domain": "d0", "app": "a0", "instance": id, "release": "10", "state": "ready",
        // Nothing is outside of the process, so an unspecified address is loopback.
        "rpc.57.address": format!("{LOOPBACK}:4422"), "rpc.57.server_name": "d0_a0_57",
    });
    assert_eq!(answer["metadata"], expected);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn responders_are_endpoints_with_counts() {
    let app = builder().start().await;
    let (messaging, service) = (app.get::<Messaging>(), app.new_service(HOST, "host"));
    messaging
        .responder::<Weigh>()
        .start(&service, |ask| async move {
            sleep(Duration::from_millis(10)).await;
            let name = ask.read(|ask| Ok(ask.get_name()?.to_string()?))?;
            if name == "heavy" {
                return Err(errors::SERVICE_NOT_AVAILABLE.error(HOST).message("too heavy").build());
            }
            Ok(Answer::new(|_| ()))
        })
        .unwrap();
    sleep(Duration::from_secs(1)).await;
    messaging.ask::<Weigh>(|ask| ask.set_name("light")).await.unwrap();
    messaging.ask::<Weigh>(|ask| ask.set_name("heavy")).await.unwrap_err();
    sleep(Duration::from_millis(1)).await;
    let answer = ask(&messaging, "$SRV.STATS.op-d0-a0").await.unwrap();
    assert!(answer["started"].as_str().unwrap().ends_with('Z'), "{answer}");
    let stats = &answer["endpoints"][0];
    assert_eq!((&stats["num_requests"], &stats["num_errors"]), (&2.into(), &1.into()), "{stats}");
    assert_eq!(
        (&stats["processing_time"], &stats["average_processing_time"]),
        (&20_000_000.into(), &10_000_000.into())
    );
    assert!(stats["last_error"].as_str().unwrap().contains("too heavy"), "{stats}");
    let answer = ask(&messaging, "$SRV.INFO.op-d0-a0").await.unwrap();
    let expected = json!([{
        "name": "weigh", "subject": format!("op.d0.{HOST}.7e4f69d3ba285c10._._"), "queue_group": HOST.hex(), "metadata": {},
    }]);
    assert_eq!(answer["endpoints"], expected);
    // A responder that ended is none.
    service.kill("the test ends it");
    service.dead().await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&messaging, "$SRV.INFO.op-d0-a0").await.unwrap()["endpoints"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_config_switches_the_answers_off() {
    let builder = builder();
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<messaging_spec::Builder<'_>>();
    spec.set_in_process(true);
    spec.set_publish_services(false);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let file = builder.config_dir().join(app_config::compat::service_config_id(MESSAGING_SERVICE_ID));
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let app = builder.start().await;
    let messaging = app.get::<Messaging>();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(ask(&messaging, "$SRV.PING").await.unwrap_err(), TransportError::NoResponders);
    assert_eq!(messaging.instances().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn instances_are_listed_and_found_by_their_servers() {
    let app = builder().start().await;
    let messaging = app.get::<Messaging>();
    sleep(Duration::from_secs(1)).await;
    // Another instance, an application of another domain, other programs, and lies.
    let transport = Arc::clone(messaging.transport());
    let mut asked = transport.subscribe("$SRV.INFO.>".to_owned(), None, 8).await.unwrap();
    let mut asked_all = transport.subscribe("$SRV.INFO".to_owned(), None, 8).await.unwrap();
    let own = app.new_service(HOST, "host");
    own.spawn("others", async move {
        loop {
            let one = tokio::select! {
                one = asked.messages.recv() => one,
                one = asked_all.messages.recv() => one,
            };
            let Some(one) = one else { return };
            let stopping = told("d0", "a0", "3").replace("\"ready\"", "\"stopping\"");
            let answers =
                [told("d0", "a0", "2"), told("d1", "a0", "1"), stopping, "{}".to_owned(), "x".repeat(70_000)];
            for answer in answers {
                let mut answer_to = question(one.reply.as_deref().unwrap());
                answer_to.payload = answer.into();
                transport.publish(answer_to).await.unwrap();
            }
        }
    })
    .unwrap();
    let all = messaging.instances().await.unwrap();
    let ids: Vec<_> =
        all.iter().map(|one| (one.domain.as_str(), one.app.as_str(), one.instance.as_str())).collect();
    let me = app.instance().hex();
    let mut expected = vec![("d0", "a0", "2"), ("d0", "a0", "3"), ("d0", "a0", &me)];
    expected.sort_unstable();
    assert_eq!(ids, expected);
    let server = SoughtServer { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: SERVER };
    let soon = || Instant::now() + Duration::from_secs(5);
    let found = Discovery::of(&app).find(server, soon()).await.unwrap();
    let expected = [SocketAddr::from(([127, 0, 0, 1], 4422)), SocketAddr::from(([192, 0, 2, 2], 4422))];
    assert_eq!(found, expected, "without the instance that stops");
    let other = SoughtServer { service: ServiceId::new(0x58), ..server };
    assert_eq!(Discovery::of(&app).find(other, soon()).await, Ok(Vec::new()));
    let listed = app.operation("messaging", "instances", json!({})).await.unwrap();
    assert_eq!(listed["instances"].as_array().unwrap().len(), 3, "{listed}");
}

/// What an instance tells.
fn told(domain: &str, app: &str, instance: &str) -> String {
    json!({
        "type": "io.nats.micro.v1.info_response", "name": format!("op-{domain}-{app}"), "id": instance, "version": "0.0.1",
        "metadata": {
            "domain": domain, "app": app, "instance": instance, "release": "1", "state": "ready",
            "rpc.57.address": format!("192.0.2.{instance}:4422"), "rpc.57.server_name": format!("{domain}_{app}_57"),
        },
        "endpoints": [],
    })
    .to_string()
}

#[test]
fn what_is_no_instance_is_not_read() {
    let read = |from: &str, to: &str| Instance::read(told("d0", "a0", "2").replace(from, to).as_bytes());
    let whole = read("", "").unwrap();
    assert_eq!((&*whole.release, &*whole.state, whole.endpoints.len()), ("1", "ready", 1));
    assert_eq!(whole.endpoints[0].address, "192.0.2.2:4422");
    for (from, to) in [
        ("info_response", "ping_response"),
        ("\"name\":\"op-d0-a0\"", "\"name\":\"op-d0-a1\""),
        ("\"id\":\"2\"", "\"id\":\"3\""),
        ("\"app\":\"a0\"", "\"app\":\"A0\""),
        ("\"release\":\"1\"", "\"release\":7"),
        ("\"release\":\"1\"", "\"release\":\"\""),
        ("\"domain\":\"d0\"", "\"domain\":\"00000000000000000d0\""),
    ] {
        assert_eq!(read(from, to), None, "{from} {to}");
    }
    // What is wrong in an endpoint leaves the instance.
    for (from, to) in [
        ("192.0.2.2:4422", "host:4422"),
        ("rpc.57.address", "rpc..address"),
        ("d0_a0_57", "d0 a0 57"),
        ("rpc.57.server_name", "rpc.58.server_name"),
    ] {
        assert_eq!(read(from, to).unwrap().endpoints, [], "{from} {to}");
    }
    assert_eq!(read("\"ready\"", "\"\\u001b[31m\"").unwrap().state, "unknown");
}

#[tokio::test(start_paused = true)]
async fn the_finder_says_that_messaging_is_gone() {
    let app = builder().start().await;
    let messaging = app.service(MESSAGING_SERVICE_ID).unwrap();
    messaging.kill("the test ends it");
    messaging.dead().await;
    let server = SoughtServer { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: SERVER };
    let discovery = Discovery::of(&app);
    let found = discovery.find(server, Instant::now() + Duration::from_secs(5));
    let gone = timeout(Duration::from_secs(1), found).await.unwrap().unwrap_err();
    assert!(gone.contains("service messaging does not run"), "{gone}");
}
