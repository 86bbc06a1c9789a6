//! A client as a service: its config, reloads, its health check, and the handle that dependents take.

use std::sync::atomic::{AtomicBool, Ordering};

use app_config::LiveConfig;
use app_core::plugins::{CheckedStart, checked_start};
use app_core::prelude::*;
use app_health::HealthChecks;
use app_metrics::Metrics;
use capnp::capability::FromClientHook;

use crate::client::missing;
use crate::{ClientConfig, LinkedClient, RpcClient};

/// How long the first run of the health check waits for a connection.
const FIRST_CONNECTS_WITHIN: Duration = Duration::from_secs(3);

/// A type that [`rpc_client!`](crate::rpc_client) can hand out: one that is made from a client of the interface `C`.
///
/// It is implemented for every type with `From<RpcClient<C>>`. `C` is the type `Client` in the generated module of the interface.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the client of `rpc_client!`",
    label = "`{Self}` is not made from an RPC client",
    note = "implement `From<RpcClient<INTERFACE::Client>>` for `{Self}`, where INTERFACE is the generated module of the interface",
    note = "the type has to be `Send + Sync + 'static`"
)]
pub trait ClientType<C>: Send + Sync + 'static {
    /// Makes the value.
    fn of(client: RpcClient<C>) -> Self;
}

#[diagnostic::do_not_recommend]
impl<C, T: From<RpcClient<C>> + Send + Sync + 'static> ClientType<C> for T {
    fn of(client: RpcClient<C>) -> Self {
        Self::from(client)
    }
}

