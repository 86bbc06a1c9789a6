//! A value that the application provides, as a parameter of a start function.

use std::{any::type_name, fmt, ops::Deref, sync::Arc};

use app_errors::{Error, errors};
use app_ids::ServiceId;

use crate::plugins::{Param, Planned, StartContext};

/// A value that the application provides: [`AppBuilder::provide`](crate::AppBuilder::provide).
///
/// It is how a dependency that is no service reaches a service: a clock, a client, a function. Without the value, neither the
/// start nor `--check` succeeds. `Option<Provided<T>>` is a value that may be missing, for a dependency with a default.
///
/// ```
/// use app_core::{Provided, ServiceDescriptor, prelude::*, testing::TestApp};
///
/// struct Greeting(&'static str);
///
/// async fn start(service: Service, greeting: Provided<Greeting>) -> Result<(), Error> {
///     info!(service.log(), "{}", greeting.0);
///     Ok(())
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let greeter = ServiceDescriptor::of(ServiceId::new(7), "greeter", start);
/// let app = TestApp::builder().service(greeter).provide(Greeting("good morning")).start().await;
/// assert!(app.captured().text().contains("good morning"));
/// # app.stop().await.expect_clean();
/// # }
/// ```
pub struct Provided<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Provided<T> {
    /// The shared value itself.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized> Deref for Provided<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> Clone for Provided<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Provided<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + Send + Sync + 'static> Param for Provided<T> {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn check(planned: &Planned<'_>) -> Result<(), Error> {
        let service = planned.service();
        match planned.app().provided::<T>() {
            Some(_) => Ok(()),
            None => Err(missing::<T>(service.id(), service.name())),
        }
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        let service = context.service();
        context.app().provided().map(Self).ok_or_else(|| missing::<T>(service.id(), service.name()))
    }
}

impl<T: ?Sized + Send + Sync + 'static> Param for Option<Provided<T>> {
    fn needs() -> Vec<ServiceId> {
        Vec::new()
    }

    fn take(context: &StartContext) -> Result<Self, Error> {
        Ok(context.app().provided().map(Provided))
    }
}

fn missing<T: ?Sized>(id: ServiceId, name: &str) -> Error {
    let message = format!(
        "service {name} ({id}) takes a value of type {}, which the application does not provide: call `provide` on the `AppBuilder`, or in a test on `TestApp::builder()`",
        type_name::<T>(),
    );
    errors::SERVICE_NOT_AVAILABLE.error(id).message(message).build()
}
