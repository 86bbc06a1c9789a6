//! The config: reads the struct `Config` of the schema into the type that the code uses.

use app_config::{Config, Problems};
use app_core::prelude::*;

use crate::MY_SERVICE;
use crate::api_capnp::config;

/// The config of the service. Every value of this type is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MyServiceConfig {
    /// The word before the name of a guest.
    pub greeting: String,
    /// The longest name of a guest, in bytes.
    pub most_bytes: usize,
}

app_config::config! { MyServiceConfig, "How guests are greeted." }

app_config::schema_docs! { crate::DOCS }

impl Config for MyServiceConfig {
    const SERVICE: ServiceId = MY_SERVICE;
    type Schema = config::Owned;

    // Each problem is added, so that one start shows all of them.
    fn read(spec: config::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let greeting = problems.at("greeting").text(spec.get_greeting())?;
        if !(1..=100).contains(&greeting.len()) {
            problems
                .at("greeting")
                .add_found("must have 1 to 100 bytes", greeting.len());
        }
        let most_bytes = spec.get_most_bytes();
        if !(1..=1000).contains(&most_bytes) {
            problems
                .at("mostBytes")
                .add_found("must be from 1 to 1000", most_bytes);
        }
        Some(Self {
            greeting: greeting.to_owned(),
            most_bytes: most_bytes as usize,
        })
    }

    /// The defaults of the schema.
    fn without_file() -> Self {
        Self {
            greeting: "Hello".to_owned(),
            most_bytes: 100,
        }
    }
}
