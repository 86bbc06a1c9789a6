//! Start functions: the types that they may have, and the messages of the compiler for types that they may not have.

use std::{any::Any, marker::PhantomData, sync::Arc};

use app_errors::Error;
use app_ids::ServiceId;

use super::{Param, StartContext};
use crate::{HandleType, Planned, StartFuture};

/// The values that a start function is called with: a tuple of up to twelve [`Param`]s.
pub trait Params: Sized + Send {
    /// The services that the parameters need.
    fn needs() -> Vec<ServiceId>;

    /// The services that the parameters would like to start first.
    fn wants() -> Vec<ServiceId>;

    /// What the parameters find wrong before any service starts.
    fn check(planned: &Planned<'_>) -> Vec<Error>;

    /// Takes the values.
    ///
    /// # Errors
    /// The first error of a parameter.
    fn take(context: &StartContext) -> Result<Self, Error>;
}

/// What a descriptor starts: any `async fn(P1, .. Pn) -> Result<H, Error>` of up to twelve [`Param`]s, or a type that wraps one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a start function",
    label = "expected `async fn(P1, .. Pn) -> Result<H, Error>` with at most twelve parameters"
)]
pub trait Start<P>: Send + Sync + 'static {
    /// The services that the parameters need.
    fn needs(&self) -> Vec<ServiceId>;

    /// The services that start first if they are linked.
    fn wants(&self) -> Vec<ServiceId> {
        Vec::new()
    }

    /// What the parameters find wrong before any service starts.
    fn check(&self, _planned: &Planned<'_>) -> Vec<Error> {
        Vec::new()
    }

    /// The type of the handle that the function returns, if it is known.
    fn handle(&self) -> Option<HandleType> {
        None
    }

    /// Takes the parameters and calls the function.
    fn start(&self, context: StartContext) -> StartFuture;
}

/// A function with the parameters `P`, a tuple. [`Params`] says which parameters a start function may have, and
/// [`StartOutput`] what it may return. So each mistake is an error of the compiler about that very part.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a start function",
    label = "expected `async fn(P1, .. Pn) -> Result<H, Error>` with at most twelve parameters"
)]
pub trait Signature<P>: Send + Sync + 'static {
    /// What the function returns: a future.
    type Running;

    /// Calls the function.
    fn call(&self, parameters: P) -> Self::Running;
}

/// What a start function comes to: `Result<H, Error>` with a handle `H`.
#[diagnostic::on_unimplemented(
    message = "a start function cannot return `{Self}`",
    label = "expected a start function that returns `Result<H, app_core::prelude::Error>`",
    note = "`H` is the handle that dependents get: `()`, or a type that is `Send + Sync + 'static`",
    note = "`?` turns another error into `Error` after `.context(\"what was tried\")`, with `app_core::prelude::*` imported"
)]
pub trait StartOutput: Send + 'static {
    /// The type of the handle.
    type Handle: Send + Sync + 'static;

    /// The result.
    ///
    /// # Errors
    /// Why the service did not start.
    fn into_result(self) -> Result<Self::Handle, Error>;
}

impl<H: Send + Sync + 'static> StartOutput for Result<H, Error> {
    type Handle = H;

    fn into_result(self) -> Self {
        self
    }
}

/// A function that the compiler has checked as a start function.
#[doc(hidden)]
pub struct CheckedStart(Box<dyn Checked>);

/// For [`service!`](crate::service): each bound is an error of its own, so the compiler names the part that is wrong.
#[doc(hidden)]
pub fn checked_start<F, P>(function: F) -> CheckedStart
where
    F: Signature<P>,
    P: Params + 'static,
    F::Running: Future + Send + 'static,
    <F::Running as Future>::Output: StartOutput,
{
    CheckedStart(Box::new(TypedStart::<F, P>(function, PhantomData)))
}

impl CheckedStart {
    #[must_use]
    pub fn needs(&self) -> Vec<ServiceId> {
        self.0.needs()
    }

    #[must_use]
    pub fn wants(&self) -> Vec<ServiceId> {
        self.0.wants()
    }

    #[must_use]
    pub fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        self.0.check(planned)
    }

    #[must_use]
    pub fn handle(&self) -> Option<HandleType> {
        self.0.handle()
    }

    #[must_use]
    pub fn start(&self, context: StartContext) -> StartFuture {
        self.0.start(context)
    }
}

