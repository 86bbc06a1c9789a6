//! Operations: calls of them, what is refused, and what becomes of a call when something goes wrong.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "operations/calls.rs"]
mod calls;
#[path = "operations/ends.rs"]
mod ends;
#[path = "operations/jobs.rs"]
mod jobs;
#[path = "operations/starts.rs"]
mod starts;

/// A service with an operation of each kind.
mod store {
    use std::sync::atomic::{AtomicU64, Ordering};

    use app_core::{
        ServiceDescriptor,
        operations::{Caller, OperationCall, OperationRole, Secret},
        prelude::*,
        testing::{TestApp, TestAppBuilder},
    };
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::{Value, json};

    pub(crate) const STORE: ServiceId = ServiceId::new(0x5707_e000_0000_0011);

    /// Work for so many milliseconds. Tests pause the clock.
    async fn takes(millis: u64) {
        let _ = tokio::time::timeout(Duration::from_millis(millis), std::future::pending::<()>()).await;
    }

    /// The handle of the service.
    #[derive(Debug, Default)]
    pub(crate) struct Store {
        pub(crate) runs: AtomicU64,
        pub(crate) dropped: AtomicU64,
    }

    impl Exposed for Store {
        const SERVICE: ServiceId = STORE;
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Put {
        entry: String,
        #[serde(default)]
        count: u32,
        kind: Option<Kind>,
        #[serde(default)]
        inner: Vec<Inner>,
        of: Option<ServiceId>,
        password: Option<Secret<String>>,
        pin: Option<Secret<u32>>,
    }

    #[derive(Deserialize, Serialize, JsonSchema, Clone, Copy)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Small,
        VeryLarge,
    }

    #[derive(Deserialize, JsonSchema)]
    struct Inner {
        x: u8,
    }

    #[derive(Serialize, JsonSchema)]
    pub(crate) struct Stored {
        run: u64,
        entry: String,
        count: u32,
        kind: Option<Kind>,
        xs: Vec<u8>,
        of: Option<ServiceId>,
        password_bytes: Option<usize>,
        by: Vec<String>,
        reason: String,
    }

    app_core::operation! {
        of: STORE, name: "put", role: Operate, effect: Changes, about: "Stores a value.", run: put
    }

    async fn put(store: Dep<Store>, args: Args<Put>, caller: Caller) -> Result<Stored, Error> {
        let run = store.runs.fetch_add(1, Ordering::SeqCst) + 1;
        takes(50).await;
        if args.entry == "bad" {
            return Err(errors::ILLEGAL_ARGUMENT
                .error(STORE)
                .message("arguments.entry: is bad; use another")
                .build());
        }
        assert!(args.pin.as_ref().is_none_or(|pin| *pin.expose() > 0));
        Ok(Stored {
            run,
            entry: args.entry.clone(),
            count: args.count,
            kind: args.kind,
            xs: args.inner.iter().map(|inner| inner.x).collect(),
            of: args.of,
            password_bytes: args.password.as_ref().map(|password| password.expose().len()),
            by: caller.names,
            reason: caller.reason,
        })
    }

    app_core::operation! { of: STORE, name: "get", role: Read, effect: Reads, about: "Reads.", run: get }

    async fn get(app: App, service: Service, log: Logger, store: Dep<Store>) -> Result<u64, Error> {
        info!(log, "get"; "app" => app.id().hex(), "service" => service.name());
        Ok(store.runs.load(Ordering::SeqCst))
    }

    app_core::operation! { of: STORE, name: "wipe", role: Admin, effect: Destroys, about: "Wipes.", run: wipe }

    async fn wipe() -> Result<(), Error> {
        Ok(())
    }

    #[derive(Deserialize, JsonSchema)]
    pub(crate) struct Misbehave {
        how: String,
    }

    struct CountsDrop(Dep<Store>);

    impl Drop for CountsDrop {
        fn drop(&mut self) {
            self.0.dropped.fetch_add(1, Ordering::SeqCst);
        }
    }

    struct PanicsInDrop;

    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }

    app_core::operation! { of: STORE, name: "misbehave", role: Read, effect: Reads, about: "Misbehaves.", run: misbehave }

    async fn misbehave(service: Service, store: Dep<Store>, args: Args<Misbehave>) -> Result<Value, Error> {
        store.runs.fetch_add(1, Ordering::SeqCst);
        let _counts = CountsDrop(store);
        match args.how.as_str() {
            "panic" => panic!("on purpose"),
            "hang" => std::future::pending().await,
            "panic in drop" => {
                let _panics = PanicsInDrop;
                std::future::pending().await
            }
            "long" => Ok(Value::String("x".repeat(2 << 20))),
            "fail service" => {
                service.kill(errors::BUG.error(STORE).message("disk full").build());
                std::future::pending().await
            }
            _ => Ok(Value::Null),
        }
    }

    app_core::operation! {
        of: STORE, name: "pack", role: Operate, effect: Changes, about: "Packs.", run: pack, job: true
    }

    async fn pack(job: Job, store: Dep<Store>, args: Args<Misbehave>) -> Result<u64, Error> {
        let _counts = CountsDrop(store);
        for done in 0..10 {
            job.progress(done, Some(10), format!("{done} of 10"));
            takes(100).await;
        }
        match args.how.as_str() {
            "panic" => panic!("on purpose"),
            "hang" => std::future::pending().await,
            "fail" => Err(errors::BUG.error(STORE).message("disk full").build()),
            _ => Ok(10),
        }
    }

    /// An operation of a service that is in none of these apps.
    mod elsewhere {
        use app_core::prelude::*;

        app_core::operation! {
            of: ServiceId::new(0xe15e), name: "no", role: Read, effect: Reads, about: "Is not there.", run: no
        }

        async fn no() -> Result<(), Error> {
            Ok(())
        }
    }

    async fn start(service: Service) -> Result<Store, Error> {
        let dying = service.token();
        service.spawn("lives", async move { dying.cancelled().await })?;
        Ok(Store::default())
    }

    pub(crate) fn builder() -> TestAppBuilder {
        TestApp::builder().service(ServiceDescriptor::of(STORE, "store", start))
    }

    pub(crate) async fn app() -> TestApp {
        builder().start().await
    }

    /// A call with the role that the operation needs, and a reason.
    pub(crate) fn call(name: &str, arguments: Value) -> OperationCall {
        OperationCall::new(STORE, name, arguments, Caller::new("a.test", OperationRole::Admin, "a test"))
    }

    /// The same call of another service.
    pub(crate) fn of(service: ServiceId, mut call: OperationCall) -> OperationCall {
        call.service = service;
        call
    }

    pub(crate) fn misbehaves(how: &str) -> OperationCall {
        call("misbehave", json!({ "how": how }))
    }
}
