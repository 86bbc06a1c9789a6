//! What the program was built from, and how.

use super::Registrar;
use crate::MetricDoc;
use app_core::prelude::*;
use app_core::{APP_SERVICE, Package};

ids! {
    /// The program and its build: gauge vector, always 1. Labels: `name` and `version` of the application, `platform`,
    /// `rustc`, `target`, `profile`.
    pub BUILD_INFO: MetricId = 0x3294_38b8_07f4_dc4a, "build_info";
}

const BUILD: MetricDoc = MetricDoc::gauge_vector(
    APP_SERVICE,
    BUILD_INFO,
    "The program and how it was built: always 1.",
    &[
        ("name", "the package of the application"),
        ("version", "the version of that package; `service_info` has those of services"),
        ("platform", "the version of the platform"),
        ("rustc", "the version of the compiler"),
        ("target", "the target of the build, such as `x86_64-unknown-linux-gnu`"),
        ("profile", "`release` or `debug`"),
    ],
)
.unit("1")
.meaning("The label `release` of every metric has the release id.")
.queries(&[
    ("Instances by release and compiler", "count by (release, version, rustc) (METRIC)"),
    ("Instances that were not built for production", "METRIC{profile!=\"release\"}"),
]);

crate::document! { BUILD }

/// Version of the compiler that built this program, such as `1.95.0`.
pub const RUSTC_VERSION: &str = env!("BUILD_RUSTC");

/// Registers and sets the metric, once.
pub(super) fn register(registrar: &Registrar<'_>, package: &Package) -> Result<(), Error> {
    let platform = env!("CARGO_PKG_VERSION");
    let (rustc, target, profile) = (RUSTC_VERSION, env!("BUILD_TARGET"), env!("BUILD_PROFILE"));
    registrar
        .identity(&BUILD)?
        .with([package.name(), package.version(), platform, rustc, target, profile])?
        .set(1.0);
    Ok(())
}
