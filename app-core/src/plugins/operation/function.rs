//! The functions of operations: the types that they may have.

use std::marker::PhantomData;

use app_errors::{Error, errors};
use app_ids::ServiceId;
use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::params::{ArgumentsOf, OperationContext, OperationParams};
use crate::{
    Planned,
    operations::{MAX_BYTES, OperationAnswer, of_result, print},
    plugins::Signature,
};

/// What the function of an operation comes to: `Result<R, Error>` with a result `R`.
#[diagnostic::on_unimplemented(
    message = "the function of an operation cannot return `{Self}`",
    label = "expected a function that returns `Result<R, app_core::prelude::Error>`",
    note = "`R` is the result: a type that is `serde::Serialize`, `schemars::JsonSchema` and `Send`, such as `()` or a struct that derives them",
    note = "`?` turns another error into `Error` after `.context(\"what was tried\")`, with `app_core::prelude::*` imported"
)]
pub trait OperationOutput: Send + 'static {
    /// The type of the result.
    type Result: Serialize + JsonSchema + Send + 'static;

    /// The result.
    ///
    /// # Errors
    /// Why there is none.
    fn into_result(self) -> Result<Self::Result, Error>;
}

impl<R: Serialize + JsonSchema + Send + 'static> OperationOutput for Result<R, Error> {
    type Result = R;

    fn into_result(self) -> Self {
        self
    }
}

/// A function that the compiler has checked as the function of an operation.
pub struct CheckedOperation(Box<dyn AnyOperation>);

/// For [`operation!`](crate::operation): each bound is an error of its own, so the compiler names the part that is wrong.
#[doc(hidden)]
pub fn checked_operation<F, P>(function: F) -> CheckedOperation
where
    F: Signature<P>,
    P: OperationParams + 'static,
    F::Running: Future + Send + 'static,
    <F::Running as Future>::Output: OperationOutput,
{
    CheckedOperation(Box::new(TypedOperation::<F, P>(function, PhantomData)))
}

impl CheckedOperation {
    pub(crate) fn needs(&self) -> Vec<ServiceId> {
        self.0.needs()
    }

    pub(crate) fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        self.0.check(planned)
    }

    /// The types of all its [`Args`](crate::operations::Args). More than one is a mistake.
    pub(crate) fn arguments(&self) -> Vec<ArgumentsOf> {
        self.0.arguments()
    }

    pub(crate) fn arguments_schema(&self) -> Option<Value> {
        self.arguments().first().map(|arguments| (arguments.schema)())
    }

    pub(crate) fn takes_job(&self) -> bool {
        self.0.takes_job()
    }

    pub(crate) fn result_schema(&self) -> Value {
        self.0.result_schema()
    }

    /// Takes the parameters, calls the function and prints its result.
    pub(crate) fn run(self, context: OperationContext) -> BoxFuture<'static, OperationAnswer> {
        self.0.run(context)
    }
}

/// A function, without the types of its parameters.
trait AnyOperation {
    fn needs(&self) -> Vec<ServiceId>;
    fn check(&self, planned: &Planned<'_>) -> Vec<Error>;
    fn arguments(&self) -> Vec<ArgumentsOf>;
    fn takes_job(&self) -> bool;
    fn result_schema(&self) -> Value;
    fn run(&self, context: OperationContext) -> BoxFuture<'static, OperationAnswer>;
}

struct TypedOperation<F, P>(F, PhantomData<fn() -> P>);

impl<F, P> AnyOperation for TypedOperation<F, P>
where
    F: Signature<P>,
    P: OperationParams,
    F::Running: Future + Send + 'static,
    <F::Running as Future>::Output: OperationOutput,
{
    fn needs(&self) -> Vec<ServiceId> {
        P::needs()
    }

    fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        P::check(planned)
    }

    fn arguments(&self) -> Vec<ArgumentsOf> {
        P::arguments()
    }

    fn takes_job(&self) -> bool {
        P::takes_job()
    }

    fn result_schema(&self) -> Value {
        of_result::<<<F::Running as Future>::Output as OperationOutput>::Result>()
    }

    fn run(&self, context: OperationContext) -> BoxFuture<'static, OperationAnswer> {
        let running = P::take(&context).map(|parameters| self.0.call(parameters));
        Box::pin(async move { printed(&running?.await.into_result()?) })
    }
}

fn printed<R: Serialize>(result: &R) -> OperationAnswer {
    match print(result, MAX_BYTES) {
        Ok(Some(json)) => Ok(json.into()),
        Ok(None) => {
            let long = format!(
                "its result has more than {MAX_BYTES} bytes of JSON; the operation has to answer in pages"
            );
            Err(bug(long))
        }
        Err(error) => Err(bug(format!("its result is no JSON: {error}"))),
    }
}

fn bug(message: String) -> Error {
    errors::BUG.error(ServiceId::new(0)).message(message).build()
}
