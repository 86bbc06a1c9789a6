//! Answers match the state of the application: every method of the original, and the other methods that need only `read`.

use std::io::Read;
use std::time::{SystemTime, UNIX_EPOCH};

use app_core::LogLevel;
use app_core::prelude::*;
use app_health::HEALTHCHECK_SERVICE_ID;
use app_metrics::METRICS_SERVICE_ID;
use app_rpc::Role;
use app_rpc::admin::APP_RPC_SERVICE_ID;
use schema::admin_capnp::{self, HealthStatus, ServiceState};

use crate::stand::{DISK, SHOP, STORE, Stand, UNKNOWN, call, eventually};

#[tokio::test]
async fn the_application_tells_its_identity_and_its_services() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let answers = call(&client, |app| async move {
        let id = app.id_request().send().promise.await?.get()?.get_app_id();
        let release = app.release_id_request().send().promise.await?.get()?.get_release_id();
        let instance = app.instance_request().send().promise.await?;
        let instance = instance.get()?.get_instance_id()?.to_string()?;
        let started = app.started_on_request().send().promise.await?.get()?.get_started_on();
        let level = app.log_level_request().send().promise.await?.get()?.get_level()?;
        let services = app.service_ids_request().send().promise.await?;
        let services: Vec<u64> = services.get()?.get_service_ids()?.iter().collect();
        let identity = app.identity_request().send().promise.await?;
        let identity = identity.get()?.get_identity()?;
        let names = (identity.get_host()?.to_string()?, identity.get_platform_version()?.to_string()?);
        let ids = [identity.get_domain_id(), identity.get_app_id(), identity.get_release_id()];
        Ok((id, release, instance, started, level, services, names, ids, identity.get_pid()))
    });
    let (id, release, instance, started, level, services, names, ids, pid) = answers.await.unwrap();
    assert_eq!((id, release, ids), (0xa0, 0x10, [0xd0, 0xa0, 0x10]));
    assert_eq!(instance, stand.app.instance().hex().to_string());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert!((now - 60..=now).contains(&started.unsigned_abs()), "{started}");
    assert_eq!(level, admin_capnp::LogLevel::Debug);
    let expected: Vec<_> = stand.app.service_ids().iter().map(|id| id.as_u64()).collect();
    assert_eq!(services, expected);
    assert_eq!((names.1.as_str(), pid), (env!("CARGO_PKG_VERSION"), std::process::id()));
    assert!(!names.0.is_empty());
    stand.stop().await;
}

#[tokio::test]
async fn a_service_is_found_by_its_id_and_is_alive_until_it_is_killed() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    stand.app.set_service_log_level(STORE, Some(LogLevel::Error), None);
    let store = stand.app.service(STORE).unwrap();
    let kill = move || store.kill("test");
    let answers = call(&client, move |app| {
        let kill = kill.clone();
        async move {
            let mut request = app.service_request();
            request.get().set_id(STORE.as_u64());
            let service = request.send().promise.await?.get()?.get_service()?;
            let id = service.id_request().send().promise.await?.get()?.get_service_id();
            let level = service.log_level_request().send().promise.await?.get()?.get_level()?;
            let before = service.alive_request().send().promise.await?.get()?.get_alive();
            kill();
            let after = service.alive_request().send().promise.await?.get()?.get_alive();
            Ok((id, level, before, after))
        }
    });
    let answers = answers.await.unwrap();
    assert_eq!(answers, (STORE.as_u64(), admin_capnp::LogLevel::Error, true, false));
    let failed = call(&client, |app| async move {
        let mut request = app.service_request();
        request.get().set_id(UNKNOWN);
        request.send().promise.await?.get()?.get_service().map(drop)
    });
    let failed = failed.await.unwrap_err();
    assert!(failed.reason().contains("service deadbeef00000001 is not registered"), "{failed}");
    stand.stop().await;
}

#[tokio::test]
async fn endpoints_tell_their_address_and_their_number_of_connections() {
    let stand = Stand::with(&|mut spec| spec.set_max_conns(7)).await;
    let client = stand.client(Role::Read);
    let answers = call(&client, |app| async move {
        let ids = app.rpc_service_ids_request().send().promise.await?;
        let ids: Vec<u64> = ids.get()?.get_service_ids()?.iter().collect();
        let mut request = app.rpc_service_request();
        request.get().set_id(APP_RPC_SERVICE_ID.as_u64());
        let endpoint = request.send().promise.await?.get()?.get_service()?;
        let id = endpoint.id_request().send().promise.await?.get()?.get_service_id();
        let alive = endpoint.listener_alive_request().send().promise.await?.get()?.get_listener_alive();
        let address = endpoint.listener_address_request().send().promise.await?;
        let address = address.get()?.get_address()?;
        let address = (address.get_network()?.to_string()?, address.get_address()?.to_string()?);
        let active = endpoint.active_conns_request().send().promise.await?.get()?.get_count();
        let most = endpoint.max_conns_request().send().promise.await?.get()?.get_count();
        Ok((ids, id, alive, address, active, most))
    });
    let (ids, id, alive, (network, address), active, most) = answers.await.unwrap();
    assert_eq!((ids.as_slice(), id), ([APP_RPC_SERVICE_ID.as_u64()].as_slice(), APP_RPC_SERVICE_ID.as_u64()));
    assert_eq!((network.as_str(), address), ("tcp", stand.address().to_string()));
    assert_eq!((alive, active, most), (true, 1, 7));
    let failed = call(&client, |app| async move {
        let mut request = app.rpc_service_request();
        request.get().set_id(STORE.as_u64());
        request.send().promise.await.map(drop)
    });
    let failed = failed.await.unwrap_err();
    assert!(failed.reason().contains("is not an RPC endpoint"), "{failed}");
    stand.stop().await;
}

