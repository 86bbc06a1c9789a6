//! What this crate contributes to `app-config`.

use std::path::Path;
use std::sync::Arc;

use app_config::SecretBytes;
use app_config::sealing::{ConfigCommand, NamedFile, OpenError, Opener, Sealer, SealerError};
use app_core::Flags;

use crate::cli;
use crate::flags::IdentityFlags;
use crate::identities::ConfigIdentities;
use crate::key::{KeyError, Recipient};
use crate::open::open;
use crate::seal::seal;

inventory::submit! {
    Sealer {
        named,
        read: |file| Ok(Arc::new(ConfigIdentities::read(file)?)),
        recipient: |text| Ok(text.parse::<Recipient>()?.to_string()),
        seal: seal_for,
        keygen: ConfigCommand { command: cli::keygen_command, run: cli::keygen },
        recipients: ConfigCommand { command: cli::recipients_command, run: cli::recipients },
    }
}

fn named(flags: &Flags) -> Option<NamedFile> {
    // The flag has a default, so a group that was not set is not an error.
    let path = flags.group::<IdentityFlags>().ok()?.config_identity.clone()?;
    Some(NamedFile { path, source: flags.group_source::<IdentityFlags>("config_identity") })
}

fn seal_for(plain: &[u8], recipients: &[String]) -> Result<Vec<u8>, SealerError> {
    let recipients = recipients.iter().map(|text| text.parse()).collect::<Result<Vec<_>, KeyError>>()?;
    Ok(seal(plain, &recipients)?)
}

impl Opener for ConfigIdentities {
    fn open(&self, sealed: &[u8]) -> Result<SecretBytes, OpenError> {
        open(sealed, self)
    }

    fn identities(&self) -> usize {
        self.len()
    }

    fn file(&self) -> &Path {
        self.file()
    }

    fn recipients(&self) -> Vec<String> {
        self.recipients().iter().map(ToString::to_string).collect()
    }

    fn warnings(&self) -> &[String] {
        self.warnings()
    }
}
