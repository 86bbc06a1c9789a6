//! The instances of all contexts, and connections to them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use app_dashboard::{AppLink, Apps, Asked, Instance, Problem, ProblemKind};
use tokio::time::Instant;

use super::ask::problem;
use super::link::Link;
use crate::connect::{Session, instances};
use crate::contexts::{self, Address, Context, Place};
use crate::failure::Failure;
use crate::target::{ADMIN, Target};

/// Time to look up the hosts of all contexts.
const LOOK_UP: Duration = Duration::from_secs(3);

/// The apps of a contexts file.
pub(super) struct ContextApps {
    file: PathBuf,
    /// The contexts to show; empty: all.
    names: Vec<String>,
}

impl ContextApps {
    /// Reads the file once, so that a wrong one is an error of the command.
    pub(super) fn new(file: PathBuf, names: Vec<String>) -> Result<Self, Failure> {
        let known = contexts::read(&file)?;
        let place = Place { file, name: None };
        if let Some(unknown) = names.iter().find(|name| !known.contexts.contains_key(*name)) {
            return Err(known.unknown(&place, unknown));
        }
        Ok(Self { file: place.file, names })
    }

    /// The contexts that lead to an admin interface.
    fn shown(&self) -> Result<Vec<(String, Context)>, Failure> {
        let contexts = contexts::read(&self.file)?.contexts.into_iter();
        let wanted = |name: &String| self.names.is_empty() || self.names.contains(name);
        let admin = |context: &Context| context.service.is_none_or(|service| service == ADMIN);
        Ok(contexts.filter(|(name, context)| wanted(name) && admin(context)).collect())
    }

    async fn instances(&self) -> Result<Vec<Instance>, Failure> {
        let deadline = Instant::now() + LOOK_UP;
        let mut all = Vec::new();
        for (name, context) in self.shown()? {
            let addresses = instances::all_of(&context.address.0, deadline).await;
            let single = addresses.len() == 1;
            all.extend(addresses.into_iter().map(|address| {
                let key = if single { name.clone() } else { format!("{name}@{address}") };
                Instance { key, context: name.clone(), address: address.to_string() }
            }));
        }
        Ok(all)
    }

    async fn session(&self, instance: &Instance, deadline: Instant) -> Result<Session, Failure> {
        let place = Place { file: self.file.clone(), name: Some(instance.context.clone()) };
        let (_, context) = place.context()?;
        let address: Address = instance.address.parse().map_err(Failure::unusable)?;
        let target = Target { addresses: vec![address], ..Target::load(&context)? };
        Session::open(&target, deadline).await
    }
}

impl Apps for ContextApps {
    fn list(&self) -> Asked<'_, Result<Vec<Instance>, Problem>> {
        Box::pin(async {
            self.instances().await.map_err(|failure| Problem::new(ProblemKind::Unusable, failure.message))
        })
    }

    fn connect<'a>(
        &'a self,
        instance: &'a Instance,
        deadline: Instant,
    ) -> Asked<'a, Result<Arc<dyn AppLink>, Problem>> {
        Box::pin(async move {
            let session = self.session(instance, deadline).await.map_err(problem)?;
            Ok(Arc::new(Link::new(session)) as Arc<dyn AppLink>)
        })
    }
}
