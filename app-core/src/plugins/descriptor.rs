//! What the kernel knows of a service before it starts: its id, name, needs and start function.

use std::{any::Any, borrow::Cow, fmt, sync::Arc, time::Duration};

use app_errors::Error;
use app_ids::ServiceId;
use futures_util::future::BoxFuture;

use super::param::CheckedStart;
use crate::{
    DEFAULT_STOP_TIMEOUT, HandleType, Origin, Planned, Restart, Start, StartContext, panics,
    spec::ServiceSpec,
};

/// How long a start function may take, unless the descriptor says otherwise.
pub const DEFAULT_START_TIMEOUT: Duration = Duration::from_secs(30);

/// What a start function comes to: the handle that dependents get, or the reason why there is none.
pub type StartFuture = BoxFuture<'static, Result<Arc<dyn Any + Send + Sync>, Error>>;

#[derive(Clone)]
enum Needs {
    Fixed(fn() -> Vec<ServiceId>),
    Checked(fn() -> CheckedStart),
    Listed(Arc<[ServiceId]>),
}

#[derive(Clone)]
enum StartFn {
    Fixed(fn(StartContext) -> StartFuture),
    Checked(fn() -> CheckedStart),
    Shared(Arc<dyn Fn(StartContext) -> StartFuture + Send + Sync>),
}

