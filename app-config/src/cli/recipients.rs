//! The recipients that `config seal` seals for.

use std::sync::Arc;

use app_core::clap::{Arg, ArgAction, ArgMatches};

use super::NO_SEALER;
use super::input::identity;
use super::refused::Refused;
use crate::sealing::{Opener, Sealer};
use crate::secret::SecretBytes;

pub(super) const RECIPIENT: &str = "recipient";

/// The argument that names a recipient. Without a sealer there is none.
pub(super) fn recipient_arg() -> Option<Arg> {
    Sealer::linked()?;
    let arg = Arg::new(RECIPIENT).long("recipient").short('r').value_name("AGE1..").action(ArgAction::Append);
    Some(arg.help("Recipient to seal for; may be given several times"))
}

/// The recipients of a config, at least one, and what seals it.
pub(super) struct Recipients {
    sealer: Sealer,
    names: Vec<String>,
    /// They open the result, to compare it.
    identities: Option<Arc<dyn Opener>>,
}

impl Recipients {
    /// What the command line says; `None` with `--plain`.
    pub(super) fn read(matches: &ArgMatches) -> Result<Option<Self>, Refused> {
        let plain = matches.get_flag("plain");
        let Some(sealer) = Sealer::linked() else {
            let refused = || Refused::usage(format!("{NO_SEALER}, or pass --plain"));
            return if plain { Ok(None) } else { Err(refused()) };
        };
        let identities = identity(matches).map(|file| sealer.read_file(file));
        let identities = identities.transpose().map_err(Refused::config)?;
        if plain {
            return Ok(None);
        }
        let mut names = Vec::new();
        for (i, text) in matches.get_many::<String>(RECIPIENT).into_iter().flatten().enumerate() {
            let refuse = |error| Refused::usage(format!("recipient {}: {error}", i + 1));
            names.push((sealer.recipient)(text).map_err(refuse)?);
        }
        if names.is_empty() {
            names.extend(identities.iter().flat_map(|identities| identities.recipients()));
        }
        if names.is_empty() {
            return Err(Refused::usage(
                "there is no recipient to seal for: name one with --recipient age1.. (config keygen makes one) or --identity FILE; --plain does not seal",
            ));
        }
        Ok(Some(Self { sealer, names, identities }))
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.names.len()
    }

    /// Seals content. If one of the identities opens it, it is opened again and compared.
    pub(super) fn seal(&self, plain: &SecretBytes) -> Result<SecretBytes, Refused> {
        let sealed = (self.sealer.seal)(plain, &self.names).map_err(Refused::config)?;
        if let Some(identities) = &self.identities
            && identities.recipients().iter().any(|ours| self.names.contains(ours))
        {
            let opened = identities.open(&sealed).map_err(Refused::config)?;
            if opened[..] != plain[..] {
                return Err(Refused::config(
                    "the sealed config does not open to the same content: nothing was written",
                ));
            }
        }
        Ok(sealed.into())
    }
}
