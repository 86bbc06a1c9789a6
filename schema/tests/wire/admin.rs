//! The contract of the admin interface: the methods and fields of the Go original, then those of this project.

use capnp::introspect::Introspect;
use capnp::traits::HasTypeId;
use schema::admin_capnp::{
    ConfigFile, HealthStatus, LogLevel, MetricsFormat, ServiceState, app, by_size, certificate_end,
    config_status, configs, event, event_stream, health, health_check, health_result, health_transition,
    identity, level_setting, levels, mem_stats, network_address, r_p_c_service, runtime, service,
    service_info, service_level, text_reader,
};

use super::contract::{check, enumerants, fields};

/// Compares the methods of an interface with their rows of the contract.
macro_rules! interface {
    ($module:ident, $name:literal, $id:literal, [$(($ordinal:literal, $method:literal, $params:ident, $results:ident, $signature:literal)),+ $(,)?]) => {{
        assert_eq!($module::Client::TYPE_ID, $id, $name);
        let expected: &[(u64, &str, u16, &str)] = &[$(($id, $name, $ordinal, $method)),+];
        let found: Vec<_> = schema::METHODS.iter().copied().filter(|(id, ..)| *id == $id).collect();
        assert_eq!(found, expected);
        $(
            let found = signature::<$module::$params::Owned, $module::$results::Owned>();
            assert_eq!(found, $signature, "{}.{}", $name, $method);
        )+
    }};
}

/// The parameters and results of a method, in the syntax of schemas.
fn signature<P: Introspect, R: Introspect>() -> String {
    format!("{} -> {}", list::<P>(), list::<R>())
}

fn list<T: Introspect>() -> String {
    let mut rows = fields::<T>();
    rows.sort();
    let rows = rows.into_iter().map(|(_, name, of, default)| {
        let default = if default.is_empty() { default } else { format!(" = {default}") };
        format!("{name} :{of}{default}")
    });
    format!("({})", rows.collect::<Vec<_>>().join(", "))
}

