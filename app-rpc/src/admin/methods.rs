//! The table of all methods of the admin interface, with the role that each needs.
//!
//! The gate refuses a method that is not in the table. A test compares the table with the schema.

use std::fmt;

use app_core::prelude::{HealthCheckId, ServiceId};
use capnp::any_pointer;
use capnp::traits::HasTypeId;
use schema::admin_capnp::{
    app, configs, event_stream, health, levels, r_p_c_service as rpc_service, runtime, service, text_reader,
};

use super::operations::Called;
use super::reason::Reason;
use crate::Role;

/// A method of the admin interface.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Method {
    /// The id of the method's interface.
    pub interface: u64,
    /// The method's ordinal in the interface.
    pub ordinal: u16,
    /// The method's name, such as `App.kill`.
    pub name: &'static str,
    /// The lowest role that may call the method. `App.callOperation` needs at least this, and the role of the operation.
    pub role: Role,
    /// Whether the role, and whether there is a record, depend on the called operation.
    pub(super) by_operation: bool,
    about: fn(any_pointer::Reader<'_>) -> capnp::Result<About>,
}

/// What the audit record says about a call.
pub(super) struct About {
    /// What the call changes.
    pub(super) target: String,
    /// Why the client makes the call.
    pub(super) reason: Reason,
    /// The role that the call needs.
    pub(super) needed: Role,
    /// What else is wrong with the call.
    pub(super) refused: Option<String>,
    /// The operation that it calls.
    pub(super) called: Option<Called>,
}

impl Method {
    /// Whether every call of the method has an audit record, granted or not. All methods that need more than `read` do. Calls of
    /// `App.callOperation` have one if the operation changes something, or if they are denied.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        self.role > Role::Read
    }

    /// Whether a call acts even if the log takes no records. The end of the application is visible anyway, and may solve the problem.
    pub(super) fn acts_unrecorded(&self) -> bool {
        self.role == Role::Admin
    }

    /// The method with this ordinal of this interface.
    pub(super) fn find(interface: u64, ordinal: u16) -> Option<&'static Self> {
        METHODS.iter().find(|method| (method.interface, method.ordinal) == (interface, ordinal))
    }

    /// What the audit record says about a call with these parameters.
    pub(super) fn about(&self, params: any_pointer::Reader<'_>) -> capnp::Result<About> {
        (self.about)(params).map(|about| About { needed: self.role, ..about })
    }
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#x} @{}): {}", self.name, self.interface, self.ordinal, self.role)
    }
}

const APP: u64 = app::Client::TYPE_ID;
const SERVICE: u64 = service::Client::TYPE_ID;
const RPC_SERVICE: u64 = rpc_service::Client::TYPE_ID;
const RUNTIME: u64 = runtime::Client::TYPE_ID;
const CONFIGS: u64 = configs::Client::TYPE_ID;
const HEALTH: u64 = health::Client::TYPE_ID;
const LEVELS: u64 = levels::Client::TYPE_ID;
const TEXT_READER: u64 = text_reader::Client::TYPE_ID;
const EVENT_STREAM: u64 = event_stream::Client::TYPE_ID;