/// The start function of a client service: starts the client, keeps it at its config, and registers its health check.
///
/// [`rpc_client!`](crate::rpc_client) expands to it:
///
/// ```
/// use app_core::{ServiceDescriptor, prelude::*};
/// use app_rpc::{LinkedClient, RpcClient, start_client};
/// use quota_schema::quota_capnp::quota;
///
/// const PLAIN: ServiceId = ServiceId::new(0xb6a1_f05c_7d28_93e4);
///
/// let descriptor = ServiceDescriptor::of(PLAIN, "plain-client", |service, config, metrics, health| {
///     let options = LinkedClient::of(PLAIN).critical(true);
///     start_client::<{ PLAIN.as_u64() }, RpcClient<quota::Client>, quota::Client>(options, service, config, metrics, health)
/// });
/// assert!(descriptor.needs().contains(&app_health::HEALTHCHECK_SERVICE_ID));
/// ```
///
/// # Errors
/// [`RPC_CONFIG_UNUSABLE`](crate::errors::RPC_CONFIG_UNUSABLE): TLS does not work with the config. `ServiceNotAlive`.
pub async fn start_client<const SERVICE: u64, T, C>(
    options: LinkedClient,
    service: Service,
    mut config: LiveConfig<ClientConfig<SERVICE>>,
    _metrics: Dep<Metrics>,
    health: Dep<HealthChecks>,
) -> Result<T, Error>
where
    T: ClientType<C>,
    C: FromClientHook + 'static,
{
    let client = RpcClient::<C>::waiting(&service);
    match config.current().0.clone() {
        Some(first) => client.reconfigure(first)?,
        None => warn!(service.log(), "RPC client: calls are not sent: {}", missing(&service)),
    }
    let (checked, ran) = (client.clone(), AtomicBool::new(false));
    health.register(&service, options.spec(&service), move |_cancelled| {
        let (client, ran) = (checked.clone(), ran.swap(true, Ordering::Relaxed));
        // The first run is at once, when the client has only begun to connect.
        async move { if ran { client.check().await } else { client.check_within(FIRST_CONNECTS_WITHIN).await } }
    })?;
    let (follows, log) = (client.clone(), service.log().clone());
    service.spawn("rpc client config", async move {
        while let Some(changed) = config.changed().await {
            let Some(changed) = changed.0.clone() else { continue };
            match follows.reconfigure(changed) {
                Ok(()) => info!(log, "RPC client goes on with its new config"),
                Err(failed) => error!(log, "RPC client: {failed}"; "err" => #&failed),
            }
        }
    })?;
    Ok(T::of(client))
}

/// For [`rpc_client!`](crate::rpc_client): names the type in one place, so the compiler reports a mistake once.
#[doc(hidden)]
pub fn checked_client<const SERVICE: u64, T, C>(options: LinkedClient) -> CheckedStart
where
    T: ClientType<C>,
    C: FromClientHook + 'static,
{
    checked_start(move |service, config, metrics, health| {
        start_client::<SERVICE, T, C>(options, service, config, metrics, health)
    })
}

/// Declares a client as a service. Every application that links the crate has it, and services take it as `Dep<StockClient>`.
///
/// The service has a config, an `RPCClientSpec`, which it follows while it runs. Its health check `{name}_connected` fails while no
/// instance of the server answers. Without a config the service runs, its check fails, and calls end at once as
/// [`NotSent`](crate::CallFailure::NotSent). The check, the calls and a record in the log say what to do.
///
/// `client` is a type of yours with `From<RpcClient<C>>`. The macro implements [`Exposed`](app_core::Exposed) for it. The options come
/// in any order:
///
/// | option | type | default |
/// |---|---|---|
/// | `id` | a constant `ServiceId` | required |
/// | `name` | a string literal | required |
/// | `client` | a type with `From<RpcClient<C>>` | required |
/// | `calls` | the `ServiceId` of the endpoint. A config for another endpoint is refused | any endpoint |
/// | `critical` | `true`: the application is not ready while no instance answers | `false` |
/// | `doc` | what the config is about, in one line | a general text |
///
/// The macro stands for [`start_client`](crate::start_client) in a [`ServiceDescriptor`](app_core::ServiceDescriptor),
/// [`config!`](macro@app_config::config) for [`ClientConfig`](crate::ClientConfig), and a [`LinkedClient`](crate::LinkedClient).
///
/// ```
/// use app_core::{prelude::*, testing::TestApp};
/// use app_rpc::{CallError, CallFailure, RpcClient};
/// use quota_schema::quota_capnp::quota;
///
/// const STOCK_CLIENT: ServiceId = ServiceId::new(0xe53d_a907_16bc_4f82);
///
/// app_rpc::rpc_client! { id: STOCK_CLIENT, name: "stock-client", client: StockClient }
///
/// pub struct StockClient(RpcClient<quota::Client>);
///
/// impl From<RpcClient<quota::Client>> for StockClient {
///     fn from(client: RpcClient<quota::Client>) -> Self { Self(client) }
/// }
///
/// impl StockClient {
///     pub async fn left(&self) -> Result<u32, CallError> {
///         self.0.request(quota::Client::acquire_request, |results| Ok(results.get_remaining())).await
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = TestApp::with([STOCK_CLIENT]).await;
/// let failed = app.get::<StockClient>().left().await.unwrap_err();
/// assert_eq!(failed.failure(), CallFailure::NotSent);
/// assert!(failed.reason().contains("client stock-client has no config"));
/// app.stop().await.expect_clean();
/// # }
/// ```
///
/// In tests, [`RpcClient::fake`](crate::RpcClient::fake) takes the place of the server, and
/// [`TestAppBuilder::replace`](app_core::testing::TestAppBuilder::replace) the place of the service.
#[macro_export]
macro_rules! rpc_client {
    ($($options:tt)*) => {
        $crate::__rpc_client! { [] [] [] [] [] [] $($options)* }
    };
}

/// Sorts the options of [`rpc_client!`] into places of their own.
#[doc(hidden)]
#[macro_export]
macro_rules! __rpc_client {
    // The comma after the last option.
    ($id:tt $name:tt $client:tt $calls:tt $critical:tt $doc:tt ,) => {
        $crate::__rpc_client! { $id $name $client $calls $critical $doc }
    };
    ([] $name:tt $client:tt $calls:tt $critical:tt $doc:tt id: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__rpc_client! { [$value] $name $client $calls $critical $doc $($($rest)*)? }
    };
    ($id:tt [] $client:tt $calls:tt $critical:tt $doc:tt name: $value:literal $(, $($rest:tt)*)?) => {
        $crate::__rpc_client! { $id [$value] $client $calls $critical $doc $($($rest)*)? }
    };
    ($id:tt $name:tt [] $calls:tt $critical:tt $doc:tt client: $value:ty $(, $($rest:tt)*)?) => {
        $crate::__rpc_client! { $id $name [$value] $calls $critical $doc $($($rest)*)? }
    };
    ($id:tt $name:tt $client:tt [] $critical:tt $doc:tt calls: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__rpc_client! { $id $name $client [$value] $critical $doc $($($rest)*)? }
    };
    ($id:tt $name:tt $client:tt $calls:tt [] $doc:tt critical: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__rpc_client! { $id $name $client $calls [$value] $doc $($($rest)*)? }
    };
    ($id:tt $name:tt $client:tt $calls:tt $critical:tt [] doc: $value:literal $(, $($rest:tt)*)?) => {
        $crate::__rpc_client! { $id $name $client $calls $critical [$value] $($($rest)*)? }
    };
    ([$id:expr] [$name:literal] [$client:ty] $calls:tt $critical:tt []) => {
        $crate::__rpc_client! {
            [$id] [$name] [$client] $calls $critical ["The server that is called, and the certificate of this client."]
        }
    };
    // All options are in their places.
    ([$id:expr] [$name:literal] [$client:ty] [$($calls:expr)?] [$($critical:expr)?] [$doc:literal]) => {
        impl $crate::__private::app_core::Exposed for $client {
            const SERVICE: $crate::__private::app_core::prelude::ServiceId = $id;
        }
        $crate::__private::inventory::submit! {
            $crate::__private::app_core::ServiceDescriptor::of_checked(
                $id,
                $name,
                || $crate::__private::checked_client::<{ $id.as_u64() }, $client, _>(
                    $crate::LinkedClient::of($id)$(.calls($calls))?$(.critical($critical))?,
                ),
                $crate::__private::app_core::__origin!(),
            )
        }
        $crate::__private::inventory::submit! {
            $crate::__private::app_core::__private::IdName::new(
                $crate::__private::app_core::__private::IdKind::Service,
                $id.as_u64(),
                $name,
            )
        }
        $crate::__private::inventory::submit! {
            $crate::__private::app_core::__private::IdName::new(
                $crate::__private::app_core::__private::IdKind::HealthCheck,
                $crate::LinkedClient::of($id).health_check().as_u64(),
                ::core::concat!($name, "_connected"),
            )
        }
        $crate::__private::inventory::submit! {
            $crate::LinkedClient::of($id)$(.calls($calls))?$(.critical($critical))?
        }
        $crate::__private::app_config::config! { $crate::ClientConfig<{ $id.as_u64() }>, $doc }
    };
    ([] $name:tt $client:tt $calls:tt $critical:tt $doc:tt) => {
        ::core::compile_error! { "rpc_client!: the option `id` is missing; add `id: ServiceId::new(..)`" }
    };
    ($id:tt [] $client:tt $calls:tt $critical:tt $doc:tt) => {
        ::core::compile_error! { "rpc_client!: the option `name` is missing; add `name: \"..\"`" }
    };
    ($id:tt $name:tt [] $calls:tt $critical:tt $doc:tt) => {
        ::core::compile_error! {
            "rpc_client!: the option `client` is missing; add `client: ..`, a type with `From<RpcClient<INTERFACE::Client>>`"
        }
    };
    ($id:tt $name:tt $client:tt $calls:tt $critical:tt $doc:tt $option:ident : $($rest:tt)*) => {
        $crate::__rpc_client_option! { $option }
    };
    ($id:tt $name:tt $client:tt $calls:tt $critical:tt $doc:tt $($rest:tt)*) => {
        ::core::compile_error! {
            "rpc_client!: expected `option: value`, with a comma between options; the options are `id`, `name`, `client`, `calls`, `critical` and `doc`"
        }
    };
}

/// Says why [`rpc_client!`] refuses an option.
#[doc(hidden)]
#[macro_export]
macro_rules! __rpc_client_option {
    (id) => { ::core::compile_error! { "rpc_client!: the option `id` is given twice, or its value is no expression" } };
    (name) => { ::core::compile_error! { "rpc_client!: the option `name` is given twice, or its value is no string literal" } };
    (client) => { ::core::compile_error! { "rpc_client!: the option `client` is given twice, or its value is no type" } };
    (calls) => { ::core::compile_error! { "rpc_client!: the option `calls` is given twice" } };
    (critical) => { ::core::compile_error! { "rpc_client!: the option `critical` is given twice" } };
    (doc) => { ::core::compile_error! { "rpc_client!: the option `doc` is given twice, or its value is no string literal" } };
    ($unknown:ident) => {
        ::core::compile_error! {
            ::core::concat!(
                "rpc_client!: the option `",
                ::core::stringify!($unknown),
                "` is unknown; the options are `id`, `name`, `client`, `calls`, `critical` and `doc`",
            )
        }
    };
}