pub(super) fn members<T: Introspect>(id: u64, expected: &[&str]) {
    let expected: Vec<_> = (0..).zip(expected.iter().map(|name| (*name).to_owned())).collect();
    assert_eq!(enumerants::<T>(), (id, expected));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one line for each method")]
fn the_application_keeps_the_wire() {
    interface!(
        app,
        "App",
        0xf052_e7e0_84b3_1199,
        [
            (0, "id", id_params, id_results, "() -> (appId :UInt64)"),
            (1, "releaseId", release_id_params, release_id_results, "() -> (releaseId :UInt64)"),
            (2, "instance", instance_params, instance_results, "() -> (instanceId :Text)"),
            (3, "startedOn", started_on_params, started_on_results, "() -> (startedOn :Int64)"),
            (4, "logLevel", log_level_params, log_level_results, "() -> (level :LogLevel)"),
            (5, "serviceIds", service_ids_params, service_ids_results, "() -> (serviceIds :List(UInt64))"),
            (6, "service", service_params, service_results, "(id :UInt64) -> (service :Service)"),
            (
                7,
                "rpcServiceIds",
                rpc_service_ids_params,
                rpc_service_ids_results,
                "() -> (serviceIds :List(UInt64))"
            ),
            (
                8,
                "rpcService",
                rpc_service_params,
                rpc_service_results,
                "(id :UInt64) -> (service :RPCService)"
            ),
            (9, "kill", kill_params, kill_results, "() -> ()"),
            (10, "runtime", runtime_params, runtime_results, "() -> (runtime :Runtime)"),
            (11, "configs", configs_params, configs_results, "() -> (configs :Configs)"),
            (12, "identity", identity_params, identity_results, "() -> (identity :Identity)"),
            (
                13,
                "readiness",
                readiness_params,
                readiness_results,
                "() -> (ready :Bool, reasons :List(Text), ends :List(CertificateEnd), notes :List(Text))"
            ),
            (
                14,
                "serviceInfos",
                service_infos_params,
                service_infos_results,
                "() -> (services :List(ServiceInfo))"
            ),
            (
                15,
                "restart",
                restart_params,
                restart_results,
                "(serviceId :UInt64, reason :Text) -> (notes :List(Text))"
            ),
            (16, "health", health_params, health_results, "() -> (health :Health)"),
            (17, "levels", levels_params, levels_results, "() -> (levels :Levels)"),
            (18, "metrics", metrics_params, metrics_results, "(format :MetricsFormat) -> (text :TextReader)"),
            (19, "events", events_params, events_results, "() -> (events :EventStream)"),
            (20, "reload", reload_params, reload_results, "(reason :Text) -> (configs :List(ConfigStatus))"),
            (
                21,
                "end",
                end_params,
                end_results,
                "(reason :Text, drainDelayMillis :UInt32, useDrainDelay :Bool) -> ()"
            ),
            (
                22,
                "operations",
                operations_params,
                operations_results,
                "() -> (operations :List(OperationInfo))"
            ),
            (
                23,
                "describeOperation",
                describe_operation_params,
                describe_operation_results,
                "(serviceId :UInt64, name :Text) -> (operation :OperationInfo, arguments :Text, results :Text)"
            ),
            (
                24,
                "callOperation",
                call_operation_params,
                call_operation_results,
                "(serviceId :UInt64, name :Text, arguments :Text, reason :Text, requestId :Text, confirmed :Bool, deadlineMillis :UInt32) -> (result :Text)"
            ),
            (25, "listeners", listeners_params, listeners_results, "() -> (listeners :List(ListenerInfo))"),
        ]
    );
}

#[test]
fn services_and_endpoints_keep_the_wire() {
    interface!(
        service,
        "Service",
        0xb25b_411c_ec14_9334,
        [
            (0, "id", id_params, id_results, "() -> (serviceId :UInt64)"),
            (1, "logLevel", log_level_params, log_level_results, "() -> (level :LogLevel)"),
            (2, "alive", alive_params, alive_results, "() -> (alive :Bool)"),
        ]
    );
    interface!(
        r_p_c_service,
        "RPCService",
        0xa7e3_c40f_8e5e_cb74,
        [
            (0, "id", id_params, id_results, "() -> (serviceId :UInt64)"),
            (
                1,
                "listenerAlive",
                listener_alive_params,
                listener_alive_results,
                "() -> (listenerAlive :Bool)"
            ),
            (
                2,
                "listenerAddress",
                listener_address_params,
                listener_address_results,
                "() -> (address :NetworkAddress)"
            ),
            (3, "activeConns", active_conns_params, active_conns_results, "() -> (count :UInt32)"),
            (4, "maxConns", max_conns_params, max_conns_results, "() -> (count :UInt32)"),
        ]
    );
}

#[test]
fn the_runtime_and_configs_keep_the_wire() {
    interface!(
        runtime,
        "Runtime",
        0xdda2_e021_40fe_8f08,
        [
            (0, "goVersion", go_version_params, go_version_results, "() -> (version :Text)"),
            (1, "numCPU", num_c_p_u_params, num_c_p_u_results, "() -> (count :UInt32)"),
            (2, "numGoroutine", num_goroutine_params, num_goroutine_results, "() -> (count :UInt32)"),
            (3, "memStats", mem_stats_params, mem_stats_results, "() -> (stats :MemStats)"),
            (4, "stackDump", stack_dump_params, stack_dump_results, "() -> (stackDump :Data)"),
        ]
    );
    interface!(
        configs,
        "Configs",
        0xa391_f67e_209a_873d,
        [
            (0, "configDir", config_dir_params, config_dir_results, "() -> (configDir :Text)"),
            (
                1,
                "configDirExists",
                config_dir_exists_params,
                config_dir_exists_results,
                "() -> (exists :Bool)"
            ),
            (2, "serviceIds", service_ids_params, service_ids_results, "() -> (serviceIds :List(UInt64))"),
            (3, "statuses", statuses_params, statuses_results, "() -> (configs :List(ConfigStatus))"),
        ]
    );
}

#[test]
fn health_keeps_the_wire() {
    interface!(
        health,
        "Health",
        0xbf8d_6c2a_5a0f_d6a4,
        [
            (0, "checks", checks_params, checks_results, "() -> (checks :List(HealthCheck))"),
            (
                1,
                "check",
                check_params,
                check_results,
                "(id :UInt64) -> (check :HealthCheck, history :List(HealthResult), transitions :List(HealthTransition))"
            ),
            (2, "run", run_params, run_results, "(id :UInt64, reason :Text) -> (result :HealthResult)"),
            (3, "pause", pause_params, pause_results, "(id :UInt64, reason :Text) -> (paused :Bool)"),
            (4, "resume", resume_params, resume_results, "(id :UInt64, reason :Text) -> (resumed :Bool)"),
        ]
    );
}

#[test]
fn levels_texts_and_events_keep_the_wire() {
    interface!(
        levels,
        "Levels",
        0xb7f1_6d0c_9cf0_b6de,
        [
            (
                0,
                "levels",
                levels_params,
                levels_results,
                "() -> (app :LevelSetting, services :List(ServiceLevel))"
            ),
            (
                1,
                "setApp",
                set_app_params,
                set_app_results,
                "(level :LogLevel, timeToLiveMillis :UInt64, reason :Text) -> ()"
            ),
            (
                2,
                "setService",
                set_service_params,
                set_service_results,
                "(serviceId :UInt64, level :LogLevel, timeToLiveMillis :UInt64, reason :Text) -> ()"
            ),
            (3, "reset", reset_params, reset_results, "(serviceId :UInt64, reason :Text) -> ()"),
        ]
    );
    interface!(
        text_reader,
        "TextReader",
        0x9b6c_8fd5_a8f2_f5e7,
        [(0, "read", read_params, read_results, "(maxBytes :UInt32) -> (piece :Data, end :Bool)"),]
    );
    interface!(
        event_stream,
        "EventStream",
        0xe7c0_d6b3_a1f8_4f69,
        [(
            0,
            "next",
            next_params,
            next_results,
            "(maxEvents :UInt16, waitMillis :UInt32) -> (events :List(Event), missed :UInt64, end :Bool)"
        ),]
    );
}

#[test]
fn the_structs_of_the_original_keep_the_wire() {
    check::<network_address::Owned>(
        0x9aae_3a85_02e6_d5eb,
        "NetworkAddress",
        &[(0, "network", "Text", ""), (1, "address", "Text", "")],
    );
    members::<LogLevel>(0xce80_2aa8_977a_9aee, &["debug", "info", "warn", "error"]);
    check::<mem_stats::Owned>(
        0xcdf0_11e3_e386_0026,
        "MemStats",
        &[
            (0, "alloc", "UInt64", ""),
            (1, "totalAlloc", "UInt64", ""),
            (2, "sys", "UInt64", ""),
            (3, "lookups", "UInt64", ""),
            (4, "mallocs", "UInt64", ""),
            (5, "frees", "UInt64", ""),
            (6, "heapAlloc", "UInt64", ""),
            (7, "heapSys", "UInt64", ""),
            (8, "heapIdle", "UInt64", ""),
            (9, "heapInUse", "UInt64", ""),
            (10, "heapReleased", "UInt64", ""),
            (11, "heapObjects", "UInt64", ""),
            (12, "stackInUse", "UInt64", ""),
            (13, "stackSys", "UInt64", ""),
            (14, "mSpanInUse", "UInt64", ""),
            (15, "mSpanSys", "UInt64", ""),
            (16, "mCacheInUse", "UInt64", ""),
            (17, "mCacheSys", "UInt64", ""),
            (18, "buckHashSys", "UInt64", ""),
            (19, "gCSys", "UInt64", ""),
            (20, "otherSys", "UInt64", ""),
            (21, "nextGC", "UInt64", ""),
            (22, "lastGC", "UInt64", ""),
            (23, "pauseTotalNs", "UInt64", ""),
            (24, "pauseNs", "List(UInt64)", ""),
            (25, "pauseEnd", "List(UInt64)", ""),
            (26, "numGC", "UInt32", ""),
            (27, "numForcedGC", "UInt32", ""),
            (28, "gCCPUFraction", "Float64", ""),
            (29, "bySize", "List(BySize)", ""),
        ],
    );
    check::<by_size::Owned>(
        0xc3e4_7267_7f9b_e8ad,
        "BySize",
        &[(0, "size", "UInt32", ""), (1, "mallocs", "UInt64", ""), (2, "frees", "UInt64", "")],
    );
}

#[test]
fn what_configs_and_certificates_say_keeps_the_wire() {
    check::<config_status::Owned>(
        0xd16a_12f9_df0f_8b6b,
        "ConfigStatus",
        &[
            (0, "serviceId", "UInt64", ""),
            (1, "name", "Text", ""),
            (2, "fromFile", "Bool", ""),
            (3, "problem", "Text", ""),
            (4, "reloads", "UInt64", ""),
            (5, "refusals", "UInt64", ""),
            (6, "reloadable", "Bool", ""),
            (7, "waiting", "Bool", ""),
            (8, "taken", "Bool", ""),
            (9, "file", "ConfigFile", ""),
            (10, "fileSinceMillis", "Int64", ""),
        ],
    );
    members::<ConfigFile>(0x9724_22b1_9d42_5fa2, &["good", "refused", "gone", "unread"]);
    check::<certificate_end::Owned>(
        0xeb40_bdf2_3696_f881,
        "CertificateEnd",
        &[
            (0, "atMillis", "Int64", ""),
            (1, "service", "Text", ""),
            (2, "what", "Text", ""),
            (3, "name", "Text", ""),
        ],
    );
}

#[test]
fn what_applications_and_services_say_keeps_the_wire() {
    check::<identity::Owned>(
        0xa8ae_9e6d_5d7a_8a11,
        "Identity",
        &[
            (0, "domainId", "UInt64", ""),
            (1, "appId", "UInt64", ""),
            (2, "releaseId", "UInt64", ""),
            (3, "instanceId", "Text", ""),
            (4, "name", "Text", ""),
            (5, "version", "Text", ""),
            (6, "platformVersion", "Text", ""),
            (7, "host", "Text", ""),
            (8, "pid", "UInt32", ""),
            (9, "startedOnMillis", "Int64", ""),
            (10, "uptimeMillis", "UInt64", ""),
        ],
    );
    check::<service_info::Owned>(
        0xc6b0_ee0f_cd7b_48e4,
        "ServiceInfo",
        &[
            (0, "serviceId", "UInt64", ""),
            (1, "name", "Text", ""),
            (2, "state", "ServiceState", ""),
            (3, "reason", "Text", ""),
            (4, "deaths", "UInt64", ""),
            (5, "restarts", "UInt64", ""),
            (6, "lastFailure", "Text", ""),
            (7, "lastFailureOnMillis", "Int64", ""),
            (8, "uptimeMillis", "UInt64", ""),
            (9, "startMillis", "UInt64", ""),
            (10, "tasks", "UInt32", ""),
            (11, "level", "LogLevel", ""),
            (12, "restarting", "Bool", ""),
            (13, "needs", "List(UInt64)", ""),
            (14, "plannedStops", "UInt64", ""),
            (15, "restartPolicy", "Text", ""),
            (16, "configNote", "Text", ""),
        ],
    );
    members::<ServiceState>(
        0xb8a2_f9dd_0c8f_4e53,
        &["registered", "starting", "running", "stopping", "stopped", "failed"],
    );
}

#[test]
fn what_health_says_keeps_the_wire() {
    check::<health_check::Owned>(
        0xe0ad_5d2e_7cbb_01c7,
        "HealthCheck",
        &[
            (0, "id", "UInt64", ""),
            (1, "name", "Text", ""),
            (2, "serviceId", "UInt64", ""),
            (3, "critical", "Bool", ""),
            (4, "paused", "Bool", ""),
            (5, "status", "HealthStatus", ""),
            (6, "intervalMillis", "UInt64", ""),
            (7, "timeoutMillis", "UInt64", ""),
            (8, "failures", "UInt32", ""),
            (9, "hasResult", "Bool", ""),
            (10, "result", "HealthResult", ""),
            (11, "problem", "Text", ""),
            (12, "sinceMillis", "Int64", ""),
            (13, "groups", "List(Text)", ""),
            (14, "failureThreshold", "UInt32", ""),
            (15, "successThreshold", "UInt32", ""),
            (16, "pausedSinceMillis", "Int64", ""),
        ],
    );
    members::<HealthStatus>(0xc9a6_3ee1_c0d0_a3bb, &["unknown", "healthy", "unhealthy"]);
    check::<health_result::Owned>(
        0x9d84_e9c8_f41a_4bb3,
        "HealthResult",
        &[
            (0, "startedOnMillis", "Int64", ""),
            (1, "durationNanos", "UInt64", ""),
            (2, "error", "Text", ""),
            (3, "failures", "UInt32", ""),
            (4, "outcome", "Text", ""),
        ],
    );
    check::<health_transition::Owned>(
        0xd90d_5d8d_1b4f_0a21,
        "HealthTransition",
        &[
            (0, "from", "HealthStatus", ""),
            (1, "to", "HealthStatus", ""),
            (2, "atMillis", "Int64", ""),
            (3, "error", "Text", ""),
        ],
    );
}

#[test]
fn what_levels_metrics_and_events_say_keeps_the_wire() {
    check::<level_setting::Owned>(
        0x8fa9_d39a_8f7d_9f6e,
        "LevelSetting",
        &[(0, "level", "LogLevel", ""), (1, "expiresInMillis", "UInt64", "")],
    );
    check::<service_level::Owned>(
        0xf24a_6c0d_1c9b_e3a5,
        "ServiceLevel",
        &[(0, "serviceId", "UInt64", ""), (1, "setting", "LevelSetting", ""), (2, "name", "Text", "")],
    );
    members::<MetricsFormat>(0xa5b0_e6a4_e6f9_c4d2, &["text", "openMetrics"]);
    check::<event::Owned>(
        0xd3d9_f4b6_ab0f_f2a3,
        "Event",
        &[
            (0, "atMillis", "Int64", ""),
            (1, "kind", "Text", ""),
            (2, "eventId", "UInt64", ""),
            (3, "serviceId", "UInt64", ""),
            (4, "serviceName", "Text", ""),
            (5, "healthCheckId", "UInt64", ""),
            (6, "healthCheckName", "Text", ""),
            (7, "message", "Text", ""),
        ],
    );
}
