//! `--dev`: everything that RPC needs, made on the spot and thrown away, and what to try with it.
//!
//! Nothing here is for a service to copy: a real one gets its certificates and configs from whoever operates it, made with
//! `appctl pki` and `appctl config seal`. What is made here is made by the same code, and is as strict: certificates on both sides,
//! revocation lists, sealed configs, three clients of which each may do something else.

mod configs;
mod files;
mod ports;
mod tour;

use std::io::{self, Write};
use std::process::ExitCode;

use app_core::{ExitStatus, Flags, Package};

use self::files::Folder;
use self::ports::Ports;

/// The domain and the application, unless flags say otherwise.
const DOMAIN: u64 = 0xd0;
const APP: u64 = 0xa0;

/// Why it can't be tried here, for people.
type Problem = String;

/// Makes what is needed, says what to try, runs the service, and throws it all away.
pub(crate) fn run(package: Package, mut flags: Flags, port: u16) -> ExitCode {
    let prepared = prepare(&mut flags, port).and_then(|(folder, tour)| {
        let mut out = io::stdout().lock();
        let written = out.write_all(tour.as_bytes()).and_then(|()| out.flush());
        written.map(|()| folder).map_err(|error| format!("what to try can't be printed: {error}"))
    });
    match prepared {
        // The folder is gone when it is dropped: after the service has ended.
        Ok(_folder) => package.run_with(flags),
        Err(problem) => {
            // Nobody to tell when this fails.
            let _ = writeln!(io::stderr(), "--dev: {}", app_errors::one_line(&problem));
            ExitStatus::StartFailed.into()
        }
    }
}

fn prepare(flags: &mut Flags, port: u16) -> Result<(Folder, String), Problem> {
    if flags.domain_id.as_u64() == 0 {
        flags.domain_id = DOMAIN.into();
    }
    if flags.app_id.as_u64() == 0 {
        flags.app_id = APP.into();
    }
    let folder = Folder::new()?;
    let ports = Ports::find(port)?;
    configs::make(&folder, flags, &ports)?;
    flags.config_dir = folder.configs();
    flags.require_sealed = true;
    let tour = tour::text(&folder, &ports)?;
    Ok((folder, tour))
}