/// Every method of the admin interface, with the role that it needs.
pub static METHODS: &[Method] = &[
    read(APP, 0, "App.id"),
    read(APP, 1, "App.releaseId"),
    read(APP, 2, "App.instance"),
    read(APP, 3, "App.startedOn"),
    read(APP, 4, "App.logLevel"),
    read(APP, 5, "App.serviceIds"),
    read(APP, 6, "App.service"),
    read(APP, 7, "App.rpcServiceIds"),
    read(APP, 8, "App.rpcService"),
    admin(APP, 9, "App.kill", |_| Ok(about("application", Reason::NotTaken))),
    read(APP, 10, "App.runtime"),
    read(APP, 11, "App.configs"),
    read(APP, 12, "App.identity"),
    read(APP, 13, "App.readiness"),
    read(APP, 14, "App.serviceInfos"),
    operate(APP, 15, "App.restart", |params| {
        let params: app::restart_params::Reader<'_> = params.get_as()?;
        Ok(about(of_service(params.get_service_id()), Reason::of(params.get_reason()?)))
    }),
    read(APP, 16, "App.health"),
    read(APP, 17, "App.levels"),
    read(APP, 18, "App.metrics"),
    read(APP, 19, "App.events"),
    operate(APP, 20, "App.reload", |params| {
        let params: app::reload_params::Reader<'_> = params.get_as()?;
        Ok(about("configs", Reason::of(params.get_reason()?)))
    }),
    admin(APP, 21, "App.end", |params| {
        let params: app::end_params::Reader<'_> = params.get_as()?;
        Ok(about("application", Reason::of(params.get_reason()?)))
    }),
    read(APP, 22, "App.operations"),
    read(APP, 23, "App.describeOperation"),
    Method { by_operation: true, ..read(APP, 24, "App.callOperation") },
    read(APP, 25, "App.listeners"),
    read(SERVICE, 0, "Service.id"),
    read(SERVICE, 1, "Service.logLevel"),
    read(SERVICE, 2, "Service.alive"),
    read(RPC_SERVICE, 0, "RPCService.id"),
    read(RPC_SERVICE, 1, "RPCService.listenerAlive"),
    read(RPC_SERVICE, 2, "RPCService.listenerAddress"),
    read(RPC_SERVICE, 3, "RPCService.activeConns"),
    read(RPC_SERVICE, 4, "RPCService.maxConns"),
    read(RUNTIME, 0, "Runtime.goVersion"),
    read(RUNTIME, 1, "Runtime.numCPU"),
    read(RUNTIME, 2, "Runtime.numGoroutine"),
    read(RUNTIME, 3, "Runtime.memStats"),
    // A dump interrupts every thread, and shows what the program is doing.
    operate(RUNTIME, 4, "Runtime.stackDump", |_| Ok(about("threads", Reason::NotTaken))),
    read(CONFIGS, 0, "Configs.configDir"),
    read(CONFIGS, 1, "Configs.configDirExists"),
    read(CONFIGS, 2, "Configs.serviceIds"),
    read(CONFIGS, 3, "Configs.statuses"),
    read(HEALTH, 0, "Health.checks"),
    read(HEALTH, 1, "Health.check"),
    operate(HEALTH, 2, "Health.run", |params| {
        let params: health::run_params::Reader<'_> = params.get_as()?;
        Ok(about(of_check(params.get_id()), Reason::of(params.get_reason()?)))
    }),
    operate(HEALTH, 3, "Health.pause", |params| {
        let params: health::pause_params::Reader<'_> = params.get_as()?;
        Ok(about(of_check(params.get_id()), Reason::of(params.get_reason()?)))
    }),
    operate(HEALTH, 4, "Health.resume", |params| {
        let params: health::resume_params::Reader<'_> = params.get_as()?;
        Ok(about(of_check(params.get_id()), Reason::of(params.get_reason()?)))
    }),
    read(LEVELS, 0, "Levels.levels"),
    operate(LEVELS, 1, "Levels.setApp", |params| {
        let params: levels::set_app_params::Reader<'_> = params.get_as()?;
        let target = setting("application", params.get_level(), params.get_time_to_live_millis());
        Ok(about(target, Reason::of(params.get_reason()?)))
    }),
    operate(LEVELS, 2, "Levels.setService", |params| {
        let params: levels::set_service_params::Reader<'_> = params.get_as()?;
        let service = of_service(params.get_service_id());
        let target = setting(&service, params.get_level(), params.get_time_to_live_millis());
        Ok(about(target, Reason::of(params.get_reason()?)))
    }),
    operate(LEVELS, 3, "Levels.reset", |params| {
        let params: levels::reset_params::Reader<'_> = params.get_as()?;
        let target = match params.get_service_id() {
            0 => "application".to_owned(),
            id => of_service(id),
        };
        Ok(about(target, Reason::of(params.get_reason()?)))
    }),
    read(TEXT_READER, 0, "TextReader.read"),
    read(EVENT_STREAM, 0, "EventStream.next"),
];

