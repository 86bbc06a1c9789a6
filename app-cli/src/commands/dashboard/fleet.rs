//! The instances of all contexts, and connections to them.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use app_dashboard::{AppLink, Apps, Asked, Instance, Problem, ProblemKind};
use futures_util::future::join_all;
use tokio::time::Instant;

use super::ask::problem;
use super::keys::Keys;
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
    /// The contexts and groups to show; empty: all.
    names: Vec<String>,
    keys: Mutex<Keys>,
}

impl ContextApps {
    /// Reads the file once, so that a wrong one is an error of the command.
    pub(super) fn new(file: PathBuf, names: Vec<String>) -> Result<Self, Failure> {
        let known = contexts::read(&file)?;
        let place = Place { file, name: None };
        if let Some(unknown) = names.iter().find(|name| known.members(name).is_empty()) {
            return Err(known.unknown(&place, unknown));
        }
        Ok(Self { file: place.file, names, keys: Mutex::default() })
    }

    /// The contexts that lead to an admin interface.
    fn shown(&self) -> Result<Vec<(String, Context)>, Failure> {
        let contexts = contexts::read(&self.file)?;
        let named: BTreeSet<_> = self.names.iter().flat_map(|name| contexts.members(name)).collect();
        let wanted = |name: &String| self.names.is_empty() || named.contains(name);
        let admin = |context: &Context| context.service.is_none_or(|service| service == ADMIN);
        let contexts = contexts.contexts.into_iter();
        Ok(contexts.filter(|(name, context)| wanted(name) && admin(context)).collect())
    }

    async fn instances(&self) -> Result<Vec<Instance>, Failure> {
        let deadline = Instant::now() + LOOK_UP;
        // All at a time, so that a slow name holds up no other.
        let looks = self.shown()?.into_iter().map(|(name, context)| async move {
            let addresses = context.address.0;
            let found = join_all(addresses.iter().map(|one| instances::found_behind(one, deadline))).await;
            (name, addresses, found)
        });
        let found = join_all(looks).await;
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.keep(|name| found.iter().any(|(known, ..)| known == name));
        Ok(found
            .into_iter()
            .flat_map(|(name, addresses, found)| keys.take(&name, &addresses, found))
            .collect())
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_name_is_a_context_or_a_group() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contexts.json");
        let context =
            r#"{ "address": "h:1", "domain": "0x1", "app": "0x2", "ca": "a", "cert": "b", "key": "c" }"#;
        let contexts = ["eu", "us", "dev"].map(|name| format!("\"{name}\": {context}")).join(",");
        fs::write(
            &file,
            format!("{{\"contexts\": {{{contexts}}}, \"groups\": {{\"prod\": [\"us\", \"eu\"]}}}}"),
        )
        .unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let shown = |names: &[&str]| -> Result<Vec<String>, String> {
            let names = names.iter().map(ToString::to_string).collect();
            let apps = ContextApps::new(file.clone(), names).map_err(|failure| failure.message)?;
            let shown = apps.shown().map_err(|failure| failure.message)?;
            Ok(shown.into_iter().map(|(name, _)| name).collect())
        };
        assert_eq!(shown(&[]).unwrap(), ["dev", "eu", "us"]);
        assert_eq!(shown(&["prod"]).unwrap(), ["eu", "us"]);
        assert_eq!(shown(&["dev", "prod", "eu"]).unwrap(), ["dev", "eu", "us"]);
        assert!(shown(&["asia"]).unwrap_err().contains("no context \"asia\""));
    }
}