/// What can be found wrong with a service before it starts, by its descriptor in a static.
type FixedChecks = (fn(&Planned<'_>) -> Vec<Error>, fn() -> Option<HandleType>);
/// The same of one that was made at run time.
type SharedChecks = (Arc<dyn Fn(&Planned<'_>) -> Vec<Error> + Send + Sync>, Option<HandleType>);

/// A service as the kernel sees it.
///
/// [`service!`](crate::service) writes one and registers it; [`ServiceDescriptor::of`] makes one at run time,
/// with the same meaning.
#[derive(Clone)]
pub struct ServiceDescriptor {
    id: ServiceId,
    name: Cow<'static, str>,
    needs: Needs,
    /// Services that start first if they are linked: by a descriptor in a static, and by one that was made at run time.
    fixed_wants: fn() -> Vec<ServiceId>,
    listed_wants: Vec<ServiceId>,
    start: StartFn,
    fixed_checks: Option<FixedChecks>,
    shared_checks: Option<SharedChecks>,
    origin: Origin,
    start_timeout: Duration,
    stop_timeout: Duration,
    infrastructure: bool,
    platform: bool,
    restart: Restart,
}

inventory::collect!(ServiceDescriptor);

impl ServiceDescriptor {
    /// A descriptor of two plain functions, as [`service!`](crate::service) writes it.
    #[must_use]
    pub const fn new(
        id: ServiceId,
        name: &'static str,
        needs: fn() -> Vec<ServiceId>,
        start: fn(StartContext) -> StartFuture,
        origin: Origin,
    ) -> Self {
        Self {
            id,
            name: Cow::Borrowed(name),
            needs: Needs::Fixed(needs),
            fixed_wants: Vec::new,
            listed_wants: Vec::new(),
            start: StartFn::Fixed(start),
            fixed_checks: None,
            shared_checks: None,
            origin,
            start_timeout: DEFAULT_START_TIMEOUT,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            infrastructure: false,
            platform: false,
            restart: Restart::never(),
        }
    }

    /// A descriptor in a static, of a function that the compiler has checked: for [`service!`](crate::service). The macro names
    /// the function in one place, so the compiler reports a mistake once.
    #[doc(hidden)]
    #[must_use]
    pub const fn of_checked(
        id: ServiceId,
        name: &'static str,
        function: fn() -> CheckedStart,
        origin: Origin,
    ) -> Self {
        Self {
            id,
            name: Cow::Borrowed(name),
            needs: Needs::Checked(function),
            fixed_wants: Vec::new,
            listed_wants: Vec::new(),
            start: StartFn::Checked(function),
            fixed_checks: None,
            shared_checks: None,
            origin,
            start_timeout: DEFAULT_START_TIMEOUT,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            infrastructure: false,
            platform: false,
            restart: Restart::never(),
        }
    }

    /// A descriptor made at run time from a start function whose parameters say what it needs.
    ///
    /// ```
    /// use app_core::{ServiceDescriptor, prelude::*};
    ///
    /// let greeter = ServiceDescriptor::of(ServiceId::new(7), "greeter", |service: Service| async move {
    ///     info!(service.log(), "hello");
    ///     Ok(())
    /// });
    /// assert_eq!(greeter.name(), "greeter");
    /// ```
    #[track_caller]
    pub fn of<F: Start<P>, P>(id: ServiceId, name: impl Into<Cow<'static, str>>, start: F) -> Self {
        let place = std::panic::Location::caller();
        let start = Arc::new(start);
        let (checked, handle) = (Arc::clone(&start), start.handle());
        Self {
            id,
            name: name.into(),
            needs: Needs::Listed(start.needs().into()),
            fixed_wants: Vec::new,
            listed_wants: start.wants(),
            start: StartFn::Shared(Arc::new(move |context| start.start(context))),
            fixed_checks: None,
            shared_checks: Some((Arc::new(move |planned| checked.check(planned)), handle)),
            origin: Origin::new("made at run time", "", place.file(), place.line()),
            start_timeout: DEFAULT_START_TIMEOUT,
            stop_timeout: DEFAULT_STOP_TIMEOUT,
            infrastructure: false,
            platform: false,
            restart: Restart::never(),
        }
    }

    /// Adds what can be found wrong before the start: [`Start::check`] and [`Start::handle`] of its start function.
    #[must_use]
    pub const fn checked(
        mut self,
        check: fn(&Planned<'_>) -> Vec<Error>,
        handle: fn() -> Option<HandleType>,
    ) -> Self {
        self.fixed_checks = Some((check, handle));
        self
    }

    /// Adds dependencies to those that the start function's parameters say: services that must run, though no
    /// handle of theirs is taken.
    #[must_use]
    pub fn after(mut self, services: impl IntoIterator<Item = ServiceId>) -> Self {
        let needs = self.needs().into_iter().chain(services).collect::<Vec<_>>();
        self.needs = Needs::Listed(needs.into());
        self
    }

    /// Adds services that start before this one if they are linked: [`Start::wants`] of its start function.
    #[must_use]
    pub const fn wanting(mut self, wants: fn() -> Vec<ServiceId>) -> Self {
        self.fixed_wants = wants;
        self
    }

    /// Sets how long the start function may take.
    #[must_use]
    pub const fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Sets how long the service may take to finish its tasks once it was killed.
    #[must_use]
    pub const fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Marks a service that all others rest on: it starts before and stops after every service without the mark.
    #[must_use]
    pub const fn infrastructure(mut self, infrastructure: bool) -> Self {
        self.infrastructure = infrastructure;
        self
    }

    /// Marks a service that is a part of the platform, and none of the application's own.
    #[must_use]
    pub const fn platform(mut self, platform: bool) -> Self {
        self.platform = platform;
        self
    }

    /// Sets what becomes of the service when it died: by default it stays dead.
    #[must_use]
    pub const fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// The service's id.
    #[must_use]
    pub const fn id(&self) -> ServiceId {
        self.id
    }

    /// The service's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The services that it needs, from its start function's parameters.
    #[must_use]
    pub fn needs(&self) -> Vec<ServiceId> {
        match &self.needs {
            Needs::Fixed(needs) => needs(),
            Needs::Checked(function) => function().needs(),
            Needs::Listed(needs) => needs.to_vec(),
        }
    }

    /// The services that start before this one if they are linked: those of parameters such as `Option<Dep<T>>`.
    #[must_use]
    pub fn wants(&self) -> Vec<ServiceId> {
        let of_function = self.checked_function().map_or_else(Vec::new, |function| function.wants());
        [of_function, (self.fixed_wants)(), self.listed_wants.clone()].concat()
    }

    /// Where it was written.
    #[must_use]
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// Whether all other services rest on it.
    #[must_use]
    pub const fn is_infrastructure(&self) -> bool {
        self.infrastructure
    }

    /// Whether it is a part of the platform. Infrastructure always is.
    #[must_use]
    pub const fn is_platform(&self) -> bool {
        self.platform || self.infrastructure
    }

    /// The function that the compiler has checked, if [`service!`](crate::service) made the descriptor.
    fn checked_function(&self) -> Option<CheckedStart> {
        match self.start {
            StartFn::Checked(function) => Some(function()),
            StartFn::Fixed(_) | StartFn::Shared(_) => None,
        }
    }

    /// The type of the handle that its start function returns, if it is known.
    #[must_use]
    pub fn handle(&self) -> Option<HandleType> {
        if let Some(function) = self.checked_function() {
            return function.handle();
        }
        let fixed = || self.fixed_checks.and_then(|(_, handle)| handle());
        self.shared_checks.as_ref().map_or_else(fixed, |(_, handle)| *handle)
    }

    pub(crate) fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        if let Some(function) = self.checked_function() {
            return function.check(planned);
        }
        let fixed = || self.fixed_checks.map_or_else(Vec::new, |(check, _)| check(planned));
        self.shared_checks.as_ref().map_or_else(fixed, |(check, _)| check(planned))
    }

    /// What becomes of the service when it died.
    #[must_use]
    pub const fn restart_policy(&self) -> Restart {
        self.restart
    }

    /// The facts about the service, without its functions.
    pub(crate) fn spec(&self) -> ServiceSpec {
        ServiceSpec {
            id: self.id,
            name: self.shared_name(),
            // A panic here is reported by the plan, which asks again.
            needs: panics::quietly(|| self.needs()).unwrap_or_default(),
            wants: panics::quietly(|| self.wants()).unwrap_or_default(),
            origin: self.origin,
            infrastructure: self.infrastructure,
            platform: self.platform,
            restart: self.restart,
        }
    }

    pub(crate) fn shared_name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    pub(crate) const fn timeouts(&self) -> (Duration, Duration) {
        (self.start_timeout, self.stop_timeout)
    }

    pub(crate) fn start(&self, context: StartContext) -> StartFuture {
        match &self.start {
            StartFn::Fixed(start) => start(context),
            StartFn::Checked(function) => function().start(context),
            StartFn::Shared(start) => start(context),
        }
    }
}

impl fmt::Debug for ServiceDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceDescriptor")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("needs", &self.needs())
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Every descriptor that is linked into this program, sorted by id so that runs are alike.
///
/// A crate that nothing references is not linked: name it in `main.rs` (`use quota as _;`).
#[must_use]
pub fn linked_services() -> Vec<ServiceDescriptor> {
    let mut all: Vec<_> = inventory::iter::<ServiceDescriptor>.into_iter().cloned().collect();
    all.sort_by(|a, b| (a.id, a.origin.file, a.origin.line).cmp(&(b.id, b.origin.file, b.origin.line)));
    all
}

/// Installs a service: linking the crate that says this is all it takes.
///
/// `start` is an `async fn(P1, .. Pn) -> Result<H, Error>` whose parameters implement [`Param`](crate::plugins::Param);
/// the services that they need are the edges of the start-up graph, and `H` is the handle that dependents get.
///
/// The options come in any order, each at most once:
///
/// | option | type | default |
/// |---|---|---|
/// | `id` | a constant `ServiceId` | required |
/// | `name` | a string literal | required |
/// | `start` | the path of the start function | required |
/// | `restart` | [`Restart`](crate::Restart) | `Restart::never()` |
/// | `start_timeout` | `Duration` | [`DEFAULT_START_TIMEOUT`] |
/// | `stop_timeout` | `Duration` | [`DEFAULT_STOP_TIMEOUT`] |
/// | `infrastructure` | `bool` | `false` |
///
/// ```
/// use app_core::prelude::*;
///
/// app_core::service! {
///     id: ServiceId::new(0xb1d3_02a9_7c55_e011), name: "greeter", start: start,
///     restart: app_core::Restart::on_failure().max_restarts(3)
/// }
///
/// async fn start(service: Service) -> Result<(), Error> {
///     service.every(Duration::from_secs(1), |log| info!(log, "hello"));
///     Ok(())
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! service {
    ($($options:tt)*) => {
        $crate::__service! { [] [] [] [] [] [] [] $($options)* }
    };
}

/// Sorts the options of [`service!`] into places of their own.
#[doc(hidden)]
#[macro_export]
macro_rules! __service {
    // The comma after the last option.
    ($id:tt $name:tt $start:tt $infra:tt $restart:tt $begin:tt $stop:tt ,) => {
        $crate::__service! { $id $name $start $infra $restart $begin $stop }
    };
    ([] $name:tt $start:tt $infra:tt $restart:tt $begin:tt $stop:tt id: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__service! { [$value] $name $start $infra $restart $begin $stop $($($rest)*)? }
    };
    ($id:tt [] $start:tt $infra:tt $restart:tt $begin:tt $stop:tt name: $value:literal $(, $($rest:tt)*)?) => {
        $crate::__service! { $id [$value] $start $infra $restart $begin $stop $($($rest)*)? }
    };
    ($id:tt $name:tt [] $infra:tt $restart:tt $begin:tt $stop:tt start: $value:path $(, $($rest:tt)*)?) => {
        $crate::__service! { $id $name [$value] $infra $restart $begin $stop $($($rest)*)? }
    };
    ($id:tt $name:tt $start:tt [] $restart:tt $begin:tt $stop:tt infrastructure: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__service! { $id $name $start [$value] $restart $begin $stop $($($rest)*)? }
    };
    ($id:tt $name:tt $start:tt $infra:tt [] $begin:tt $stop:tt restart: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__service! { $id $name $start $infra [$value] $begin $stop $($($rest)*)? }
    };
    ($id:tt $name:tt $start:tt $infra:tt $restart:tt [] $stop:tt start_timeout: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__service! { $id $name $start $infra $restart [$value] $stop $($($rest)*)? }
    };
    ($id:tt $name:tt $start:tt $infra:tt $restart:tt $begin:tt [] stop_timeout: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__service! { $id $name $start $infra $restart $begin [$value] $($($rest)*)? }
    };
    // All options are in their places.
    ([$id:expr] [$name:literal] [$start:path] [$($infra:expr)?] [$($restart:expr)?] [$($begin:expr)?] [$($stop:expr)?]) => {
        $crate::__private::inventory::submit! {
            $crate::ServiceDescriptor::of_checked(
                $id,
                $name,
                || $crate::__private::checked_start($start),
                $crate::__origin!(),
            )
            $(.infrastructure($infra))?
            $(.restart($restart))?
            $(.start_timeout($begin))?
            $(.stop_timeout($stop))?
        }
        $crate::__private::inventory::submit! {
            $crate::__private::IdName::new($crate::__private::IdKind::Service, $id.as_u64(), $name)
        }
    };
    ([] $name:tt $start:tt $infra:tt $restart:tt $begin:tt $stop:tt) => {
        ::core::compile_error! { "service!: the option `id` is missing; add `id: ServiceId::new(..)`" }
    };
    ($id:tt [] $start:tt $infra:tt $restart:tt $begin:tt $stop:tt) => {
        ::core::compile_error! { "service!: the option `name` is missing; add `name: \"..\"`" }
    };
    ($id:tt $name:tt [] $infra:tt $restart:tt $begin:tt $stop:tt) => {
        ::core::compile_error! { "service!: the option `start` is missing; add `start: path::of::the_function`" }
    };
    ($id:tt $name:tt $start:tt $infra:tt $restart:tt $begin:tt $stop:tt $option:ident : $($rest:tt)*) => {
        $crate::__service_option! { $option }
    };
    ($id:tt $name:tt $start:tt $infra:tt $restart:tt $begin:tt $stop:tt $($rest:tt)*) => {
        ::core::compile_error! {
            "service!: expected `option: value`, with a comma between options; the options are `id`, `name`, `start`, `restart`, `start_timeout`, `stop_timeout` and `infrastructure`"
        }
    };
}

/// Says why [`service!`] refuses an option.
#[doc(hidden)]
#[macro_export]
macro_rules! __service_option {
    (id) => { $crate::__refused_option! { id, "is given twice, or its value is no expression" } };
    (name) => { $crate::__refused_option! { name, "is given twice, or its value is no string literal" } };
    (start) => { $crate::__refused_option! { start, "is given twice, or its value is no path of a function" } };
    (restart) => { $crate::__refused_option! { restart, "is given twice" } };
    (start_timeout) => { $crate::__refused_option! { start_timeout, "is given twice" } };
    (stop_timeout) => { $crate::__refused_option! { stop_timeout, "is given twice" } };
    (infrastructure) => { $crate::__refused_option! { infrastructure, "is given twice" } };
    ($unknown:ident) => {
        $crate::__refused_option! { $unknown, "is unknown; the options are `id`, `name`, `start`, `restart`, `start_timeout`, `stop_timeout` and `infrastructure`" }
    };
}

/// The error of [`service!`] for an option.
#[doc(hidden)]
#[macro_export]
macro_rules! __refused_option {
    ($option:ident, $why:literal) => {
        ::core::compile_error! { ::core::concat!("service!: the option `", ::core::stringify!($option), "` ", $why) }
    };
}
