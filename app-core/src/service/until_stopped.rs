//! Work that goes on until its service is stopped.

use std::{borrow::Cow, time::Duration};

use app_errors::Error;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::{Service, TaskOutput};

impl Service {
    /// Runs a future until it is ready or the service is killed, whichever is first: `None` when the service was killed. The
    /// future is dropped then. Cancel safe if the future is.
    ///
    /// ```
    /// use app_core::{prelude::*, testing::TestApp};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::empty().await;
    /// let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(service.run_until_stopped(async { 42 }).await, Some(42));
    /// service.kill("enough");
    /// assert_eq!(service.run_until_stopped(std::future::pending::<i32>()).await, None);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_until_stopped<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.dying() => None,
            output = future => Some(output),
        }
    }

    /// Calls an async function every `period`, first after one period, until the service is killed; [`every`](Self::every) is
    /// the same for functions that do not wait. `name` names the task in stack dumps and in reports of the stop.
    ///
    /// - Calls do not overlap. Those that were missed while one ran long are skipped.
    /// - An error or a panic fails the service. To go on after an error, log it and return `()`.
    /// - When the service is killed, a call that runs is dropped at its next await. So it never delays the stop.
    ///
    /// Blocking work goes through [`run_blocking`](crate::threads::run_blocking), which the function awaits.
    ///
    /// ```
    /// use app_core::{prelude::*, testing::TestApp};
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::empty().await;
    /// let service = app.new_service(ServiceId::new(7), "seven");
    /// let (rows, mut counted) = tokio::sync::mpsc::channel(8);
    /// service.every_async("count rows", Duration::from_secs(60), move || {
    ///     let rows = rows.clone();
    ///     async move { rows.send(3).await }
    /// })?;
    /// assert_eq!(counted.recv().await, Some(3));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive` when the service is dead.
    ///
    /// # Panics
    /// Outside of a tokio runtime, or when the period is zero.
    pub fn every_async<F, R>(
        &self,
        name: impl Into<Cow<'static, str>>,
        period: Duration,
        mut action: F,
    ) -> Result<(), Error>
    where
        F: FnMut() -> R + Send + 'static,
        R: Future + Send,
        R::Output: TaskOutput,
    {
        let service = self.clone();
        let mut ticks = interval_at(Instant::now() + period, period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        self.spawn(name, async move {
            let until_it_fails = async {
                loop {
                    ticks.tick().await;
                    if let Err(error) = action().await.into_result() {
                        return error;
                    }
                }
            };
            service.run_until_stopped(until_it_fails).await.map_or(Ok(()), Err)
        })
    }
}

#[cfg(test)]
mod tests;
