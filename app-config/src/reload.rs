//! Reloads: when configs are read again. What becomes of a new one is told with [`LiveConfig`].
//!
//! Files are looked at every [`LOOK_EVERY`], and read when they [have changed](stamp); SIGHUP and
//! [`App::reload`](app_core::App::reload) have all of them read at once. Identities are read again too, before the files that
//! they open. An error is told once for each change, and shown by [`Configs::reload_statuses`] until it is mended.

mod in_use;
mod stale;
mod stamp;
mod values;

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use app_core::events::CONFIG_LOADING_ERR;
use app_core::prelude::{App, Error, Service, ServiceId, error, info, warn};
use app_core::{run_blocking, thread_refused};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use self::in_use::Known;
pub use self::in_use::ReloadStatus;
pub use self::stale::{StaleConfig, StaleKind};
use self::stamp::Look;
use self::values::Reread;
pub(crate) use self::values::read;
pub(crate) use self::{
    in_use::{InUse, Taken},
    stamp::Watched,
    values::{Loaded, StartBefore},
};
use crate::config::Config;
use crate::dir::ConfigDir;
use crate::fault::{Fault, Reason, label};
use crate::identities::IdentityError;
use crate::live::LiveConfig;
use crate::problems::Remark;
use crate::service::{Configs, event_of};

/// How often files are looked at. A change is read at the look after the one that saw it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One time that configs are read again.
struct Round {
    dir: ConfigDir,
    /// Whether all are read; otherwise those that have changed.
    asked: bool,
    /// Whether there are other identities, which may open what could not be opened.
    renewed: bool,
    tally: Tally,
}

impl Round {
    fn new(dir: ConfigDir) -> Self {
        Self { dir, asked: false, renewed: false, tally: Tally::default() }
    }
}

