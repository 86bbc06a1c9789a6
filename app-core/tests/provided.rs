//! Values that the application provides, dependencies that may be missing, and several services of one handle type.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use app_core::{Provided, ServiceDescriptor, StopCause, prelude::*, testing::TestApp};

const FIRST: ServiceId = ServiceId::new(0xa1);
const SECOND: ServiceId = ServiceId::new(0xa2);
const READER: ServiceId = ServiceId::new(0xa3);

/// A handle type that several services have.
struct Db(&'static str);

impl Exposed for Db {
    const SERVICE: ServiceId = FIRST;
}

fn first() -> ServiceDescriptor {
    ServiceDescriptor::of(FIRST, "first", || async { Ok(Db("first")) })
}

fn second() -> ServiceDescriptor {
    ServiceDescriptor::of(SECOND, "second", || async { Ok(Db("second")) })
}

/// What a reader found.
struct Found(String);

impl Exposed for Found {
    const SERVICE: ServiceId = READER;
}

fn reader<P>(start: impl app_core::plugins::Start<P>) -> ServiceDescriptor {
    ServiceDescriptor::of(READER, "reader", start)
}

async fn found(services: impl IntoIterator<Item = ServiceDescriptor>) -> String {
    let app = TestApp::builder().services(services).start().await;
    let found = app.get::<Found>().0.clone();
    app.stop().await.expect_clean();
    found
}

/// Why an app does not start.
async fn refusal(services: impl IntoIterator<Item = ServiceDescriptor>) -> String {
    let app = TestApp::builder().services(services).build();
    match app.start().await.unwrap_err().cause {
        StopCause::StartFailed(problems) => {
            problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
        }
        other => panic!("{other}"),
    }
}

async fn maybe(db: Option<Dep<Db>>) -> Result<Found, Error> {
    Ok(Found(db.map_or("none", |db| db.0).to_owned()))
}

#[tokio::test]
async fn a_dependency_that_may_be_missing_is_none_without_its_service() {
    assert_eq!(found([reader(maybe)]).await, "none");
}

#[tokio::test]
async fn a_dependency_that_may_be_missing_starts_first_and_stops_last_if_it_is_linked() {
    let app = TestApp::builder().services([reader(maybe), first()]).start().await;
    assert_eq!(app.get::<Found>().0, "first");
    app.service(FIRST).unwrap().kill("to see what depends on it");
    app.service(READER).unwrap().dead().await;
    app.stop().await;
}

#[tokio::test]
async fn a_handle_type_of_two_services_is_refused_where_it_is_not_said_which() {
    async fn plain(db: Dep<Db>) -> Result<Found, Error> {
        Ok(Found(db.0.to_owned()))
    }
    assert_eq!(found([reader(plain), first()]).await, "first");
    let why = refusal([reader(plain), first(), second()]).await;
    assert_eq!(
        why,
        "service reader (a3) takes provided::Db, which several services return: first (a1) and second (a2); say which one, as in `Dep<Db, { ITS_ID.as_u64() }>`"
    );
    let why = refusal([reader(maybe), first(), second()]).await;
    assert!(why.contains("several services return: first (a1) and second (a2)"), "{why}");
}

#[tokio::test]
async fn the_service_of_a_handle_type_is_said_by_its_id() {
    type FirstDb = Dep<Db, { FIRST.as_u64() }>;
    type SecondDb = Dep<Db, { SECOND.as_u64() }>;
    async fn both(first: FirstDb, second: SecondDb) -> Result<Found, Error> {
        Ok(Found(format!("{} and {}", first.0, second.0)))
    }
    assert_eq!(found([reader(both), first(), second()]).await, "first and second");
    let missing = refusal([reader(both), first()]).await;
    assert!(missing.contains("service reader (a3) needs service"), "{missing}");
    assert!(missing.contains("a2"), "{missing}");
    async fn one(second: Option<SecondDb>) -> Result<Found, Error> {
        Ok(Found(second.map_or("none", |db| db.0).to_owned()))
    }
    assert_eq!(found([reader(one), second()]).await, "second");
    assert_eq!(found([reader(one), first()]).await, "none");
    let wrong = ServiceDescriptor::of(SECOND, "second", || async { Ok(()) });
    let wrong = refusal([reader(one), wrong]).await;
    assert!(wrong.contains("service reader (a3) takes provided::Db from service"), "{wrong}");
}

trait Clock: Send + Sync {
    fn now(&self) -> u64;
}

struct At(u64);

impl Clock for At {
    fn now(&self) -> u64 {
        self.0
    }
}

async fn asks(clock: Provided<dyn Clock>, offset: Option<Provided<u64>>) -> Result<Found, Error> {
    Ok(Found((clock.now() + offset.map_or(0, |offset| *offset)).to_string()))
}

#[tokio::test]
async fn a_provided_value_reaches_the_services_of_its_app_alone() {
    let clock = |at| Arc::new(At(at)) as Arc<dyn Clock>;
    let one = TestApp::builder().service(reader(asks)).provide_shared(clock(7)).start().await;
    let other = TestApp::builder().service(reader(asks)).provide_shared(clock(1)).provide(40_u64);
    let other = other.provide_shared(clock(2)).start().await;
    assert_eq!(one.get::<Found>().0, "7");
    assert_eq!(other.get::<Found>().0, "42", "the second clock replaced the first");
    assert!(one.provided::<u64>().is_none());
    one.stop().await.expect_clean();
    other.stop().await.expect_clean();
}

#[tokio::test]
async fn a_missing_value_is_refused_with_the_service_the_type_and_the_cure() {
    let why = refusal([reader(asks)]).await;
    assert_eq!(
        why,
        "service reader (a3) takes a value of type dyn provided::Clock, which the application does not provide: call `provide` on the `AppBuilder`, or in a test on `TestApp::builder()`"
    );
}
