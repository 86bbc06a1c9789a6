//! `--check` of a program whose services can't start: a service is missing, no config is wrong.

use std::process::ExitCode;

use app_core::{ExitStatus, Flags, prelude::*, run_with};

const MISSING: ServiceId = ServiceId::new(0xa90e_33a0_5f1d_7c42);
const ORPHAN: ServiceId = ServiceId::new(0x8b6c_02d7_e4f9_1a35);

struct Missing;

impl Exposed for Missing {
    const SERVICE: ServiceId = MISSING;
}

app_core::service! { id: ORPHAN, name: "orphan", start: start }

async fn start(_missing: Dep<Missing>) -> Result<(), Error> {
    Ok(())
}

#[test]
fn a_program_that_lacks_a_service_fails_its_check_with_the_status_of_a_failed_start() {
    let mut flags = Flags::with_config_dir("/nonexistent");
    flags.check = true;
    assert_eq!(run_with(flags), ExitCode::from(ExitStatus::StartFailed));
    assert_eq!(ExitStatus::StartFailed.code(), 1);
}