type AboutFn = fn(any_pointer::Reader<'_>) -> capnp::Result<About>;

const fn read(interface: u64, ordinal: u16, name: &'static str) -> Method {
    let about: AboutFn = |_| Ok(about("", Reason::NotTaken));
    Method { interface, ordinal, name, role: Role::Read, by_operation: false, about }
}

const fn operate(interface: u64, ordinal: u16, name: &'static str, about: AboutFn) -> Method {
    Method { interface, ordinal, name, role: Role::Operate, by_operation: false, about }
}

const fn admin(interface: u64, ordinal: u16, name: &'static str, about: AboutFn) -> Method {
    Method { interface, ordinal, name, role: Role::Admin, by_operation: false, about }
}

fn about(target: impl Into<String>, reason: Reason) -> About {
    About { target: target.into(), reason, needed: Role::Read, refused: None, called: None }
}

fn of_service(id: u64) -> String {
    format!("service {}", ServiceId::new(id).describe())
}

fn of_check(id: u64) -> String {
    format!("health check {}", HealthCheckId::new(id).describe())
}

/// The level that a call sets, and for how long.
fn setting(
    what: &str,
    level: Result<schema::admin_capnp::LogLevel, capnp::NotInSchema>,
    millis: u64,
) -> String {
    let level = match level {
        Ok(level) => super::levels::from_wire(level).to_string(),
        Err(unknown) => format!("unknown level {}", unknown.0),
    };
    match millis {
        0 => format!("{what}: {level}"),
        millis => format!("{what}: {level} for {millis} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The methods in the schema, without those of other files.
    fn in_the_schema() -> Vec<(u64, u16, String)> {
        let ours: Vec<u64> = METHODS.iter().map(|method| method.interface).collect();
        let others = ["Quota"];
        let methods = schema::METHODS.iter().filter(|(_, interface, ..)| !others.contains(interface));
        methods
            .map(|(interface, of, ordinal, name)| {
                assert!(ours.contains(interface), "interface {of} has no method in the table");
                (*interface, *ordinal, format!("{of}.{name}"))
            })
            .collect()
    }

    #[test]
    fn the_table_has_every_method_of_the_schema_once_and_no_other() {
        let key = |method: &Method| (method.interface, method.ordinal, method.name.to_owned());
        let mut table: Vec<_> = METHODS.iter().map(key).collect();
        let mut schema = in_the_schema();
        table.sort();
        schema.sort();
        assert_eq!(table, schema);
        assert!(METHODS.iter().any(|method| method.role == Role::Admin && method.is_audited()));
        assert!(METHODS.iter().all(|method| method.is_audited() == (method.role != Role::Read)));
    }

    #[test]
    fn methods_that_change_the_application_need_more_than_read() {
        let role = |name| METHODS.iter().find(|method| method.name == name).map(|method| method.role);
        for name in ["App.kill", "App.end"] {
            assert_eq!(role(name), Some(Role::Admin), "{name}");
        }
        // Methods that take a reason change something.
        for (name, params) in [
            ("App.restart", schema_has_reason::<app::restart_params::Owned>()),
            ("App.reload", schema_has_reason::<app::reload_params::Owned>()),
            ("App.end", schema_has_reason::<app::end_params::Owned>()),
            ("Health.run", schema_has_reason::<health::run_params::Owned>()),
            ("Health.pause", schema_has_reason::<health::pause_params::Owned>()),
            ("Health.resume", schema_has_reason::<health::resume_params::Owned>()),
            ("Levels.setApp", schema_has_reason::<levels::set_app_params::Owned>()),
            ("Levels.setService", schema_has_reason::<levels::set_service_params::Owned>()),
            ("Levels.reset", schema_has_reason::<levels::reset_params::Owned>()),
        ] {
            // (`App.callOperation` has a reason, and the role of the operation.)
            assert!(params && role(name) > Some(Role::Read), "{name}");
        }
    }

    fn schema_has_reason<T: capnp::introspect::Introspect>() -> bool {
        let capnp::introspect::TypeVariant::Struct(raw) = T::introspect().which() else { return false };
        let schema = capnp::schema::StructSchema::from(raw);
        schema.find_field_by_name("reason").is_ok_and(|field| field.is_some())
    }
}