/// A start function, without the types of its parameters.
trait Checked {
    fn needs(&self) -> Vec<ServiceId>;
    fn wants(&self) -> Vec<ServiceId>;
    fn check(&self, planned: &Planned<'_>) -> Vec<Error>;
    fn handle(&self) -> Option<HandleType>;
    fn start(&self, context: StartContext) -> StartFuture;
}

struct TypedStart<F, P>(F, PhantomData<fn() -> P>);

impl<F, P> Checked for TypedStart<F, P>
where
    F: Signature<P>,
    P: Params,
    F::Running: Future + Send + 'static,
    <F::Running as Future>::Output: StartOutput,
{
    fn needs(&self) -> Vec<ServiceId> {
        P::needs()
    }

    fn wants(&self) -> Vec<ServiceId> {
        P::wants()
    }

    fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        P::check(planned)
    }

    fn handle(&self) -> Option<HandleType> {
        Some(handle_of::<<F::Running as Future>::Output>())
    }

    fn start(&self, context: StartContext) -> StartFuture {
        call(&self.0, &context)
    }
}

fn handle_of<O: StartOutput>() -> HandleType {
    HandleType::of::<O::Handle>()
}

/// Takes the parameters and calls the function.
fn call<F, P>(function: &F, context: &StartContext) -> StartFuture
where
    F: Signature<P>,
    P: Params,
    F::Running: Future + Send + 'static,
    <F::Running as Future>::Output: StartOutput,
{
    match P::take(context) {
        Ok(parameters) => {
            let running = function.call(parameters);
            Box::pin(async move { running.await.into_result().map(shared) })
        }
        Err(error) => Box::pin(std::future::ready(Err(error))),
    }
}

fn shared<H: Send + Sync + 'static>(handle: H) -> Arc<dyn Any + Send + Sync> {
    Arc::new(handle)
}

macro_rules! start_functions {
    ($($param:ident)*) => {
        impl<Function, Running, $($param,)*> Signature<($($param,)*)> for Function
        where
            Function: Fn($($param),*) -> Running + Send + Sync + 'static,
        {
            type Running = Running;

            #[allow(non_snake_case, reason = "a parameter is named as its type")]
            fn call(&self, ($($param,)*): ($($param,)*)) -> Running {
                self($($param),*)
            }
        }

        impl<Function, Running, $($param,)*> Start<($($param,)*)> for Function
        where
            Function: Fn($($param),*) -> Running + Send + Sync + 'static,
            Running: Future + Send + 'static,
            Running::Output: StartOutput,
            $($param: Param,)*
        {
            fn needs(&self) -> Vec<ServiceId> {
                <($($param,)*)>::needs()
            }

            fn wants(&self) -> Vec<ServiceId> {
                <($($param,)*)>::wants()
            }

            fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
                <($($param,)*)>::check(planned)
            }

            fn handle(&self) -> Option<HandleType> {
                Some(handle_of::<Running::Output>())
            }

            fn start(&self, context: StartContext) -> StartFuture {
                call(self, &context)
            }
        }

        impl<$($param: Param,)*> Params for ($($param,)*) {
            fn needs() -> Vec<ServiceId> {
                let needs: Vec<Vec<ServiceId>> = vec![$($param::needs()),*];
                needs.concat()
            }

            fn wants() -> Vec<ServiceId> {
                let wants: Vec<Vec<ServiceId>> = vec![$($param::wants()),*];
                wants.concat()
            }

            fn check(planned: &Planned<'_>) -> Vec<Error> {
                let _ = planned;
                let results: Vec<Result<(), Error>> = vec![$($param::check(planned)),*];
                results.into_iter().filter_map(Result::err).collect()
            }

            fn take(context: &StartContext) -> Result<Self, Error> {
                let _ = context;
                Ok(($($param::take(context)?,)*))
            }
        }
    };
}

start_functions! {}
start_functions! { P1 }
start_functions! { P1 P2 }
start_functions! { P1 P2 P3 }
start_functions! { P1 P2 P3 P4 }
start_functions! { P1 P2 P3 P4 P5 }
start_functions! { P1 P2 P3 P4 P5 P6 }
start_functions! { P1 P2 P3 P4 P5 P6 P7 }
start_functions! { P1 P2 P3 P4 P5 P6 P7 P8 }
start_functions! { P1 P2 P3 P4 P5 P6 P7 P8 P9 }
start_functions! { P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 }
start_functions! { P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 }
start_functions! { P1 P2 P3 P4 P5 P6 P7 P8 P9 P10 P11 P12 }
