//! The interface `Configs`, and reloads.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use app_config::{Configs, ReloadStatus, StaleKind};
use app_core::prelude::{App, ServiceId};
use capnp::{Error as RpcError, struct_list};
use schema::admin_capnp::{ConfigFile, config_status, configs};
use tokio::time::timeout;

use super::gate::Session;
use super::offload::DEADLINE;
use super::text::short;
use super::{count, failed, millis_of};

/// Serves `Configs`.
pub(super) struct ConfigsServer {
    session: Rc<Session>,
}

impl ConfigsServer {
    pub(super) fn new(session: Rc<Session>) -> Self {
        Self { session }
    }
}

impl configs::Server for ConfigsServer {
    async fn config_dir(
        self: Rc<Self>,
        _: configs::ConfigDirParams,
        mut results: configs::ConfigDirResults,
    ) -> Result<(), RpcError> {
        let dir = self.session.admin.app().config_dir().display().to_string();
        results.get().set_config_dir(short(&dir));
        Ok(())
    }

    async fn config_dir_exists(
        self: Rc<Self>,
        _: configs::ConfigDirExistsParams,
        mut results: configs::ConfigDirExistsResults,
    ) -> Result<(), RpcError> {
        let dir = service(&self.session)?.dir();
        let exists =
            self.session
                .admin
                .offload
                .run(&self.session, "looking for the config directory", move || dir.exists());
        results.get().set_exists(exists.await?);
        Ok(())
    }

    async fn service_ids(
        self: Rc<Self>,
        _: configs::ServiceIdsParams,
        mut results: configs::ServiceIdsResults,
    ) -> Result<(), RpcError> {
        let dir = service(&self.session)?.dir();
        let listed = move || dir.service_ids();
        let ids =
            self.session.admin.offload.run(&self.session, "listing the config directory", listed).await?;
        let ids = ids.map_err(|error| failed(&error))?;
        let mut list = results.get().init_service_ids(count(ids.len()));
        for (place, id) in (0..).zip(ids) {
            list.set(place, id.as_u64());
        }
        Ok(())
    }

    async fn statuses(
        self: Rc<Self>,
        _: configs::StatusesParams,
        mut results: configs::StatusesResults,
    ) -> Result<(), RpcError> {
        let statuses = statuses(&self.session, &BTreeMap::new())?;
        write(&statuses, results.get().init_configs(count(statuses.len())));
        Ok(())
    }
}

/// The result of the last reading of a config.
pub(super) struct Status {
    status: ReloadStatus,
    /// Whether the service has taken a new value since the reload began.
    taken: bool,
}

fn service(session: &Session) -> capnp::Result<Arc<Configs>> {
    session.admin.app().get::<Configs>().map_err(|error| failed(&error))
}

/// Reads all configs again, and returns the result of each.
pub(super) async fn reload(session: &Session) -> capnp::Result<Vec<Status>> {
    let (app, configs) = (session.admin.app(), service(session)?);
    let before = configs.reload_statuses();
    let before = before.iter().map(|status| (status.service, status.reloads)).collect();
    let mut reloaded = configs.reloaded();
    if !app.reload() {
        return Err(RpcError::failed(
            "the reload was not requested: the config service has stopped".to_owned(),
        ));
    }
    // The number of this request, or of one a moment later.
    let number = *app.reloads().borrow();
    let done = tokio::select! {
        done = timeout(DEADLINE, reloaded.wait_for(|done| *done >= number)) => done.is_ok_and(|done| done.is_ok()),
        () = session.admin.service.dying() => false,
    };
    if !done {
        let late = format!(
            "the reload was requested, and did not end within {} s: `statuses` will show its results",
            DEADLINE.as_secs()
        );
        return Err(RpcError::failed(late));
    }
    statuses(session, &before)
}

fn statuses(session: &Session, before: &BTreeMap<ServiceId, u64>) -> capnp::Result<Vec<Status>> {
    let statuses = service(session)?.reload_statuses().into_iter().map(|status| {
        let taken = before.get(&status.service).is_some_and(|before| *before < status.reloads);
        Status { status, taken }
    });
    Ok(statuses.collect())
}

/// The problems with config files, by service.
pub(super) fn notes(app: &App) -> BTreeMap<ServiceId, String> {
    // Without the config service, no config is in effect.
    let statuses = app.get::<Configs>().map(|configs| configs.reload_statuses()).unwrap_or_default();
    statuses.into_iter().filter_map(|status| Some((status.service, status.note()?))).collect()
}

/// Reads the configs of services that are about to restart. Returns a note about each service that will start with an older config than
/// its file.
pub(super) async fn notes_before_restart(session: &Session, services: &[ServiceId]) -> Vec<String> {
    let app = session.admin.app();
    let Ok(configs) = app.get::<Configs>() else { return Vec::new() };
    let reread = services.to_vec();
    let read = session.admin.offload.run(session, "reading configs", move || configs.reread(&reread)).await;
    let unread = read.err().map(|error| format!("the configs could not be checked: {}", error.extra));
    let stale =
        notes(app).into_iter().filter(|(service, _)| services.contains(service)).map(|(_, note)| note);
    unread.into_iter().chain(stale).collect()
}

/// Writes the list of statuses.
pub(super) fn write(statuses: &[Status], mut list: struct_list::Builder<'_, config_status::Owned>) {
    for (place, Status { status, taken }) in (0..).zip(statuses) {
        let mut to = list.reborrow().get(place);
        to.set_service_id(status.service.as_u64());
        to.set_name(short(status.service.name().unwrap_or_default()));
        to.set_from_file(status.from_file);
        if let Some(stale) = &status.stale {
            to.set_problem(short(&stale.reason));
            to.set_file(file_to_wire(stale.kind));
            to.set_file_since_millis(millis_of(stale.since));
        }
        to.set_reloads(status.reloads);
        to.set_refusals(status.refusals);
        to.set_reloadable(status.reloadable);
        to.set_waiting(status.waiting);
        to.set_taken(*taken);
    }
}

fn file_to_wire(kind: StaleKind) -> ConfigFile {
    match kind {
        StaleKind::Gone => ConfigFile::Gone,
        StaleKind::Unread => ConfigFile::Unread,
        _ => ConfigFile::Refused,
    }
}
