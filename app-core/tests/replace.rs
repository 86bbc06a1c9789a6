//! Values in the place of services, for tests of their dependents.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use app_core::{
    ServiceDescriptor,
    prelude::*,
    testing::{Replacement, TestApp, runs},
};

const BASE: ServiceId = ServiceId::new(0x8a17_3c5e_90d2_46fb);
const STORE: ServiceId = ServiceId::new(0xb25f_0e94_671a_d83c);
const SHOP: ServiceId = ServiceId::new(0xc6d0_92a8_f417_5b3e);
/// No service that is linked.
const ELSEWHERE: ServiceId = ServiceId::new(0xe91b_4d67_28f5_a03c);

struct Store(&'static str);

impl Exposed for Store {
    const SERVICE: ServiceId = STORE;
}

struct Base;

impl Exposed for Base {
    const SERVICE: ServiceId = BASE;
}

struct Shop(Arc<Store>);

impl Exposed for Shop {
    const SERVICE: ServiceId = SHOP;
}

app_core::service! { id: BASE, name: "base", start: base }
app_core::service! { id: STORE, name: "store", start: store }
app_core::service! { id: SHOP, name: "shop", start: shop }

async fn base() -> Result<Base, Error> {
    Ok(Base)
}

async fn store(_base: Dep<Base>) -> Result<Store, Error> {
    Ok(Store("real"))
}

async fn shop(store: Dep<Store>) -> Result<Shop, Error> {
    Ok(Shop(store.into_inner()))
}

/// Becomes a store.
struct Fake;

impl Replacement for Fake {
    type Handle = Store;

    fn into_handle(self) -> Store {
        Store("fake")
    }
}

/// The text of the panic.
fn panics<T>(what: impl FnOnce() -> T) -> String {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(what)) {
        Ok(_) => panic!("it did not panic"),
        Err(panic) => panic.downcast_ref::<String>().unwrap().clone(),
    }
}

#[tokio::test]
async fn dependents_get_the_handle_that_replaces_a_service() {
    let app = TestApp::with([SHOP]).await;
    assert_eq!(app.get::<Shop>().0.0, "real");
    app.stop().await.expect_clean();
    for app in
        [TestApp::with([SHOP]).replace(STORE, Store("other")), TestApp::with([SHOP]).replace(STORE, Fake)]
    {
        let app = app.await;
        assert!(["other", "fake"].contains(&app.get::<Shop>().0.0));
        assert!(Arc::ptr_eq(&app.get::<Shop>().0, &app.get::<Store>()));
        let store = app.service(STORE).unwrap();
        assert_eq!(store.name(), "store", "the name of the service that it replaces");
        app.stop().await.expect_clean();
    }
}

#[tokio::test]
async fn a_service_that_is_replaced_first_does_not_bring_along_what_it_needs() {
    let app = TestApp::builder().replace(STORE, Fake).linked([SHOP]).await;
    assert_eq!(app.get::<Shop>().0.0, "fake");
    assert!(app.service(BASE).is_none());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_service_that_is_not_linked_can_be_replaced_and_the_last_one_counts() {
    struct Far(u8);
    impl Exposed for Far {
        const SERVICE: ServiceId = ELSEWHERE;
    }
    let needs =
        |far: Dep<Far>| async move { Ok(Shop(Arc::new(Store(if far.0 == 2 { "far" } else { "near" })))) };
    let shop = ServiceDescriptor::of(SHOP, "shop", needs);
    let app = TestApp::builder().service(shop).replace(ELSEWHERE, Far(1)).replace(ELSEWHERE, Far(2)).await;
    assert_eq!(app.get::<Shop>().0.0, "far");
    app.stop().await.expect_clean();
}

#[test]
fn a_value_of_another_type_is_refused_with_both_types() {
    let told = panics(|| TestApp::with([SHOP]).replace(STORE, Base));
    for part in [
        "service store (b25f0e94671ad83c)",
        "replace::Base cannot replace it",
        "its handle is replace::Store",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let added = TestApp::builder().service(runs(ELSEWHERE, "added"));
    assert!(panics(|| added.replace(ELSEWHERE, Base)).contains("its handle is ()"));
}

#[test]
fn the_settings_are_a_future_of_the_running_app() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::with([SHOP]).replace(STORE, Fake));
    assert_eq!(app.get::<Shop>().0.0, "fake");
    runtime.block_on(app.stop()).expect_clean();
}
