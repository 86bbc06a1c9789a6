//! The app that a command asks, and the certificate that it shows: from a context, from flags, or from both.

mod files;
mod flags;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use app_core::clap::ArgMatches;
use app_ids::{AppId, DomainId, ServiceId};
use app_rpc::{Authorities, KeyPair, RpcName};

use crate::contexts::{Address, Addresses, Context, Place};
use crate::failure::{Failure, Status};

pub(crate) use self::flags::{
    connection_args, context_arg, context_file, direct_args, json_arg, positive_time,
};

/// The service of the admin interface. Every app that links `app-rpc` has it.
pub(crate) const ADMIN: ServiceId = app_rpc::admin::APP_RPC_SERVICE_ID;

/// An app, with all that is needed to connect to it.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) addresses: Vec<Address>,
    pub(crate) name: RpcName,
    pub(crate) key_pair: KeyPair,
    pub(crate) servers: Authorities,
    /// Path of the certificate, for error texts.
    pub(crate) cert: PathBuf,
    /// Path of the authorities, for error texts.
    pub(crate) ca: PathBuf,
}

impl Target {
    /// The target of a command line. Fields without a flag come from the context.
    pub(crate) fn of(matches: &ArgMatches) -> Result<Self, Failure> {
        Self::load(&context_of(matches)?)
    }

    /// Reads the files that the context names.
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
            key_pair: files::key_pair(&context.key, &context.cert)?,
            servers: files::authorities(&context.ca, context.crl.as_deref())?,
            cert: context.cert.clone(),
            ca: context.ca.clone(),
        })
    }
}

/// The context of a command line, with the fields that flags override. Without a context, the flags must give all fields.
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

/// The contexts of a command line that asks several apps, each with the fields that flags override.
pub(crate) fn several_contexts(matches: &ArgMatches) -> Result<Vec<(Option<String>, Context)>, Failure> {
    let (given, group) = (Given::of(matches), matches.get_one::<String>("group").map(String::as_str));
    if matches.get_one::<String>("context").is_none()
        && group.is_none()
        && let Some(context) = given.clone().alone()
    {
        return Ok(vec![(None, context)]);
    }
    let mut place = Place::of(matches)?;
    if group.is_none() && place.name.is_none() && given.address.is_some() {
        // The addresses are of one app: the current one.
        place.name = Some(place.read()?.1);
    }
    let contexts = place.several(group)?;
    if contexts.len() > 1 && given.address.is_some() {
        let why = "--address: names instances of one app, and several contexts are meant; leave it out, or name one context";
        return Err(Failure::new(Status::Usage, why));
    }
    Ok(contexts.into_iter().map(|(name, context)| (Some(name), given.clone().over(context))).collect())
}

/// The fields of a context that flags give.
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

    /// A context made of flags only, if they give all required fields.
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
            // A revocation list belongs to the authorities. Other authorities need other lists.
            crl: if self.ca.is_some() { self.crl } else { self.crl.or(context.crl) },
            ca: self.ca.unwrap_or(context.ca),
            cert: self.cert.unwrap_or(context.cert),
            key: self.key.unwrap_or(context.key),
        }
    }
}
