//! Hostile clients with a valid certificate.

use std::collections::HashSet;
use std::time::Duration;

use app_rpc::Role;
use futures_util::future::join_all;
use schema::admin_capnp::{LogLevel, MetricsFormat, app};
use tokio::time::{Instant, timeout};

use crate::stand::{Stand, UNKNOWN, call, eventually};

/// Checks that another client is still answered, on the only thread.
async fn another_is_answered(stand: &Stand) {
    let client = stand.client(Role::Read);
    let answered = call(&client, |app| async move { app.id_request().send().promise.await.map(drop) });
    timeout(Duration::from_secs(10), answered).await.unwrap().unwrap();
}

#[tokio::test]
async fn all_but_a_few_of_thousands_of_streams_and_readers_are_refused() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let held = call(&client, |app| async move {
        let (mut streams, mut readers, mut reasons) = (Vec::new(), Vec::new(), HashSet::new());
        for _ in 0..4 {
            let asked = (0..500).map(|_| async {
                let answer = app.events_request().send().promise.await?;
                answer.get()?.get_events()
            });
            for stream in join_all(asked).await {
                match stream {
                    Ok(stream) => streams.push(stream),
                    Err(refused) => drop(reasons.insert(refused.extra)),
                }
            }
            let asked = (0..500).map(|_| async {
                let answer = app.metrics_request().send().promise.await?;
                answer.get()?.get_text()
            });
            for reader in join_all(asked).await {
                match reader {
                    Ok(reader) => readers.push(reader),
                    Err(refused) => drop(reasons.insert(refused.extra)),
                }
            }
        }
        Ok((streams.len(), readers.len(), reasons.len()))
    });
    let held = timeout(Duration::from_secs(25), held).await.unwrap().unwrap();
    assert_eq!(held, (32, 8, 2));
    another_is_answered(&stand).await;
    stand.stop().await;
}

#[tokio::test]
async fn a_flood_of_stack_dumps_shares_a_few_dumps_and_delays_no_other_client() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let flood = tokio::spawn(async move {
        let dumps = call(&client, |app| async move {
            let runtime = app.runtime_request().send().promise.await?.get()?.get_runtime()?;
            let asked = (0..300).map(|_| async {
                let answer = runtime.stack_dump_request().send().promise.await?;
                Ok(answer.get()?.get_stack_dump()?.to_vec())
            });
            join_all(asked).await.into_iter().collect::<Result<Vec<_>, capnp::Error>>()
        });
        dumps.await.unwrap()
    });
    another_is_answered(&stand).await;
    let dumps = timeout(Duration::from_secs(25), flood).await.unwrap().unwrap();
    assert_eq!(dumps.len(), 300);
    let different: HashSet<_> = dumps.into_iter().collect();
    // The number of dumps depends on the timing: each call has its record before it joins a dump.
    assert!(different.len() <= 150, "{} dumps", different.len());
    assert_eq!(stand.audit().len(), 300, "each call has a record");
    stand.stop().await;
}

#[tokio::test]
async fn a_client_with_many_denied_calls_is_answered_slowly() {
    let stand = Stand::new().await;
    let (client, begun) = (stand.client(Role::Read), Instant::now());
    let denied = call(&client, |app| async move {
        let denied = join_all((0..30).map(|_| app.kill_request().send().promise)).await;
        Ok(denied.iter().filter(|answer| answer.is_err()).count())
    });
    assert_eq!(denied.await.unwrap(), 30);
    // 20 at once, and then one in 100 ms.
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    // Calls whose answer was delayed have no record of their own.
    let counted = || {
        let audit = stand.audit();
        let single = audit.iter().filter(|record| record["count"].is_null()).count() as u64;
        single + audit.iter().filter_map(|record| record["count"].as_u64()).sum::<u64>()
    };
    eventually("each call has a record or is counted", || counted() >= 30).await;
    assert_eq!(counted(), 30);
    assert!(stand.app.alive());
    stand.stop().await;
}

/// Makes calls with unknown ids, and with texts that are large, empty or strange. Returns their outcomes.
async fn strange(app: app::Client) -> Result<Vec<Result<(), String>>, capnp::Error> {
    let health = app.health_request().send().promise.await?.get()?.get_health()?;
    let levels = app.levels_request().send().promise.await?.get()?.get_levels()?;
    let mut outcomes = Vec::new();
    for reason in [String::new(), "\0\0\0".to_owned(), "x".repeat(900_000), "\u{202e}\u{7}\r\n".repeat(100)] {
        for id in [0, UNKNOWN, u64::MAX] {
            let mut restart = app.restart_request();
            restart.get().set_service_id(id);
            restart.get().set_reason(&reason);
            outcomes.push(restart.send().promise.await.map(drop));
            let mut run = health.run_request();
            run.get().set_id(id);
            run.get().set_reason(&reason);
            outcomes.push(run.send().promise.await.map(drop));
        }
        let mut end = app.end_request();
        end.get().set_reason(&reason);
        end.get().set_use_drain_delay(true);
        end.get().set_drain_delay_millis(u32::MAX);
        outcomes.push(end.send().promise.await.map(drop));
        let mut set = levels.set_service_request();
        set.get().set_service_id(0);
        set.get().set_reason(&reason);
        set.get().set_level(LogLevel::Error);
        outcomes.push(set.send().promise.await.map(drop));
    }
    let mut metrics = app.metrics_request();
    metrics.get().set_format(MetricsFormat::OpenMetrics);
    let reader = metrics.send().promise.await?.get()?.get_text()?;
    let mut read = reader.read_request();
    read.get().set_max_bytes(u32::MAX);
    assert!(read.send().promise.await?.get()?.get_piece()?.len() <= 256 * 1024);
    Ok(outcomes.into_iter().map(|outcome| outcome.map_err(|error| error.extra)).collect())
}

#[tokio::test]
async fn strange_arguments_are_refused_with_a_short_text_and_change_nothing() {
    let stand = Stand::new().await;
    eventually("all checks have run", || app_health::readiness(&stand.app).ready()).await;
    let client = stand.client(Role::Admin);
    let outcomes = timeout(Duration::from_secs(25), call(&client, strange)).await.unwrap().unwrap();
    assert_eq!(outcomes.len(), 4 * 8);
    for outcome in outcomes {
        let refused = outcome.unwrap_err();
        assert!(!refused.is_empty() && refused.len() < 1500, "{refused}");
    }
    assert!(stand.app.alive() && app_health::readiness(&stand.app).ready());
    let longest = stand.app.captured().text().lines().map(str::len).max().unwrap();
    assert!(longest < 20_000, "{longest}");
    another_is_answered(&stand).await;
    stand.stop().await;
}
