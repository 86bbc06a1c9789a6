//! What a command connects to, and as whom: from a context, from flags, or from both.

mod flags;
mod material;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use app_core::clap::ArgMatches;
use app_ids::{AppId, DomainId, ServiceId};
use app_rpc::{Authorities, KeyPair, RpcName};

use crate::contexts::{Address, Addresses, Context, Place};
use crate::failure::Failure;

pub(crate) use self::flags::{
    connection_args, context_arg, context_file, direct_args, json_arg, positive_time,
};

/// The service of the admin interface, which every app has that links `app-rpc`.
pub(crate) const ADMIN: ServiceId = app_rpc::admin::APP_RPC_SERVICE_ID;

/// An app that can be asked.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) addresses: Vec<Address>,
    pub(crate) name: RpcName,
    pub(crate) key_pair: KeyPair,
    pub(crate) servers: Authorities,
    /// Where the certificate is, for what is said of it.
    pub(crate) cert: PathBuf,
    /// Where the authorities are.
    pub(crate) ca: PathBuf,
}

impl Target {
    /// As the command line says, with what is in the context where it says nothing.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        Self::load(&context_of(matches)?)
    }

    /// Reads what the context names.
    pub(crate) fn load(context: &Context) -> Result<Self, Failure> {
        for (name, id) in [("domain", context.domain.as_u64()), ("app", context.app.as_u64())] {
            if id == 0 {
                return Err(Failure::unusable(format!("the {name} id of the context must not be 0")));
            }
        }
        let service = context.service.unwrap_or(ADMIN);
        Ok(Self {
            addresses: context.address.0.clone(),
            name: RpcName { domain: context.domain, app: context.app, service },
            key_pair: material::key_pair(&context.key, &context.cert)?,
            servers: material::authorities(&context.ca, context.crl.as_deref())?,
            cert: context.cert.clone(),
            ca: context.ca.clone(),
        })
    }
}

/// The context that is meant, with what flags say in its place. Without a context the flags have to say all.
pub(crate) fn context_of(matches: &ArgMatches) -> Result<Context, Failure> {
    let given = Given::of(matches);
    if matches.get_one::<String>("context").is_none()
        && let Some(context) = given.clone().alone()
    {
        return Ok(context);
    }
    let place = Place::of(matches)?;
    let (_, context) = place.context()?;
    Ok(given.over(context))
}

/// What flags say.
#[derive(Debug, Clone)]
struct Given {
    address: Option<Addresses>,
    domain: Option<DomainId>,
    app: Option<AppId>,
    service: Option<ServiceId>,
    ca: Option<PathBuf>,
    crl: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Given {
    fn of(matches: &ArgMatches) -> Self {
        let path = |name: &str| matches.get_one::<PathBuf>(name).cloned();
        let address = matches.get_many::<Address>("address").map(|all| Addresses(all.cloned().collect()));
        Self {
            address,
            domain: matches.get_one("domain-id").copied(),
            app: matches.get_one("app-id").copied(),
            service: matches.get_one("service-id").copied(),
            ca: path("ca"),
            crl: path("crl"),
            cert: path("cert"),
            key: path("key"),
        }
    }

    /// A context of these alone, if they are all that it takes.
    fn alone(self) -> Option<Context> {
        Some(Context {
            address: self.address?,
            domain: self.domain?,
            app: self.app?,
            service: self.service,
            ca: self.ca?,
            crl: self.crl,
            cert: self.cert?,
            key: self.key?,
        })
    }

    fn over(self, context: Context) -> Context {
        Context {
            address: self.address.unwrap_or(context.address),
            domain: self.domain.unwrap_or(context.domain),
            app: self.app.unwrap_or(context.app),
            service: self.service.or(context.service),
            // Revocation lists are of the authorities beside them.
            crl: if self.ca.is_some() { self.crl } else { self.crl.or(context.crl) },
            ca: self.ca.unwrap_or(context.ca),
            cert: self.cert.unwrap_or(context.cert),
            key: self.key.unwrap_or(context.key),
        }
    }
}
