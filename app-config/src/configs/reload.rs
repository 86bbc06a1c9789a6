//! Reads configs again when they have changed. [`LiveConfig`] says what a service gets.
//!
//! Every [`LOOK_EVERY`] the files are looked at, and the changed ones are read. SIGHUP and
//! [`App::reload`](app_core::App::reload) read all of them at once. Identities are read again before the files that they open. An
//! error is logged once for each change. [`Configs::reload_statuses`] shows it until the file is good.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use app_core::prelude::{App, Error, Service, ServiceId, error, info, warn};
use app_core::threads::{run_blocking, thread_refused};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::dir::ConfigDir;
use super::handle::Configs;
use super::in_use::{ConfigInEffect, Known, Look, ReloadStatus, Reread, StaleKind};
use super::load::LoadError;
use crate::events::CONFIG_LOADING_ERR;
use crate::file::Located;
use crate::ids::label;
use crate::problems::Remark;
use crate::sealing::IdentityError;
use crate::value::{Config, LiveConfig};

/// How often files are checked for a change. A changed file is read at the check after that which saw the change.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One round of reading configs again.
struct Round {
    dir: ConfigDir,
    /// Whether a reload was requested. If so, all configs are read, otherwise the changed ones.
    asked: bool,
    /// Whether there are new identities, which may open files that could not be opened before.
    renewed: bool,
    tally: Tally,
}

impl Round {
    fn new(dir: ConfigDir) -> Self {
        Self { dir, asked: false, renewed: false, tally: Tally::default() }
    }
}

/// How many configs had which result.
#[derive(Default)]
struct Tally {
    reloaded: usize,
    unchanged: usize,
    waiting: usize,
    refused: usize,
    gone: usize,
    unread: usize,
}

