//! What an app needs to know of operations. The host knows no functions of services, so a value behind this trait does.

use std::sync::Arc;

use app_errors::Error;
use app_ids::ServiceId;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Host;
use crate::operations::{OperationAnswer, OperationCall, OperationInfo, OperationSchemas};

/// Knows the operations of an app, and calls them.
pub(crate) trait Operator: Send + Sync {
    /// All operations, sorted by service and name.
    fn list(&self, host: &Arc<Host>) -> Vec<OperationInfo>;

    /// One of the operations.
    fn find(&self, host: &Arc<Host>, service: ServiceId, name: &str) -> Result<OperationInfo, Error>;

    /// An operation with its schemas.
    fn describe(&self, host: &Arc<Host>, service: ServiceId, name: &str) -> Result<OperationSchemas, Error>;

    /// The arguments of an operation as a record may show them.
    fn show(
        &self,
        host: &Arc<Host>,
        service: ServiceId,
        name: &str,
        arguments: &Value,
    ) -> Result<Value, Error>;

    /// Finds what is wrong with a call, and runs nothing.
    fn check(&self, host: &Arc<Host>, call: &OperationCall) -> Result<(), Error>;

    /// Makes a call.
    fn call(&self, host: Arc<Host>, call: OperationCall) -> BoxFuture<'static, OperationAnswer>;
}
