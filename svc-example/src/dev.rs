//! `--dev`: makes throwaway certificates and configs for RPC, and prints commands to try.
//!
//! Do not copy this module. A real service gets its certificates and configs from its operator, who makes them with
//! `appctl pki` and `appctl config seal`. This module calls the same code and is as strict: certificates on both sides, a
//! revocation list, sealed configs, and three clients with different roles.

mod configs;
mod files;
mod ports;
mod tour;

use std::io::{self, Write};
use std::process::ExitCode;

use app_config::sealing::SealingFlags;
use app_core::{AppBuilder, ExitStatus, Flags};

use self::files::Folder;
use self::ports::Ports;

/// The domain id and the app id if no flag sets them.
const DOMAIN: u64 = 0xd0;
const APP: u64 = 0xa0;

/// The text of an error, for people.
type Problem = String;

/// Makes the files, prints the commands to try, runs the service, and removes the files.
pub(crate) fn run(builder: AppBuilder, mut flags: Flags, port: u16, nats: Option<&str>) -> ExitCode {
    let prepared = prepare(&mut flags, port, nats).and_then(|(folder, tour)| {
        let mut out = io::stdout().lock();
        let written = out.write_all(tour.as_bytes()).and_then(|()| out.flush());
        written.map(|()| folder).map_err(|error| format!("standard output can't be written: {error}"))
    });
    match prepared {
        // The folder is dropped, and so removed, after the service has ended.
        Ok(_folder) => builder.flags(flags).run(),
        Err(problem) => {
            // If this fails, there is no place left to report it.
            let _ = writeln!(io::stderr(), "--dev: {}", app_errors::one_line(&problem));
            ExitStatus::StartFailed.into()
        }
    }
}

fn prepare(flags: &mut Flags, port: u16, nats: Option<&str>) -> Result<(Folder, String), Problem> {
    if flags.domain_id.as_u64() == 0 {
        flags.domain_id = DOMAIN.into();
    }
    if flags.app_id.as_u64() == 0 {
        flags.app_id = APP.into();
    }
    let folder = Folder::new()?;
    let ports = Ports::find(port)?;
    configs::make(&folder, flags, &ports, nats)?;
    flags.config_dir = folder.configs();
    let mut sealing = SealingFlags::default();
    sealing.require_sealed = true;
    flags.set_group(sealing);
    let tour = tour::text(&folder, flags, &ports, nats)?;
    Ok((folder, tour))
}
