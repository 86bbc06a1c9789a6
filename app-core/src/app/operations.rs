//! The operations of an app: what an operator may ask of its services.

use std::sync::Arc;

use app_errors::Error;
use app_ids::ServiceId;
use serde_json::Value;

use super::App;
use crate::operations::{OperationCall, OperationInfo, OperationSchemas};

impl App {
    /// The operations of the app and its services, sorted by service and name. A service that is down is listed too.
    ///
    /// ```
    /// # use app_core::testing::TestApp;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # let app = TestApp::empty().await;
    /// assert!(app.operations().iter().any(|operation| (operation.service_name.as_str(), operation.name) == ("app", "jobs")));
    /// # }
    /// ```
    #[must_use]
    pub fn operations(&self) -> Vec<OperationInfo> {
        self.host().lifecycle.operator().list(self.host())
    }

    /// One of the operations.
    ///
    /// # Errors
    /// `IllegalArgument` when there is no such service or operation. The message names those that are there.
    pub fn operation_info(&self, service: ServiceId, name: &str) -> Result<OperationInfo, Error> {
        self.host().lifecycle.operator().find(self.host(), service, name)
    }

    /// An operation, with the JSON Schemas of its arguments and its result.
    ///
    /// ```
    /// # use app_core::{APP_SERVICE, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// let job = app.describe_operation(APP_SERVICE, "job")?;
    /// assert_eq!(job.arguments["properties"]["id"]["type"], "string");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`operation_info`](Self::operation_info).
    pub fn describe_operation(&self, service: ServiceId, name: &str) -> Result<OperationSchemas, Error> {
        self.host().lifecycle.operator().describe(self.host(), service, name)
    }

    /// The arguments of an operation as a record may show them: without secrets, and without fields that it does not have.
    ///
    /// # Errors
    /// As [`operation_info`](Self::operation_info).
    pub fn show_arguments(&self, service: ServiceId, name: &str, arguments: &Value) -> Result<Value, Error> {
        self.host().lifecycle.operator().show(self.host(), service, name, arguments)
    }

    /// Finds what is wrong with a call of an operation, and runs nothing.
    ///
    /// # Errors
    /// As [`call_operation`](Self::call_operation), but for what only a run can find.
    pub fn check_operation(&self, call: &OperationCall) -> Result<(), Error> {
        self.host().lifecycle.operator().check(self.host(), call)
    }

    /// Calls an operation, as a task of its service. Returns the result, or the id of a job as `{"job": "0x.."}`.
    ///
    /// Dropping the future cancels the call. See [`operations`](crate::operations) for what a call may count on.
    ///
    /// # Errors
    /// - `IllegalArgument`: there is no such operation, an argument is wrong (with its path), the role is too low, or the
    ///   reason or the confirmation is missing.
    /// - `ServiceNotAvailable`: the service does not run, with its state and the reason. Or too many operations run.
    /// - `ServiceNotAlive`: the service was stopped during the call.
    /// - `Bug`: the function panicked, or its result is longer than [`MAX_BYTES`](crate::operations::MAX_BYTES).
    /// - The error of the function itself.
    pub async fn call_operation(&self, call: OperationCall) -> Result<Value, Error> {
        let json = self.call_operation_text(call).await?;
        serde_json::from_str(&json).map_err(|error| {
            app_errors::new_bug(Some(error.into()), "the result is no JSON", ServiceId::new(0), None, &[])
        })
    }

    /// As [`call_operation`](Self::call_operation), with the result as the text of JSON.
    ///
    /// # Errors
    /// As [`call_operation`](Self::call_operation).
    pub async fn call_operation_text(&self, call: OperationCall) -> Result<Arc<str>, Error> {
        self.host().lifecycle.operator().call(Arc::clone(self.host()), call).await
    }
}
