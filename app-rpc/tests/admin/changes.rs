//! Changes by operators: levels, health checks, configs, services.

use std::sync::atomic::Ordering;
use std::time::Duration;

use app_core::{App, LogLevel};
use app_rpc::Role;
use app_rpc::admin::APP_RPC_SERVICE_ID;
use schema::admin_capnp::{HealthStatus, LogLevel as WireLevel, ServiceState, app, health, levels};

use crate::stand::{DISK, DISK_IS_FULL, SHOP, STORE, Stand, UNKNOWN, call, eventually, put_config};

async fn levels_of(app: &app::Client) -> Result<levels::Client, capnp::Error> {
    app.levels_request().send().promise.await?.get()?.get_levels()
}

async fn health_of(app: &app::Client) -> Result<health::Client, capnp::Error> {
    app.health_request().send().promise.await?.get()?.get_health()
}

async fn set_service(levels: &levels::Client, id: u64, millis: u64) -> Result<(), capnp::Error> {
    let mut request = levels.set_service_request();
    request.get().set_service_id(id);
    request.get().set_level(WireLevel::Debug);
    request.get().set_time_to_live_millis(millis);
    request.get().set_reason("test");
    request.send().promise.await.map(drop)
}

#[tokio::test]
async fn a_level_is_set_for_a_time_and_goes_back_and_can_be_reset() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    stand.app.set_log_level(LogLevel::Info, None);
    let (app_level, services) = call(&client, |app| async move {
        let levels = levels_of(&app).await?;
        set_service(&levels, STORE.as_u64(), 600_000).await?;
        set_service(&levels, SHOP.as_u64(), 1).await?;
        let answer = levels.levels_request().send().promise.await?;
        let answer = answer.get()?;
        let services = answer.get_services()?.iter().map(|service| {
            let setting = service.get_setting()?;
            let name = service.get_name()?.to_string()?;
            Ok((service.get_service_id(), name, setting.get_level()?, setting.get_expires_in_millis()))
        });
        let services: Result<Vec<_>, capnp::Error> = services.collect();
        Ok((answer.get_app()?.get_level()?, services?))
    })
    .await
    .unwrap();
    assert_eq!(app_level, WireLevel::Info);
    let store = services.iter().find(|(id, ..)| *id == STORE.as_u64()).unwrap();
    assert_eq!((store.1.as_str(), store.2), ("store", WireLevel::Debug));
    assert!((590_000..=600_000).contains(&store.3), "{}", store.3);
    eventually("the level ended", || stand.app.service_log_level(SHOP) == LogLevel::Info).await;
    assert_eq!(stand.app.service_log_level(STORE), LogLevel::Debug);
    for (id, level) in [(STORE.as_u64(), LogLevel::Info), (0, LogLevel::Debug)] {
        let reset = call(&client, move |app| async move {
            let mut request = levels_of(&app).await?.reset_request();
            request.get().set_service_id(id);
            request.get().set_reason("test");
            request.send().promise.await.map(drop)
        });
        reset.await.unwrap();
        assert_eq!(stand.app.service_log_level(STORE), level);
    }
    stand.stop().await;
}

#[tokio::test]
async fn changes_of_one_connection_happen_in_the_order_of_sending() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let sent = call(&client, |app| async move {
        let levels = levels_of(&app).await?;
        let sent = (0..600).map(|number: usize| {
            let mut request = levels.set_app_request();
            request.get().set_level(
                [WireLevel::Debug, WireLevel::Info, WireLevel::Warn, WireLevel::Error][number % 4],
            );
            request.get().set_reason(format!("number {number}"));
            request.send().promise
        });
        futures_util::future::try_join_all(sent).await.map(drop)
    });
    sent.await.unwrap();
    assert_eq!(stand.app.log_level(), LogLevel::Error);
    let reasons: Vec<_> = stand.audit().iter().map(|record| record["reason"].to_string()).collect();
    let expected: Vec<_> = (0..600).map(|number| format!("\"number {number}\"")).collect();
    assert_eq!(reasons, expected);
    stand.stop().await;
}

#[tokio::test]
async fn levels_for_service_0_and_for_too_long_are_refused() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let refusals = call(&client, |app| async move {
        let levels = levels_of(&app).await?;
        let of = |failed: Result<(), capnp::Error>| failed.unwrap_err().extra;
        let zero = of(set_service(&levels, 0, 0).await);
        let long = of(set_service(&levels, STORE.as_u64(), u64::MAX).await);
        let mut request = levels.set_app_request();
        request.get().set_reason("test");
        Ok((zero, long, request.send().promise.await.is_ok()))
    });
    let (zero, long, set) = refusals.await.unwrap();
    assert!(zero.contains("serviceId is 0"), "{zero}");
    assert!(long.contains("pass at most 2592000000"), "{long}");
    assert!(set && stand.app.log_level() == LogLevel::Debug);
    stand.stop().await;
}

