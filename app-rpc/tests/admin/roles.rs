//! Roles: every method is called with every role.

use std::collections::HashMap;
use std::path::Path;

use app_rpc::Role;
use app_rpc::admin::METHODS;
use capnp::any_pointer;
use capnp::capability::{Client, FromClientHook};
use capnp::traits::HasTypeId;
use schema::admin_capnp::{
    LogLevel, app, configs, event_stream, health, levels, r_p_c_service as rpc_service, runtime, service,
    text_reader,
};
use schema::rpc_capnp::RpcRole;
use tokio::sync::watch;

use crate::stand::{NAME, ROLES, STORE, Stand, call, client_name, eventually, put_config};

/// One capability of each interface.
async fn all(app: app::Client) -> capnp::Result<HashMap<u64, Client>> {
    let mut service = app.service_request();
    service.get().set_id(STORE.as_u64());
    let service = service.send().promise.await?.get()?.get_service()?;
    let mut endpoint = app.rpc_service_request();
    endpoint.get().set_id(NAME.service.as_u64());
    let endpoint = endpoint.send().promise.await?.get()?.get_service()?;
    let runtime = app.runtime_request().send().promise.await?.get()?.get_runtime()?;
    let configs = app.configs_request().send().promise.await?.get()?.get_configs()?;
    let health = app.health_request().send().promise.await?.get()?.get_health()?;
    let levels = app.levels_request().send().promise.await?.get()?.get_levels()?;
    let reader = app.metrics_request().send().promise.await?.get()?.get_text()?;
    let events = app.events_request().send().promise.await?.get()?.get_events()?;
    Ok(HashMap::from([
        (service::Client::TYPE_ID, any(service)),
        (rpc_service::Client::TYPE_ID, any(endpoint)),
        (runtime::Client::TYPE_ID, any(runtime)),
        (configs::Client::TYPE_ID, any(configs)),
        (health::Client::TYPE_ID, any(health)),
        (levels::Client::TYPE_ID, any(levels)),
        (text_reader::Client::TYPE_ID, any(reader)),
        (event_stream::Client::TYPE_ID, any(events)),
        (app::Client::TYPE_ID, any(app)),
    ]))
}

fn any<C: FromClientHook>(client: C) -> Client {
    Client::new(client.into_client_hook())
}

/// Calls any method of any interface, without parameters.
async fn bare(on: &Client, interface: u64, ordinal: u16) -> Result<(), String> {
    let request = on.new_call::<any_pointer::Owned, any_pointer::Owned>(interface, ordinal, None);
    request.send().promise.await.map(drop).map_err(|error| error.extra)
}

#[tokio::test]
async fn each_role_may_call_its_methods_and_no_others() {
    for role in ROLES {
        let stand = Stand::new().await;
        let client = stand.client(role);
        let outcomes = call(&client, |app| async move {
            let capabilities = all(app).await?;
            let mut outcomes = Vec::new();
            // The method that ends the application comes last.
            let kill = METHODS.iter().filter(|method| method.name == "App.kill");
            let others = METHODS.iter().filter(|method| method.name != "App.kill");
            for method in others.chain(kill) {
                let on = &capabilities[&method.interface];
                outcomes.push((method.name, method.role, bare(on, method.interface, method.ordinal).await));
            }
            Ok(outcomes)
        });
        let outcomes = outcomes.await.unwrap();
        assert_eq!(outcomes.len(), METHODS.len());
        for (name, needed, outcome) in outcomes {
            let denied = outcome.as_ref().is_err_and(|error| error.contains("denied: "));
            assert_eq!(denied, role < needed, "{role}: {name}: {outcome:?}");
            let unimplemented = outcome.as_ref().is_err_and(|error| error.contains(app_rpc::UNKNOWN_CALL));
            assert!(!unimplemented, "{name}: {outcome:?}");
            // Methods that change something need a reason. The original's `kill` takes none.
            let without_reason = outcome.as_ref().is_err_and(|error| error.contains("needs a reason"));
            let exempt = ["App.kill", "Runtime.stackDump"].contains(&name);
            assert_eq!(without_reason, !denied && needed > Role::Read && !exempt, "{name}: {outcome:?}");
        }
        assert_eq!(stand.app.alive(), role != Role::Admin);
        stand.stop().await;
    }
}

#[tokio::test]
async fn methods_that_are_not_in_the_table_are_refused_on_every_capability() {
    let stand = Stand::new().await;
    let quota = quota_schema::quota_capnp::quota::Client::TYPE_ID;
    let outcomes = call(&stand.client(Role::Read), move |app| async move {
        let mut outcomes = Vec::new();
        for (interface, on) in all(app).await? {
            for (interface, ordinal) in [(interface, 99), (interface, u16::MAX), (quota, 0), (0, 0)] {
                outcomes.push(bare(&on, interface, ordinal).await);
            }
            // Methods of other interfaces, on this one.
            outcomes.push(bare(&on, app::Client::TYPE_ID, 21).await);
            if interface != runtime::Client::TYPE_ID {
                outcomes.push(bare(&on, runtime::Client::TYPE_ID, 0).await);
            }
        }
        Ok(outcomes)
    })
    .await
    .unwrap();
    assert!(outcomes.len() > 40 && outcomes.iter().all(Result::is_err), "{outcomes:?}");
    assert!(stand.app.alive());
    stand.stop().await;
}

