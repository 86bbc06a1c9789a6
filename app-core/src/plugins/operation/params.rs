//! The parameters of an operation's function.

use std::sync::Arc;

use app_errors::Error;
use app_ids::ServiceId;
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    Planned, StartContext,
    operations::{Args, Caller, Job, JobOf, of_arguments, wipe},
    plugins::Param,
};

/// What an operation is called with; parameters take their values from it.
#[derive(Debug)]
pub struct OperationContext {
    start: StartContext,
    arguments: Value,
    /// Whether the arguments have secrets.
    wipes: bool,
    caller: Caller,
    job: Option<Arc<JobOf>>,
}

impl Drop for OperationContext {
    fn drop(&mut self) {
        if self.wipes {
            wipe(&mut self.arguments);
        }
    }
}

impl OperationContext {
    pub(crate) fn new(
        start: StartContext,
        arguments: Value,
        wipes: bool,
        caller: Caller,
        job: Option<Arc<JobOf>>,
    ) -> Self {
        Self { start, arguments, wipes, caller, job }
    }
}

/// A parameter of an operation's function: a [`Param`] of start functions, [`Args<T>`], [`Caller`] or [`Job`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of an operation",
    label = "the function of the operation has a parameter of type `{Self}`",
    note = "parameters are those of start functions (`Service`, `App`, `Dep<T>` and so on), `Args<T>` of a type that is `Deserialize` and `JsonSchema`, `Caller` and `Job`"
)]
pub trait OperationParam: Sized + Send {
    /// The services that must run before this parameter can be taken.
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    /// Finds what is wrong with the parameter before any service starts.
    ///
    /// # Errors
    /// What [`take`](Self::take) would refuse whatever happens until then.
    fn check(_planned: &Planned<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// The schema of the arguments, and a check of them: of [`Args<T>`] alone.
    #[doc(hidden)]
    #[must_use]
    fn arguments() -> Option<ArgumentsOf> {
        None
    }

    /// Whether this is the [`Job`].
    #[doc(hidden)]
    #[must_use]
    fn is_job() -> bool {
        false
    }

    /// Takes the value.
    ///
    /// # Errors
    /// Whatever stands in the way; it is the answer of the call.
    fn take(context: &OperationContext) -> Result<Self, Error>;
}

/// What is known of the type of arguments.
#[doc(hidden)]
#[derive(Clone, Copy)]
pub struct ArgumentsOf {
    pub(crate) schema: fn() -> Value,
    pub(crate) check: fn(&Value) -> Result<(), Mistake>,
}

/// What is wrong with arguments.
#[derive(Debug)]
pub(crate) struct Mistake {
    /// Where, from the arguments on. Empty for the arguments as a whole.
    pub(crate) path: String,
    /// What serde says. It may quote a value.
    pub(crate) message: String,
}

impl<P: Param> OperationParam for P {
    fn needs() -> Vec<ServiceId> {
        <P as Param>::needs()
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        <P as Param>::check(planned)
    }

    fn take(context: &OperationContext) -> Result<Self, Error> {
        <P as Param>::take(&context.start)
    }
}

impl<T: DeserializeOwned + JsonSchema + Send> OperationParam for Args<T> {
    fn arguments() -> Option<ArgumentsOf> {
        Some(ArgumentsOf { schema: of_arguments::<T>, check: |value| read::<T>(value).map(drop) })
    }

    fn take(context: &OperationContext) -> Result<Self, Error> {
        read(&context.arguments).map(Self::new).map_err(|mistake| {
            // The arguments were checked before, so this is a type that reads the same twice in different ways.
            app_errors::illegal_argument_error(format!("arguments{}: cannot be read", mistake.path))
        })
    }
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Mistake> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let path = match path.as_str() {
            "." | "" => String::new(),
            at if at.starts_with('[') => path,
            _ => format!(".{path}"),
        };
        Mistake { path, message: error.into_inner().to_string() }
    })
}

impl OperationParam for Caller {
    fn take(context: &OperationContext) -> Result<Self, Error> {
        Ok(context.caller.clone())
    }
}

impl OperationParam for Job {
    fn is_job() -> bool {
        true
    }

    fn take(context: &OperationContext) -> Result<Self, Error> {
        context.job.clone().map(Self::new).ok_or_else(|| {
            app_errors::illegal_argument_error("the operation takes a `Job`, and does not say `job: true`")
        })
    }
}

/// The values that an operation's function is called with: a tuple of up to twelve [`OperationParam`]s.
pub trait OperationParams: Sized + Send {
    /// The services that the parameters need.
    fn needs() -> Vec<ServiceId>;

    /// What the parameters find wrong before any service starts.
    fn check(planned: &Planned<'_>) -> Vec<Error>;

    /// The types of all [`Args`].
    #[doc(hidden)]
    fn arguments() -> Vec<ArgumentsOf>;

    /// Whether one is the [`Job`].
    #[doc(hidden)]
    fn takes_job() -> bool;

    /// Takes the values.
    ///
    /// # Errors
    /// The first error of a parameter.
    fn take(context: &OperationContext) -> Result<Self, Error>;
}

macro_rules! operation_params {
    ($($param:ident)*) => {
        impl<$($param: OperationParam,)*> OperationParams for ($($param,)*) {
            fn needs() -> Vec<ServiceId> {
                let needs: Vec<Vec<ServiceId>> = vec![$($param::needs()),*];
                needs.concat()
            }

            fn check(planned: &Planned<'_>) -> Vec<Error> {
                let _ = planned;
                let results: Vec<Result<(), Error>> = vec![$($param::check(planned)),*];
                results.into_iter().filter_map(Result::err).collect()
            }

            fn arguments() -> Vec<ArgumentsOf> {
                let all: Vec<Option<ArgumentsOf>> = vec![$($param::arguments()),*];
                all.into_iter().flatten().collect()
            }

            fn takes_job() -> bool {
                false $(|| $param::is_job())*
            }

            fn take(context: &OperationContext) -> Result<Self, Error> {
                let _ = context;
                Ok(($($param::take(context)?,)*))
            }
        }
    };
}

operation_params! {}
operation_params! { P1 }
operation_params! { P1 P2 }
operation_params! { P1 P2 P3 }
operation_params! { P1 P2 P3 P4 }
operation_params! { P1 P2 P3 P4 P5 }
operation_params! { P1 P2 P3 P4 P5 P6 }
operation_params! { P1 P2 P3 P4 P5 P6 P7 }
operation_params! { P1 P2 P3 P4 P5 P6 P7 P8 }
operation_params! { P1 P2 P3 P4 P5 P6 P7 P8 P9 }
operation_params! { P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 }
operation_params! { P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 }
operation_params! { P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 }