#[tokio::test]
async fn the_runtime_tells_its_compiler_memory_tasks_and_stacks() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let answers = call(&client, |app| async move {
        let runtime = app.runtime_request().send().promise.await?.get()?.get_runtime()?;
        let version = runtime.go_version_request().send().promise.await?;
        let version = version.get()?.get_version()?.to_string()?;
        let processors = runtime.num_c_p_u_request().send().promise.await?.get()?.get_count();
        let tasks = runtime.num_goroutine_request().send().promise.await?.get()?.get_count();
        let memory = runtime.mem_stats_request().send().promise.await?;
        let memory = memory.get()?.get_stats()?;
        let bytes = [memory.get_alloc(), memory.get_heap_in_use(), memory.get_sys(), memory.get_mallocs()];
        let dump = runtime.stack_dump_request().send().promise.await?.get()?.get_stack_dump()?.to_vec();
        Ok((version, processors, tasks, bytes, dump))
    });
    let (version, processors, tasks, [alloc, resident, virtual_size, mallocs], dump) = answers.await.unwrap();
    assert!(version.starts_with("rustc 1."), "{version}");
    assert!(processors >= 1);
    let expected: usize = stand.app.service_statuses().iter().map(|status| status.tasks).sum();
    assert!(tasks as usize >= expected.min(3) && tasks >= 3, "{tasks}, {expected}");
    assert!(alloc > 0 && alloc <= resident && resident < virtual_size && mallocs == 0);
    let mut text = String::new();
    flate2::read::ZlibDecoder::new(&dump[..]).read_to_string(&mut text).unwrap();
    assert!(text.contains("thread ") && text.contains("\"rpc-rpc-0\""), "{text}");
    assert!(text.contains("service shop (5707e00000000002) is running\n  task sells"), "{text}");
    stand.stop().await;
}

#[tokio::test]
async fn configs_tell_their_directory_and_their_statuses() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let answers = call(&client, |app| async move {
        let configs = app.configs_request().send().promise.await?.get()?.get_configs()?;
        let dir = configs.config_dir_request().send().promise.await?;
        let dir = dir.get()?.get_config_dir()?.to_string()?;
        let exists = configs.config_dir_exists_request().send().promise.await?.get()?.get_exists();
        let ids = configs.service_ids_request().send().promise.await?;
        let ids: Vec<u64> = ids.get()?.get_service_ids()?.iter().collect();
        let statuses = configs.statuses_request().send().promise.await?;
        let statuses = statuses.get()?.get_configs()?.iter().map(|status| {
            let flags = (status.get_from_file(), status.get_reloadable());
            Ok((status.get_service_id(), flags, status.get_problem()?.to_string()?))
        });
        let statuses: Result<Vec<_>, capnp::Error> = statuses.collect();
        Ok((dir, exists, ids, statuses?))
    });
    let (dir, exists, ids, statuses) = answers.await.unwrap();
    assert_eq!((dir, exists), (stand.app.config_dir().display().to_string(), true));
    assert_eq!(ids, [APP_RPC_SERVICE_ID.as_u64()]);
    let of = |id: ServiceId| statuses.iter().find(|(of, ..)| *of == id.as_u64()).cloned();
    assert_eq!(of(APP_RPC_SERVICE_ID), Some((APP_RPC_SERVICE_ID.as_u64(), (true, true), String::new())));
    assert_eq!(of(METRICS_SERVICE_ID).map(|(_, (from_file, _), _)| from_file), Some(false));
    stand.stop().await;
}