#[tokio::test]
async fn a_denial_names_the_method_both_roles_and_the_solution() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let denied = call(&client, |app| async move {
        let mut request = app.end_request();
        request.get().set_reason("to see what happens");
        request.send().promise.await.map(drop)
    });
    let denied = denied.await.unwrap_err();
    assert_eq!(
        denied.reason().split_once("denied: ").unwrap().1,
        "App.end needs the role admin, and this client (operate.test) has the role operate: grant it to one of its names, \
         in `grants` of config 0xe49214fa20b35ba8"
    );
    assert!(!denied.failure().is_safe_to_retry());
    assert!(stand.app.alive());
    stand.stop().await;
}

/// Sets the application's level, on an existing capability.
async fn set(levels: &levels::Client, level: LogLevel) -> Result<(), String> {
    let mut request = levels.set_app_request();
    request.get().set_level(level);
    request.get().set_reason("test");
    request.send().promise.await.map(drop).map_err(|error| error.extra)
}

#[tokio::test]
async fn changed_grants_count_at_the_next_call_and_for_existing_capabilities() {
    let stand = Stand::new().await;
    let (step, steps) = watch::channel(0);
    let (reached, mut reports) = watch::channel(0);
    let client = stand.client(Role::Operate);
    let calling = tokio::spawn(async move {
        let outcomes = call(&client, move |interface| {
            let (mut steps, reached) = (steps.clone(), reached.clone());
            async move {
                let levels = interface.levels_request().send().promise.await?.get()?.get_levels()?;
                let mut outcomes = Vec::new();
                for (number, level) in [(1, LogLevel::Debug), (2, LogLevel::Error), (3, LogLevel::Info)] {
                    outcomes.push(set(&levels, level).await);
                    reached.send_replace(number);
                    steps
                        .wait_for(|step| *step >= number)
                        .await
                        .map_err(|_| capnp::Error::failed(String::new()))?;
                }
                Ok(outcomes)
            }
        });
        outcomes.await.unwrap()
    });
    let own = client_name(Role::Operate);
    for (number, grants) in [(1, &[][..]), (2, &[(&own[..], RpcRole::Admin)]), (3, &[])] {
        reports.wait_for(|reached| *reached >= number).await.unwrap();
        if number < 3 {
            reload(&stand, grants, number).await;
        }
        step.send_replace(number);
    }
    let outcomes = calling.await.unwrap();
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    let denied = outcomes[1].as_ref().unwrap_err();
    assert!(denied.contains("denied: Levels.setApp needs the role operate"), "{denied}");
    assert_eq!(stand.app.log_level(), app_core::LogLevel::Info);
    stand.stop().await;
}

/// Gives the endpoint other grants, and waits until it has taken `times` new configs.
async fn reload(stand: &Stand, grants: &[(&str, RpcRole)], times: usize) {
    put_config(stand.app.config_dir(), &|spec| {
        let mut list = spec.init_grants(u32::try_from(grants.len()).unwrap());
        for (place, (name, role)) in (0..).zip(grants) {
            let mut grant = list.reborrow().get(place);
            grant.set_name(*name);
            grant.set_role(*role);
        }
    });
    assert!(stand.app.reload());
    let goes_on = || stand.app.captured().text().matches("goes on with its new config").count() >= times;
    eventually("the endpoint has the new config", goes_on).await;
}

#[test]
fn capabilities_are_made_by_the_gate_alone() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/admin");
    let mut makers = Vec::new();
    let mut files = vec![src.with_extension("rs")];
    let mut dirs = vec![src];
    while let Some(dir) = dirs.pop() {
        for entry in dir.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    assert!(files.len() > 10);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if ["capnp_rpc::", "Dispatch {", "local::"].iter().any(|maker| text.contains(maker)) {
            makers.push(file.file_name().unwrap().to_owned());
        }
    }
    assert_eq!(makers, ["gate.rs"]);
}

#[tokio::test]
async fn without_a_config_the_endpoint_does_not_listen_until_one_arrives() {
    let app = crate::stand::builder().start().await;
    let endpoint = app.get::<app_rpc::admin::AdminEndpoint>();
    assert_eq!((endpoint.address(), endpoint.max_connections()), (None, None));
    put_config(app.config_dir(), &|_| {});
    app.reload();
    eventually("the endpoint listens", || endpoint.address().is_some()).await;
    assert_eq!(endpoint.max_connections(), Some(1024));
    app.stop().await.expect_clean();
}
