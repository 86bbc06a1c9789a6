//! The types of configs that inputs are read as.

use app_config::codec::Message;
use app_config::{Config, Problems, parse};
use app_ids::ServiceId;
use capnp::introspect::{Introspect, TypeVariant};
use capnp::schema::StructSchema;
use capnp::traits::Owned;
use quota_schema::quota_capnp::quota_spec;
use schema::health_capnp::health_check_service_spec;
use schema::metrics_capnp::metrics_service_spec;
use schema::rpc_capnp::{rpc_client_spec, rpc_server_spec};

/// The configs of the platform, and two types of Cap'n Proto with unions, groups, enums, floats and nesting.
#[must_use]
pub fn all() -> [ConfigType; 7] {
    [
        ConfigType::of::<health_check_service_spec::Owned>("health"),
        ConfigType::of::<metrics_service_spec::Owned>("metrics"),
        ConfigType::of::<quota_spec::Owned>("quota"),
        ConfigType::of::<rpc_server_spec::Owned>("rpc-server"),
        ConfigType::of::<rpc_client_spec::Owned>("rpc-client"),
        ConfigType::of::<capnp::schema_capnp::node::Owned>("node"),
        ConfigType::of::<capnp::schema_capnp::value::Owned>("value"),
    ]
}

/// A type of config.
#[derive(Clone, Copy)]
pub struct ConfigType {
    /// The name of the type, for the names of seeds.
    pub name: &'static str,
    /// The type itself.
    pub schema: StructSchema,
    /// Checks whether a message matches the type, as before a start.
    pub check: fn(Message) -> Result<(), Problems>,
}

impl ConfigType {
    fn of<T: Owned + Introspect + Send + Sync + 'static>(name: &'static str) -> Self {
        let TypeVariant::Struct(schema) = T::introspect().which() else { panic!("{name} is no struct") };
        Self { name, schema: schema.into(), check: |message| parse::<Any<T>>(message).map(drop) }
    }
}

/// A config whose service accepts every message of the type.
struct Any<T>(std::marker::PhantomData<T>);

impl<T: Owned + Introspect + Send + Sync + 'static> Config for Any<T> {
    const SERVICE: ServiceId = ServiceId::new(1);
    type Schema = T;

    fn read(_: T::Reader<'_>, _: &mut Problems) -> Option<Self> {
        Some(Self(std::marker::PhantomData))
    }

    fn without_file() -> Self {
        Self(std::marker::PhantomData)
    }
}
