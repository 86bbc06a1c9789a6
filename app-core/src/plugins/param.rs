//! Dependencies as function parameters: what a start function may ask for, and how its parameters become edges.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use app_errors::Error;
use app_ids::ServiceId;
use slog::Logger;

use crate::{App, Exposed, Planned, Service};

mod flag;
mod provided;
mod start_function;

pub use self::{
    flag::Flag,
    provided::Provided,
    start_function::{CheckedStart, Params, Signature, Start, StartOutput, checked_start},
};

/// What a start function is called with; parameters take their values from it.
#[derive(Debug, Clone)]
pub struct StartContext {
    app: App,
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
        Self { app: App::of(&service), service, history, second_try: Arc::default() }
    }

    /// The service that is being started.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The app that it is started in.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
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

    /// The handle of this running service, where several services expose handles of one type.
    ///
    /// # Errors
    /// As [`handle`](Self::handle).
    pub fn handle_of<T: Exposed>(&self, service: ServiceId) -> Result<Arc<T>, Error> {
        self.app().get_of::<T>(service)
    }
}

/// A parameter of a start function.
///
/// A crate implements it for what its service has to offer: `Configured<C>` is a parameter of app-config's.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a parameter of a start function",
    label = "the start function has a parameter of type `{Self}`",
    note = "parameters are `Service`, `App`, `Logger`, `Dep<T>` and `Option<Dep<T>>` of a handle `T`, `Provided<T>` of a value that the application provides, `Flag<T>` of a flag group, and what other crates offer, such as `Configured<C>`",
    note = "a handle is taken as `Dep<{Self}>`, and its type implements `Exposed`"
)]
pub trait Param: Sized + Send {
    /// The services that must run before this parameter can be taken.
    fn needs() -> Vec<ServiceId>;

    /// The services that start before this one if they are linked. The parameter can be taken without them.
    fn wants() -> Vec<ServiceId> {
        Vec::new()
    }

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
/// It belongs to the incarnation that ran when this service was started. When that incarnation dies, this service is stopped
/// too. If it is started again, it gets the handle of the new incarnation. In between, calls on the old handle answer
/// `ServiceNotAlive`. The handle of a command server does so by itself; others ask
/// [`Service::ensure_alive`](crate::Service::ensure_alive).
///
/// `Option<Dep<T>>` is a dependency that may be missing: `None` if the service is not linked. If it is linked, it starts
/// first, as any dependency does.
///
/// # Several services of one handle type
///
/// `ID` says which service is meant. Without it, a handle type that two services of the application return is an error of
/// the start.
///
/// ```
/// use app_core::{prelude::*, testing::TestApp};
///
/// const PRIMARY: ServiceId = ServiceId::new(0x61);
/// const REPLICA: ServiceId = ServiceId::new(0x62);
/// const READER: ServiceId = ServiceId::new(0x63);
///
/// struct Db(&'static str);
/// impl Exposed for Db { const SERVICE: ServiceId = PRIMARY; }
///
/// async fn primary() -> Result<Db, Error> { Ok(Db("primary")) }
/// async fn replica() -> Result<Db, Error> { Ok(Db("replica")) }
/// async fn reader(
///     service: Service, to: Dep<Db, { PRIMARY.as_u64() }>, from: Dep<Db, { REPLICA.as_u64() }>,
/// ) -> Result<(), Error> {
///     info!(service.log(), "copies"; "from" => from.0, "to" => to.0);
///     Ok(())
/// }
///
/// app_core::service! { id: PRIMARY, name: "primary", start: primary }
/// app_core::service! { id: REPLICA, name: "replica", start: replica }
/// app_core::service! { id: READER, name: "reader", start: reader }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = TestApp::with([READER]).await;
/// assert!(app.captured().text().contains(r#""from":"replica","to":"primary""#));
/// # app.stop().await.expect_clean();
/// # }
/// ```
pub struct Dep<T, const ID: u64 = 0>(Arc<T>);

impl<T, const ID: u64> Deref for Dep<T, ID> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T, const ID: u64> Clone for Dep<T, ID> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug, const ID: u64> fmt::Debug for Dep<T, ID> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T, const ID: u64> Dep<T, ID> {
    /// The shared handle itself.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: Exposed, const ID: u64> Dep<T, ID> {
    /// The service that is meant.
    const OF: ServiceId = if ID == 0 { T::SERVICE } else { ServiceId::new(ID) };

    fn check_planned(planned: &Planned<'_>) -> Result<(), Error> {
        if ID == 0 {
            planned.expect_one_service_of::<T>()?;
        }
        planned.expect_handle_of::<T>(Self::OF)
    }
}

impl<T: Exposed, const ID: u64> Param for Dep<T, ID> {
    fn needs() -> Vec<ServiceId> {
        vec![Self::OF]
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        Self::check_planned(planned)
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        context.handle_of(Self::OF).map(Self)
    }
}

impl<T: Exposed, const ID: u64> Param for Option<Dep<T, ID>> {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn wants() -> Vec<ServiceId> {
        vec![Dep::<T, ID>::OF]
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        Dep::<T, ID>::check_planned(planned)
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        let is_linked = context.app().service_specs().iter().any(|service| service.id() == Dep::<T, ID>::OF);
        is_linked.then(|| Dep::take(context)).transpose()
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