impl Configs {
    /// The config of type `C`, now and after each reload, until the service is killed.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn follow<C: Config>(&self, service: &Service) -> Result<LiveConfig<C>, Error> {
        let taken = self.take::<C>(None)?;
        Ok(LiveConfig::new(taken.values.subscribe(), service.clone()))
    }

    /// The state of every config that a service has taken, ordered by service id. Reads no file, so the call does not block.
    #[must_use]
    pub fn reload_statuses(&self) -> Vec<ReloadStatus> {
        self.in_use().statuses()
    }

    /// The config that each service runs on, as operators may see it: field by field, without any secret. Ordered by service id.
    /// Reads no file, so the call does not block.
    #[must_use]
    pub fn in_effect(&self) -> Vec<ConfigInEffect> {
        self.in_use().in_effect()
    }

    /// What is wrong with the files of configs and of identities, one line each. Empty while every file is good.
    ///
    /// No line repeats a value of a sealed config. Reads no file, so the call does not block.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let configs = self.reload_statuses().into_iter().filter_map(|status| status.note());
        let identities = self.in_use().identities_note();
        identities.into_iter().chain(configs).collect()
    }

    /// Reads the configs of these services again, if services have taken them. Blocks on files.
    pub fn reread(&self, services: &[ServiceId]) {
        let mut round = Round { asked: true, ..Round::new(self.dir()) };
        for config in self.in_use().channels() {
            if services.contains(&config.channel.service()) {
                self.reread_one(config, &mut round);
            }
        }
    }

    /// Reads the changed files again, or all files if `asked`. Blocks on files.
    fn reload(&self, app: &App, asked: bool) {
        let renewed = match self.look_at_identities(asked) {
            // The identities that open the files are changing, so the files wait for the next look.
            Look::Changing => return,
            Look::Same => false,
            Look::Changed => self.renew_identities(app),
        };
        let mut round = Round { asked, renewed, ..Round::new(self.dir()) };
        for config in self.in_use().channels() {
            self.reread_one(config, &mut round);
        }
        if asked {
            let Tally { reloaded, unchanged, waiting, refused, gone, unread } = round.tally;
            info!(self.log(), "configs were read again"; "reloaded" => reloaded, "unchanged" => unchanged,
                "at_next_start" => waiting, "refused" => refused, "gone" => gone, "unread" => unread);
        }
    }

    /// Reads a config again if it is due, and logs the result.
    fn reread_one(&self, config: Known, round: &mut Round) {
        let Known { key, channel, stale } = config;
        let is_due = match stale {
            None => round.asked,
            Some(StaleKind::Unread) => true,
            Some(_) => round.asked || round.renewed,
        };
        let Some(result) = channel.reread(&round.dir, is_due) else { return };
        let news = self.in_use().note(key, &result);
        round.tally.count(&result);
        match result {
            Ok(reread) => {
                self.log_reread(channel.service(), reread, stale.is_some());
                if matches!(reread, Reread::Taken | Reread::Waits) {
                    self.log_remarks(channel.service(), &channel.remarks());
                }
            }
            Err(error) if news || round.asked => self.log_stale(channel.service(), error),
            Err(_) => {}
        }
    }

    /// Records that no thread could be started to read files. Logs it if it is news, or if a reload was requested (`asked`).
    fn note_unread(&self, asked: bool) {
        let dir = self.dir();
        let refused = || thread_refused("reload", &io::ErrorKind::WouldBlock.into());
        let mut news = asked;
        for Known { key, channel, .. } in self.in_use().channels() {
            let error = Located::in_file(dir.file(channel.service()), LoadError::NoThread(refused()));
            news |= self.in_use().note(key, &Err(error));
        }
        if news {
            warn!(self.log(), "configs could not be read now, the values in effect stay and the next look tries again: {}", refused();
                "event" => %CONFIG_LOADING_ERR);
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

    /// Reads the identities again. False if that fails: then the earlier identities stay.
    pub(crate) fn renew_identities(&self, app: &App) -> bool {
        let (fresh, refused) = ConfigDir::of(app);
        let (before, after) = (self.dir(), fresh.sealing().identities());
        let removed = before
            .sealing()
            .identities()
            .filter(|_| after.is_none())
            .map(|identities| Located::in_file(identities.file(), IdentityError::Missing));
        let refused = refused.or(removed);
        let news = self.in_use().note_identities(refused.as_ref());
        if let Some(refused) = refused {
            self.keep_identities(refused, news);
            return false;
        }
        if let Some(identities) = after {
            info!(self.log(), "identities were read again"; "identities" => identities.identities());
        }
        self.set_dir(fresh);
        true
    }

    fn keep_identities(&self, refused: Located<IdentityError>, news: bool) {
        let later = refused.is_of_machine();
        if later {
            self.in_use().identities.lock().read_later();
        }
        if !news {
            return;
        }
        let refused = refused.of_identities();
        if later {
            warn!(self.log(), "identities could not be read now, the earlier ones stay in use and the next look tries again: {refused}";
                "event" => %CONFIG_LOADING_ERR, "err" => #&refused);
        } else {
            error!(self.log(), "identities were not read again, the earlier ones stay in use: {refused}";
                "event" => %CONFIG_LOADING_ERR, "err" => #&refused);
        }
    }

    fn log_reread(&self, service: ServiceId, reread: Reread, was_stale: bool) {
        let name = label(service);
        match reread {
            Reread::Taken => info!(self.log(), "{name} was reloaded"; "config" => %service),
            Reread::Waits => {
                info!(self.log(), "{name} has changed: it takes effect at the next start"; "config" => %service);
            }
            Reread::Same if was_stale => {
                info!(self.log(), "{name} is good again, with the value that is in effect"; "config" => %service);
            }
            Reread::Same => {}
        }
    }

    /// Logs the remarks on a new value.
    fn log_remarks(&self, service: ServiceId, remarks: &[Remark]) {
        for remark in remarks {
            let (name, said) = (label(service), remark.subject());
            if remark.is_warning() {
                warn!(self.log(), "{name}: {said}"; "event" => %CONFIG_LOADING_ERR, "config" => %service);
            } else {
                info!(self.log(), "{name}: {said}"; "config" => %service);
            }
        }
    }

    fn log_stale(&self, service: ServiceId, error: Located<LoadError>) {
        let (kind, event) = (StaleKind::of(&error), error.error().event());
        let refused = error.of_service(service);
        match kind {
            StaleKind::Refused => error!(self.log(), "not reloaded, the value in effect stays: {refused}";
                "event" => %event, "config" => %service, "err" => #&refused),
            StaleKind::Gone => {
                error!(self.log(), "not reloaded, the value in effect stays until the process ends: {refused}";
                "event" => %event, "config" => %service, "err" => #&refused)
            }
            StaleKind::Unread => {
                warn!(self.log(), "could not be read now, the value in effect stays and the next look tries again: {refused}";
                "event" => %event, "config" => %service, "err" => #&refused)
            }
        }
    }
}

impl Tally {
    fn count(&mut self, result: &Result<Reread, Located<LoadError>>) {
        *match result.as_ref().map_err(StaleKind::of) {
            Ok(Reread::Taken) => &mut self.reloaded,
            Ok(Reread::Same) => &mut self.unchanged,
            Ok(Reread::Waits) => &mut self.waiting,
            Err(StaleKind::Refused) => &mut self.refused,
            Err(StaleKind::Gone) => &mut self.gone,
            Err(StaleKind::Unread) => &mut self.unread,
        } += 1;
    }
}

/// The task of the config service. It reads the changed configs again, and all of them when a reload is requested.
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
        // Taken before the round: the round answers every request up to this number.
        let number = *requests.borrow();
        let (reader, app) = (configs.clone(), App::of(&service));
        tokio::select! {
            biased;
            () = service.dying() => return,
            ended = off_the_workers(move || reader.reload(&app, asked)) => match ended {
                Ok(()) => {}
                Err(refused) if refused.kind() == io::ErrorKind::WouldBlock => configs.note_unread(asked),
                Err(failure) => error!(service.log(), "configs were not read again: {failure}"),
            }
        }
        if asked {
            configs.set_reloaded(number);
        }
    }
}

/// Runs a round, which blocks on files, on a thread of its own. A file system that hangs delays only the round, not the stop.
///
/// # Errors
/// The system refuses the thread, with the kind `WouldBlock`, or the round panics.
async fn off_the_workers(round: impl FnOnce() + Send + 'static) -> io::Result<()> {
    match Handle::current().runtime_flavor() {
        // The runtime of a test. Its paused time must not pass while a round runs.
        RuntimeFlavor::CurrentThread => {
            catch_unwind(AssertUnwindSafe(round)).map_err(|_| io::Error::other("it panicked"))
        }
        _ => run_blocking("reload", round).await,
    }
}
