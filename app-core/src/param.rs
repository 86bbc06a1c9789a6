//! Dependencies as function parameters: what a start function may ask for, and how its parameters become edges.

use std::{
    any::Any,
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use app_errors::Error;
use app_ids::ServiceId;
use futures_util::future::BoxFuture;
use slog::Logger;

use crate::{App, HandleType, Planned, Service, StartFuture};

/// A handle type that a service exposes to its dependents.
///
/// Each incarnation of the service makes one. Once its service was killed, calls on it are to answer `ServiceNotAlive`.
pub trait Exposed: Send + Sync + 'static {
    /// The service whose start function returns this type.
    const SERVICE: ServiceId;
}

/// What a start function is called with; parameters take their values from it.
#[derive(Debug, Clone)]
pub struct StartContext {
    service: Service,
    history: StartHistory,
    second_try: Arc<AtomicBool>,
}

/// What the supervisor knows of the starts before.
#[derive(Debug, Clone, Default)]
pub(crate) struct StartHistory {
    /// Whether the incarnation before ran.
    pub(crate) ran: bool,
    /// Why the start before failed, where this one is the second try.
    pub(crate) failure: Option<Error>,
}

impl StartContext {
    pub(crate) fn new(service: Service, history: StartHistory) -> Self {
        Self { service, history, second_try: Arc::default() }
    }

    /// The service that is being started.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The app that it is started in.
    #[must_use]
    pub fn app(&self) -> &App {
        self.service.app()
    }

    /// Whether the incarnation before this one ran: its start function succeeded.
    #[must_use]
    pub fn ran_before(&self) -> bool {
        self.history.ran
    }

    /// Why the start just before this one failed, where this one is the second try that a parameter asked for.
    #[must_use]
    pub fn retries(&self) -> Option<&Error> {
        self.history.failure.as_ref()
    }

    /// Asks for a second try, in case this start fails. A parameter does so when it has another value to give then, such
    /// as the config that the service last ran on.
    ///
    /// The second try follows at once and is not counted, whatever the restart policy says. The first start of the app
    /// has none.
    pub fn ask_for_second_try(&self) {
        self.second_try.store(true, Ordering::Relaxed);
    }

    pub(crate) fn wants_second_try(&self) -> bool {
        self.second_try.load(Ordering::Relaxed)
    }

    /// The handle of a service that runs.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when the service does not run, or exposes another type.
    pub fn handle<T: Exposed>(&self) -> Result<Arc<T>, Error> {
        self.app().get::<T>()
    }
}

/// A parameter of a start function.
///
/// A crate implements it for what its service has to offer: `Configured<C>` is a parameter of app-config's.
pub trait Param: Sized + Send {
    /// The services that must run before this parameter can be taken.
    fn needs() -> Vec<ServiceId>;

    /// Finds what is wrong with the parameter before any service starts; a start and `--check` ask the same.
    ///
    /// # Errors
    /// What [`take`](Self::take) would refuse whatever happens until then.
    fn check(_planned: &Planned<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// Takes the value.
    ///
    /// # Errors
    /// Whatever stands in the way; the service then fails to start with this error.
    fn take(context: &StartContext) -> Result<Self, Error>;
}

/// The handle of a service that this one depends on.
///
/// It is that of the incarnation that ran when this service was started. When that dies, this service is stopped too, and
/// if it is started again it gets the handle of the new one. In between, and for whoever kept it longer, calls on the
/// handle answer `ServiceNotAlive`: that of a command server does by itself, others ask
/// [`Service::ensure_alive`](crate::Service::ensure_alive).
pub struct Dep<T>(Arc<T>);

impl<T> Deref for Dep<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Dep<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Dep<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T> Dep<T> {
    /// The shared handle itself.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: Exposed> Param for Dep<T> {
    fn needs() -> Vec<ServiceId> {
        vec![T::SERVICE]
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        planned.expect_handle::<T>()
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        context.handle().map(Dep)
    }
}

impl Param for Service {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        Ok(context.service.clone())
    }
}

impl Param for App {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        Ok(context.app().clone())
    }
}

impl Param for Logger {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        Ok(context.service.log().clone())
    }
}

/// A start function: any `async fn(P1, .. Pn) -> Result<H, Error>` of up to twelve [`Param`]s.
pub trait Start<Args>: Send + Sync + 'static {
    /// The services that the parameters need.
    fn needs(&self) -> Vec<ServiceId>;

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

fn shared<H: Send + Sync + 'static>(handle: H) -> Arc<dyn Any + Send + Sync> {
    Arc::new(handle)
}

fn refused(error: Error) -> StartFuture {
    let refused: BoxFuture<'static, _> = Box::pin(std::future::ready(Err(error)));
    refused
}

macro_rules! start_functions {
    ($($param:ident)*) => {
        impl<Function, Running, Handle, $($param,)*> Start<($($param,)*)> for Function
        where
            Function: Fn($($param),*) -> Running + Send + Sync + 'static,
            Running: Future<Output = Result<Handle, Error>> + Send + 'static,
            Handle: Send + Sync + 'static,
            $($param: Param,)*
        {
            fn needs(&self) -> Vec<ServiceId> {
                #[allow(unused_mut, reason = "a function without parameters needs nothing")]
                let mut needs = Vec::new();
                $(needs.extend($param::needs());)*
                needs
            }

            fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
                let _ = planned;
                let results: Vec<Result<(), Error>> = vec![$($param::check(planned)),*];
                results.into_iter().filter_map(Result::err).collect()
            }

            fn handle(&self) -> Option<HandleType> {
                Some(HandleType::of::<Handle>())
            }

            fn start(&self, context: StartContext) -> StartFuture {
                let _ = &context;
                #[allow(non_snake_case, reason = "a parameter is named as its type")]
                let running = {
                    $(let $param = match $param::take(&context) {
                        Ok(value) => value,
                        Err(error) => return refused(error),
                    };)*
                    self($($param),*)
                };
                Box::pin(async move { running.await.map(shared) })
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