#[tokio::test]
async fn a_check_is_run_paused_and_resumed() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    eventually("the check has run", || app_health::readiness(&stand.app).ready()).await;
    let outcomes = call(&client, |app| async move {
        let health = health_of(&app).await?;
        let mut run = health.run_request();
        run.get().set_id(DISK.as_u64());
        run.get().set_reason("test");
        DISK_IS_FULL.store(true, Ordering::SeqCst);
        let result = run.send().promise.await?;
        DISK_IS_FULL.store(false, Ordering::SeqCst);
        let result = result.get()?.get_result()?;
        let result =
            (result.get_error()?.to_string()?, result.get_failures(), result.get_outcome()?.to_string()?);
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let mut pause = health.pause_request();
            pause.get().set_id(DISK.as_u64());
            pause.get().set_reason("test");
            outcomes.push(pause.send().promise.await?.get()?.get_paused());
        }
        let mut run = health.run_request();
        run.get().set_id(DISK.as_u64());
        run.get().set_reason("test");
        let while_paused = run.send().promise.await.map(drop).unwrap_err().extra;
        for _ in 0..2 {
            let mut resume = health.resume_request();
            resume.get().set_id(DISK.as_u64());
            resume.get().set_reason("test");
            outcomes.push(resume.send().promise.await?.get()?.get_resumed());
        }
        let mut unknown = health.pause_request();
        unknown.get().set_id(UNKNOWN);
        unknown.get().set_reason("test");
        let unknown = unknown.send().promise.await.map(drop).unwrap_err().extra;
        Ok((result, outcomes, while_paused, unknown))
    });
    let (result, outcomes, while_paused, unknown) = outcomes.await.unwrap();
    assert!(result.0.contains("no space left") && result.1 == 1 && result.2 == "failed", "{result:?}");
    assert_eq!(outcomes, [true, false, true, false]);
    assert!(
        while_paused.contains("d15c") && unknown.contains("deadbeef00000001"),
        "{while_paused} {unknown}"
    );
    let checks = stand.app.get::<app_health::HealthChecks>();
    eventually("the check runs again", || checks.state(DISK).unwrap().status.as_str() == "passing").await;
    assert_eq!(HealthStatus::Healthy as u16, 1);
    stand.stop().await;
}

/// The result of a reload: the service, whether it took a new value, and the problem with its config.
async fn reload(app: app::Client) -> Result<Vec<(u64, bool, String)>, capnp::Error> {
    let mut request = app.reload_request();
    request.get().set_reason("test");
    let answer = request.send().promise.await?;
    let configs =
        answer.get()?.get_configs()?.iter().map(|status| {
            Ok((status.get_service_id(), status.get_taken(), status.get_problem()?.to_string()?))
        });
    configs.collect()
}

#[tokio::test]
async fn a_reload_returns_the_status_of_each_config() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let own = APP_RPC_SERVICE_ID.as_u64();
    let of = |configs: Vec<(u64, bool, String)>| configs.into_iter().find(|(id, ..)| *id == own).unwrap();
    assert_eq!(
        of(call(&client, reload).await.unwrap()),
        (own, false, String::new()),
        "there was nothing new"
    );
    put_config(stand.app.config_dir(), &|mut spec| spec.set_max_conns(33));
    assert_eq!(of(call(&client, reload).await.unwrap()), (own, true, String::new()));
    let file = stand.app.config_dir().join(app_config::compat::service_config_id(APP_RPC_SERVICE_ID));
    std::fs::write(&file, "nonsense").unwrap();
    let (_, taken, problem) = of(call(&client, reload).await.unwrap());
    assert!(!taken && problem.contains(&file.display().to_string()), "{problem}");
    let endpoint = stand.app.get::<app_rpc::admin::AdminEndpoint>();
    eventually("the endpoint took the config before", || endpoint.max_connections() == Some(33)).await;
    stand.stop().await;
}

async fn restart(app: app::Client, id: u64) -> Result<(), capnp::Error> {
    let mut request = app.restart_request();
    request.get().set_service_id(id);
    request.get().set_reason("it is stuck");
    request.send().promise.await.map(drop)
}

fn restarts(app: &App, id: app_ids::ServiceId) -> u64 {
    let statuses = app.service_statuses();
    statuses.iter().find(|status| status.id == id).unwrap().restarts
}

#[tokio::test]
async fn a_service_restarts_with_its_dependents_and_so_does_the_answering_one() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    call(&client, |app| async move { restart(app, STORE.as_u64()).await }).await.unwrap();
    eventually("both restarted", || restarts(&stand.app, SHOP) == 1 && restarts(&stand.app, STORE) == 1)
        .await;
    eventually("both run", || stand.app.readiness().ready()).await;
    // The answer arrives although the service that answers is restarted.
    call(&client, |app| async move { restart(app, APP_RPC_SERVICE_ID.as_u64()).await }).await.unwrap();
    eventually("the endpoint restarted", || restarts(&stand.app, APP_RPC_SERVICE_ID) == 1).await;
    eventually("the endpoint listens", || stand.app.app().get::<app_rpc::admin::AdminEndpoint>().is_ok())
        .await;
    let again = stand.client(Role::Read);
    let states = call(&again, |app| async move {
        let infos = app.service_infos_request().send().promise.await?;
        infos
            .get()?
            .get_services()?
            .iter()
            .map(|info| Ok(info.get_state()?))
            .collect::<Result<Vec<_>, capnp::Error>>()
    });
    let states = tokio::time::timeout(Duration::from_secs(20), states).await.unwrap().unwrap();
    assert!(states.contains(&ServiceState::Running));
    stand.stop().await;
}
