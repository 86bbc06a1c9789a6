//! The handle of the service: what dependents call.

use app_config::LiveConfig;
use app_core::prelude::*;
use app_metrics::Counter;

use crate::greetings::Greetings;
use crate::{MY_SERVICE, MyServiceConfig};

/// The handle of the service. Dependents take it as `Dep<MyService>` in their start function. It is cheap to clone.
#[derive(Debug, Clone)]
pub struct MyService {
    commands: CommandServer<Greetings>,
    config: LiveConfig<MyServiceConfig>,
    hellos: Counter,
}

/// The answer to [`MyService::hello`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The greeting.
    pub text: String,
    /// The number of this guest, from 1.
    pub number: u64,
}

impl Exposed for MyService {
    const SERVICE: ServiceId = MY_SERVICE;
}

impl MyService {
    pub(crate) fn new(
        commands: CommandServer<Greetings>,
        config: LiveConfig<MyServiceConfig>,
        hellos: Counter,
    ) -> Self {
        Self {
            commands,
            config,
            hellos,
        }
    }

    /// Greets a guest.
    ///
    /// # Errors
    /// `IllegalArgument` for a name that is empty, or longer than the config permits. `ServiceNotAlive` once the service was
    /// killed.
    pub async fn hello(&self, name: &str) -> Result<Hello, Error> {
        // The config in effect now: a changed file counts from the next call.
        let config = self.config.current();
        if name.is_empty() || name.len() > config.most_bytes {
            let (most, found) = (config.most_bytes, name.len());
            let problem = format!("name: must have 1 to {most} bytes; found {found}");
            return Err(errors::ILLEGAL_ARGUMENT
                .error(MY_SERVICE)
                .message(problem)
                .build());
        }
        let number = self.commands.call(Greetings::greet).await?;
        self.hellos.inc();
        let text = format!("{}, {name}!", config.greeting);
        Ok(Hello { text, number })
    }

    /// Begins to count from zero again. Returns how many guests were greeted before.
    ///
    /// # Errors
    /// `ServiceNotAlive` once the service was killed.
    pub async fn reset(&self) -> Result<u64, Error> {
        self.commands.call(Greetings::reset).await
    }

    /// Waits until a command has run.
    pub(crate) async fn answers(&self) -> Result<(), Error> {
        self.commands.call(|_| ()).await
    }
}
