//! The names of methods, for metrics and logs. Generated code has only numbers.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

/// A method: the id of its interface, and its ordinal.
type MethodIds = (u64, u16);

/// The methods of interfaces: the id of the interface, its name, the ordinal of the method and its name. `app-build` and
/// `appctl schema` generate such a table from schemas, such as `schema::METHODS`. [`rpc_methods!`](crate::rpc_methods) registers it.
pub struct MethodNames(pub &'static [(u64, &'static str, u16, &'static str)]);

inventory::collect!(MethodNames);

crate::rpc_methods! { schema::METHODS }

/// Registers the names of methods for metrics and logs. A method that no table has is shown as `0x{interface id}.{ordinal}`.
///
/// ```
/// // Generated: id of the interface, its name, ordinal of the method, its name.
/// static METHODS: &[(u64, &str, u16, &str)] = &[(0xb1d3_02a9_7c55_e011, "Greeter", 0, "greet")];
///
/// app_rpc::rpc_methods! { METHODS }
///
/// assert_eq!(app_rpc::method_name(0xb1d3_02a9_7c55_e011, 0), "Greeter.greet");
/// assert_eq!(app_rpc::method_name(0xb1d3_02a9_7c55_e011, 1), "0xb1d302a97c55e011.1");
/// ```
#[macro_export]
macro_rules! rpc_methods {
    ($table:expr) => {
        $crate::__private::inventory::submit! { $crate::MethodNames($table) }
    };
}

/// All names that are registered.
static NAMES: LazyLock<HashMap<MethodIds, String>> = LazyLock::new(|| {
    let rows = inventory::iter::<MethodNames>.into_iter().flat_map(|names| names.0);
    rows.map(|(id, interface, ordinal, method)| ((*id, *ordinal), format!("{interface}.{method}"))).collect()
});

/// The names of spans, as OpenTelemetry's conventions ask.
static SPAN_NAMES: LazyLock<HashMap<MethodIds, String>> =
    LazyLock::new(|| NAMES.iter().map(|(method, name)| (*method, name.replacen('.', "/", 1))).collect());

/// Shows the name of a call's span: `Interface/method`, or `0x{interface id}/{ordinal}` if none is registered.
///
/// The name is looked up when it is shown, which only sampled spans do.
pub(crate) struct SpanName(pub(crate) MethodIds);

impl fmt::Display for SpanName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match SPAN_NAMES.get(&self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}/{}", self.0.0, self.0.1),
        }
    }
}

/// The name of a method: `Interface.method`, or `0x{interface id}.{ordinal}` if none is registered.
#[must_use]
pub fn method_name(interface: u64, ordinal: u16) -> String {
    let name = NAMES.get(&(interface, ordinal)).cloned();
    name.unwrap_or_else(|| format!("{interface:#x}.{ordinal}"))
}