/// What came of reading configs again.
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
    /// The config of type `C`, now and after each reload, for as long as the service lives.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn follow<C: Config>(&self, service: &Service) -> Result<LiveConfig<C>, Error> {
        let taken = self.take::<C>(None)?;
        Ok(LiveConfig::new(taken.values.subscribe(), service.clone()))
    }

    /// Every config that a service has taken, and what became of its file since. In the order of their services.
    ///
    /// Looks at no file, and waits for none.
    #[must_use]
    pub fn reload_statuses(&self) -> Vec<ReloadStatus> {
        self.in_use().statuses()
    }

    /// What is the matter with the files of configs in effect and of the identities, a line each for people. Empty while
    /// every file is good. No line repeats a value of a sealed config.
    ///
    /// Looks at no file, and waits for none.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let configs = self.reload_statuses().into_iter().filter_map(|status| status.note());
        let identities = self.in_use().stale_identities().map(|stale| stale.identities_note());
        identities.into_iter().chain(configs).collect()
    }

    /// Reads the configs of these services again now, as far as they are in effect. Blocks on files.
    pub fn reread(&self, services: &[ServiceId]) {
        let mut round = Round { asked: true, ..Round::new(self.dir()) };
        for config in self.in_use().channels() {
            if services.contains(&config.channel.service()) {
                self.reread_one(config, &mut round);
            }
        }
    }

    /// Reads again what has changed, or everything. Blocks on files.
    fn reload(&self, app: &App, asked: bool) {
        let renewed = match self.look_at_identities(asked) {
            // What will open the files is about to change: they can wait for the next look.
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

    /// Reads a config again where it is due, and tells what came of it.
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
                self.tell(channel.service(), reread, stale.is_some());
                if matches!(reread, Reread::Taken | Reread::Waits) {
                    self.tell_remarks(channel.service(), &channel.remarks());
                }
            }
            Err(fault) if news || round.asked => self.tell_stale(channel.service(), fault),
            Err(_) => {}
        }
    }

    /// Notes that no thread could be started to read anything. Tells it if it is news or was `asked` for.
    fn note_unread(&self, asked: bool) {
        let dir = self.dir();
        let refused = || thread_refused("reload", &io::ErrorKind::WouldBlock.into());
        let mut news = asked;
        for Known { key, channel, .. } in self.in_use().channels() {
            let fault = Fault::new(dir.file(channel.service()), Reason::NoThread(refused()));
            news |= self.in_use().note(key, &Err(fault));
        }
        if news {
            warn!(self.log(), "configs could not be read now, it is tried again, what was in effect stays: {}", refused();
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

    /// Reads the identities again; false when that fails, and those from before stay.
    pub(crate) fn renew_identities(&self, app: &App) -> bool {
        let (fresh, fault) = ConfigDir::of(app);
        let (before, after) = (self.dir(), fresh.sealing().identities());
        let removed = before
            .sealing()
            .identities()
            .filter(|_| after.is_none())
            .map(|identities| Fault::new(identities.file(), Reason::Identity(IdentityError::Missing)));
        let fault = fault.or(removed);
        let news = self.in_use().note_identities(fault.as_ref());
        if let Some(fault) = fault {
            self.keep_identities(fault, news);
            return false;
        }
        if let Some(identities) = after {
            info!(self.log(), "identities were read again"; "identities" => identities.len());
        }
        self.set_dir(fresh);
        true
    }

    fn keep_identities(&self, fault: Fault, news: bool) {
        let later = fault.is_of_machine();
        if later {
            self.in_use().identities.lock().read_later();
        }
        if !news {
            return;
        }
        let refused = fault.of_identities();
        if later {
            warn!(self.log(), "identities could not be read now, it is tried again, what was in use stays: {refused}";
                "event" => %CONFIG_LOADING_ERR, "err" => #&refused);
        } else {
            error!(self.log(), "identities were not read again, what was in use stays: {refused}";
                "event" => %CONFIG_LOADING_ERR, "err" => #&refused);
        }
    }

    fn tell(&self, service: ServiceId, reread: Reread, was_stale: bool) {
        let name = label(service);
        match reread {
            Reread::Taken => info!(self.log(), "{name} was reloaded"; "config" => %service),
            Reread::Waits => {
                info!(self.log(), "{name} has changed: it takes effect at the next start"; "config" => %service);
            }
            Reread::Same if was_stale => {
                info!(self.log(), "{name} is good again, and what it was before"; "config" => %service);
            }
            Reread::Same => {}
        }
    }

    /// Tells what is to be known of a new value that is accepted.
    fn tell_remarks(&self, service: ServiceId, remarks: &[Remark]) {
        for remark in remarks {
            let (name, said) = (label(service), remark.subject());
            if remark.is_warning() {
                warn!(self.log(), "{name}: {said}"; "event" => %CONFIG_LOADING_ERR, "config" => %service);
            } else {
                info!(self.log(), "{name}: {said}"; "config" => %service);
            }
        }
    }

    fn tell_stale(&self, service: ServiceId, fault: Fault) {
        let (kind, event) = (StaleKind::of(&fault), event_of(&fault));
        let refused = fault.of_service(service);
        match kind {
            StaleKind::Refused => error!(self.log(), "not reloaded, what was in effect stays: {refused}";
                "event" => %event, "config" => %service, "err" => #&refused),
            StaleKind::Gone => {
                error!(self.log(), "not reloaded, what was in effect stays until the process ends: {refused}";
                "event" => %event, "config" => %service, "err" => #&refused)
            }
            StaleKind::Unread => {
                warn!(self.log(), "could not be read now, it is tried again, what was in effect stays: {refused}";
                "event" => %event, "config" => %service, "err" => #&refused)
            }
        }
    }
}

impl Tally {
    fn count(&mut self, result: &Result<Reread, Fault>) {
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
        let (reader, app) = (configs.clone(), service.app().clone());
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

/// Runs what blocks on files. A directory that hangs holds up nothing but this, and not the stop.
///
/// # Errors
/// The system refuses the thread, with the kind `WouldBlock`, or the round panics.
async fn off_the_workers(round: impl FnOnce() + Send + 'static) -> io::Result<()> {
    match Handle::current().runtime_flavor() {
        // The runtime of a test: its paused time must not pass while a round runs.
        RuntimeFlavor::CurrentThread => {
            catch_unwind(AssertUnwindSafe(round)).map_err(|_| io::Error::other("it panicked"))
        }
        _ => run_blocking("reload", round).await,
    }
}
