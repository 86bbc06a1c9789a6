//! The function of a health check, independent of its type.

use std::{future::Future, sync::Arc};

use app_core::prelude::Error;
use app_errors::BoxError;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{HealthCheckSpec, errors};

/// Starts a run. The token is cancelled when the run times out or its result is no longer needed.
pub(crate) type CheckFunction =
    Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, Result<(), Error>> + Send + Sync>;

/// Boxes a check and converts its errors to those of the platform.
pub(crate) fn boxed<F, Run, E>(spec: Arc<HealthCheckSpec>, check: F) -> CheckFunction
where
    F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    Arc::new(move |cancel| {
        let (spec, run) = (Arc::clone(&spec), check(cancel));
        Box::pin(async move { run.await.map_err(|error| errors::failed(&spec, error.into())) })
    })
}