#[tokio::test]
async fn services_are_listed_with_their_state_and_their_dependencies() {
    let stand = Stand::new().await;
    let made_later = stand.app.new_service(ServiceId::new(0x1a7e), "late");
    let dying = made_later.token();
    made_later.spawn("waits", async move { dying.cancelled().await }).unwrap();
    let client = stand.client(Role::Read);
    let services = call(&client, |app| async move {
        let infos = app.service_infos_request().send().promise.await?;
        let infos = infos.get()?.get_services()?.iter().map(|info| {
            let needs: Vec<u64> = info.get_needs()?.iter().collect();
            let running = (info.get_state()?, info.get_restarting(), info.get_tasks(), needs);
            Ok((info.get_service_id(), info.get_name()?.to_string()?, running))
        });
        infos.collect::<Result<Vec<_>, capnp::Error>>()
    });
    let services = services.await.unwrap();
    let ids: Vec<_> = services.iter().map(|(id, ..)| *id).collect();
    let expected: Vec<_> = stand.app.service_ids().iter().map(|id| id.as_u64()).collect();
    assert_eq!(ids, expected, "in the order of ids");
    let of = |id: ServiceId| services.iter().find(|(of, ..)| *of == id.as_u64()).unwrap().clone();
    let (_, name, (state, restarting, tasks, needs)) = of(SHOP);
    assert_eq!((name.as_str(), state, restarting, tasks), ("shop", ServiceState::Running, false, 1));
    assert_eq!(needs, [STORE.as_u64()]);
    let (_, name, (state, .., tasks, needs)) = of(ServiceId::new(0x1a7e));
    assert_eq!((name.as_str(), state, tasks, needs.len()), ("late", ServiceState::Running, 1, 0));
    stand.stop().await;
}

#[tokio::test]
async fn a_failed_service_tells_why_and_the_application_is_not_ready() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    let ready = |app: admin_capnp::app::Client| async move {
        let readiness = app.readiness_request().send().promise.await?;
        let readiness = readiness.get()?;
        let reasons = readiness.get_reasons()?.iter().map(|reason| Ok(reason?.to_string()?));
        Ok((readiness.get_ready(), reasons.collect::<Result<Vec<_>, capnp::Error>>()?))
    };
    eventually("the critical check has run", || app_health::readiness(&stand.app).ready()).await;
    assert_eq!(call(&client, ready).await.unwrap(), (true, Vec::new()));
    stand.app.service(SHOP).unwrap().kill(errors::BUG.error(SHOP).message("out of stock").build());
    eventually("the service is dead", || stand.app.service(SHOP).is_none()).await;
    let (is_ready, reasons) = call(&client, ready).await.unwrap();
    assert!(!is_ready && reasons.iter().any(|reason| reason.contains("out of stock")), "{reasons:?}");
    let shop = call(&client, |app| async move {
        let infos = app.service_infos_request().send().promise.await?;
        let infos = infos.get()?.get_services()?;
        let info = infos.iter().find(|info| info.get_service_id() == SHOP.as_u64());
        let info = info.ok_or_else(|| capnp::Error::failed("it is not listed".to_owned()))?;
        let texts = (info.get_reason()?.to_string()?, info.get_last_failure()?.to_string()?);
        Ok((info.get_state()?, info.get_deaths(), texts, info.get_last_failure_on_millis()))
    });
    let (state, deaths, (reason, failure), at) = shop.await.unwrap();
    assert_eq!((state, deaths), (ServiceState::Failed, 1));
    assert!(reason.contains("out of stock") && failure.contains("out of stock") && at > 1_500_000_000_000);
    stand.stop().await;
}

#[tokio::test]
async fn health_checks_are_listed_and_each_has_its_history() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Read);
    eventually("the critical check has run", || app_health::readiness(&stand.app).ready()).await;
    let check = call(&client, |app| async move {
        let health = app.health_request().send().promise.await?.get()?.get_health()?;
        let checks = health.checks_request().send().promise.await?;
        let checks = checks.get()?.get_checks()?;
        let listed: Vec<u64> = checks.iter().map(|check| check.get_id()).collect();
        let mut request = health.check_request();
        request.get().set_id(DISK.as_u64());
        let answer = request.send().promise.await?;
        let answer = answer.get()?;
        let check = answer.get_check()?;
        let groups: Result<Vec<_>, capnp::Error> =
            check.get_groups()?.iter().map(|group| Ok(group?.to_string()?)).collect();
        let said = (check.get_name()?.to_string()?, check.get_service_id(), check.get_status()?, groups?);
        let outcome = answer.get_history()?.get(0).get_outcome()?.to_string()?;
        let transition = answer.get_transitions()?.get(0);
        Ok((listed, said, outcome, (transition.get_from()?, transition.get_to()?)))
    });
    let (listed, said, outcome, transition) = check.await.unwrap();
    assert_eq!(listed, [DISK.as_u64()]);
    let groups = vec!["readiness".to_owned()];
    assert_eq!(said, ("disk".to_owned(), STORE.as_u64(), HealthStatus::Healthy, groups));
    assert_eq!((outcome.as_str(), transition), ("passed", (HealthStatus::Unknown, HealthStatus::Healthy)));
    let failed = call(&client, |app| async move {
        let health = app.health_request().send().promise.await?.get()?.get_health()?;
        let mut request = health.check_request();
        request.get().set_id(UNKNOWN);
        request.send().promise.await.map(drop)
    });
    assert!(failed.await.unwrap_err().reason().contains("deadbeef00000001"));
    assert!(stand.app.service(HEALTHCHECK_SERVICE_ID).is_some());
    stand.stop().await;
}
