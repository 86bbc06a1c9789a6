//! Reloads: when configs are read again. What becomes of a new one is told with [`LiveConfig`].
//!
//! Files are looked at every [`LOOK_EVERY`], and read when they [have changed](stamp); SIGHUP and
//! [`App::reload`](app_core::App::reload) have all of them read at once. Identities are read again too, before the files that
//! they open. An error is told once for each change, and shown by [`Configs::reload_statuses`] until it is mended.

mod in_use;
mod stamp;
mod values;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use app_core::events::CONFIG_LOADING_ERR;
use app_core::prelude::{App, Error, Service, error, info};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

pub use self::in_use::ReloadStatus;
use self::stamp::Look;
pub(crate) use self::values::read;
use self::values::{Channel, Reread};
pub(crate) use self::{
    in_use::InUse,
    stamp::Watched,
    values::{Loaded, Values},
};
use crate::config::Config;
use crate::dir::ConfigDir;
use crate::fault::{Fault, Reason, label};
use crate::identities::IdentityError;
use crate::live::LiveConfig;
use crate::problems::Problems;
use crate::service::{Configs, event_of};

/// How often files are looked at. A change is read at the look after the one that saw it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What came of reading all configs again because somebody asked for it.
#[derive(Default)]
struct Tally {
    reloaded: usize,
    unchanged: usize,
    waiting: usize,
    refused: usize,
}

impl Configs {
    /// The config of type `C`, now and after each reload, for as long as the service lives.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn follow<C: Config>(&self, service: &Service) -> Result<LiveConfig<C>, Error> {
        let values = self.values::<C>()?;
        Ok(LiveConfig::new(values.subscribe(), service.clone()))
    }

    /// Every config that a service has taken, and what became of its file since. In the order of their services.
    ///
    /// Looks at no file, and waits for none.
    #[must_use]
    pub fn reload_statuses(&self) -> Vec<ReloadStatus> {
        self.in_use().statuses()
    }

    /// Reads again what has changed, or everything. Blocks on files.
    fn reload(&self, app: &App, asked: bool) {
        let renewed = match self.look_at_identities(asked) {
            // What will open the files is about to change: they can wait for the next look.
            Look::Changing => return,
            Look::Same => false,
            Look::Changed => self.renew_identities(app),
        };
        let (dir, mut tally) = (self.dir(), Tally::default());
        for (key, channel, refused) in self.in_use().channels() {
            let reread = || channel.reread(&dir, asked || (renewed && refused));
            let service = channel.service();
            let result = catch_unwind(AssertUnwindSafe(reread)).unwrap_or_else(|_| {
                let mut problems = Problems::new();
                problems.add("its service panicked when it read it");
                Some(Err(Fault::new(dir.file(service), Reason::Problems(problems.into_vec()))))
            });
            let Some(result) = result else { continue };
            self.in_use().note(key, &result);
            tally.count(&result);
            match result {
                Ok(reread) => self.tell(&*channel, reread, refused),
                Err(fault) => self.tell_refused(&*channel, fault),
            }
        }
        if asked {
            let Tally { reloaded, unchanged, waiting, refused } = tally;
            info!(self.log(), "configs were read again"; "reloaded" => reloaded, "unchanged" => unchanged,
                "at_next_start" => waiting, "refused" => refused);
        }
    }

    fn look_at_identities(&self, asked: bool) -> Look {
        let mut identities = self.in_use().identities.lock();
        if !asked {
            return identities.look();
        }
        identities.read_now();
        Look::Changed
    }

    /// Reads the identities again; false when they are refused, and those from before stay.
    fn renew_identities(&self, app: &App) -> bool {
        let (fresh, fault) = ConfigDir::of(app);
        let (before, after) = (self.dir(), fresh.sealing().identities());
        let removed = before
            .sealing()
            .identities()
            .filter(|_| after.is_none())
            .map(|identities| Fault::new(identities.file(), Reason::Identity(IdentityError::Missing)));
        if let Some(fault) = fault.or(removed) {
            let refused = fault.of_identities();
            error!(self.log(), "identities were not read again, what was in use stays: {refused}";
                "event" => %CONFIG_LOADING_ERR, "err" => #&refused);
            return false;
        }
        if let Some(identities) = after {
            info!(self.log(), "identities were read again"; "identities" => identities.len());
        }
        self.set_dir(fresh);
        true
    }

    fn tell(&self, channel: &dyn Channel, reread: Reread, was_refused: bool) {
        let service = channel.service();
        let name = label(service);
        match reread {
            Reread::Taken => info!(self.log(), "{name} was reloaded"; "config" => %service),
            Reread::Waits { from_file: true } => {
                info!(self.log(), "{name} has changed: it takes effect at the next start"; "config" => %service);
            }
            Reread::Waits { from_file: false } => {
                info!(self.log(), "{name} was removed: the default takes effect at the next start"; "config" => %service);
            }
            Reread::Same if was_refused => {
                info!(self.log(), "{name} is good again, and what it was before"; "config" => %service);
            }
            Reread::Same => {}
        }
    }

    fn tell_refused(&self, channel: &dyn Channel, fault: Fault) {
        let (service, event) = (channel.service(), event_of(&fault));
        let what =
            if channel.followed() { "what was in effect stays" } else { "the next start will be refused" };
        let refused = fault.of_service(service);
        error!(self.log(), "not reloaded, {what}: {refused}"; "event" => %event, "config" => %service, "err" => #&refused);
    }
}

impl Tally {
    fn count(&mut self, result: &Result<Reread, Fault>) {
        *match result {
            Ok(Reread::Taken) => &mut self.reloaded,
            Ok(Reread::Same) => &mut self.unchanged,
            Ok(Reread::Waits { .. }) => &mut self.waiting,
            Err(_) => &mut self.refused,
        } += 1;
    }
}

/// The task of the config service: reads again what is asked for, and what has changed.
pub(crate) async fn watch(service: Service, configs: Configs, mut requests: watch::Receiver<u64>) {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let asked = tokio::select! {
            biased;
            () = service.dying() => return,
            Ok(()) = requests.changed() => true,
            _ = looks.tick() => false,
        };
        // Before the round, which does what was asked for up to here.
        let number = *requests.borrow();
        // Off the workers. A directory that hangs holds up nothing but this, and not the stop.
        let (reader, app) = (configs.clone(), service.app().clone());
        let round = tokio::task::spawn_blocking(move || reader.reload(&app, asked));
        tokio::select! {
            biased;
            () = service.dying() => return,
            ended = round => if let Err(failure) = ended {
                error!(service.log(), "configs were not read again: {failure}");
            }
        }
        if asked {
            configs.set_reloaded(number);
        }
    }
}
