//! The suite of transports on every server.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::*;
use crate::suite::{Any, with_suite};

type Function = (&'static str, fn(Any) -> BoxFuture<'static, ()>);

macro_rules! list {
    ($first:expr; $($test:ident),+ $(,)?) => {
        vec![$first, $((stringify!($test), |any| Box::pin(crate::suite::$test(any)))),+]
    };
}

/// What has to be there for the list, and does nothing.
fn nothing(_: Any) -> BoxFuture<'static, ()> {
    Box::pin(std::future::ready(()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_server_passes_the_suite() {
    let all: Vec<Function> = with_suite!(list, ("nothing", nothing));
    assert!(all.len() > 20, "{}", all.len());
    for program in NatsProgram::all() {
        let server = program.start();
        let stand = stand(&config_of(&server.url())).await;
        stand.connects().await;
        let runs = all.iter().map(|(name, function)| {
            let any: Any = Arc::new(stand.nats.clone());
            async move {
                let run = std::panic::AssertUnwindSafe(function(any)).catch_unwind();
                (*name, tokio::time::timeout(PATIENCE, run).await.is_ok_and(|run| run.is_ok()))
            }
        });
        let results = futures_util::future::join_all(runs).await;
        let failed: Vec<_> = results.iter().filter(|(_, passed)| !passed).map(|(name, _)| name).collect();
        assert!(failed.is_empty(), "{:?}: {failed:?}", program.version);
        stand.ends().await;
    }
}
