//! A schema of one's own, as a crate outside of this workspace has it: `docs/SCHEMAS.md` shows the same files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::env;

use app_build::{SchemaError, Schemas};
use app_config::author::{compile, explain};
use app_config::{Config, Configured, Problems};
use app_core::prelude::*;
use app_core::testing::TestApp;

// In a crate: include!("generated/schemas.rs");
include!("mail/src/generated/schemas.rs");

use self::mail_capnp::mail_spec;

const MAIL: ServiceId = ServiceId::new(0xa9dc_fee9_ce45_8324);

app_core::service! { id: MAIL, name: "mail", start: start }
app_config::config! { MailConfig, "How mail is sent." }
app_config::schema_docs! { DOCS }

struct MailConfig {
    per_minute: u32,
    footer: String,
}

impl Config for MailConfig {
    const SERVICE: ServiceId = MAIL;
    type Schema = mail_spec::Owned;

    fn read(spec: mail_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let per_minute = spec.get_per_minute();
        if per_minute == 0 {
            problems.at("perMinute").add("must be at least 1");
        }
        let footer = problems.at("footer").text(spec.get_footer())?.to_owned();
        Some(Self { per_minute, footer })
    }

    fn without_file() -> Self {
        Self { per_minute: 60, footer: String::new() }
    }
}

async fn start(service: Service, config: Configured<MailConfig>) -> Result<(), Error> {
    info!(service.log(), "sending"; "per_minute" => config.per_minute, "footer" => &config.footer);
    Ok(())
}

const PAGE: &str = include_str!("../../docs/SCHEMAS.md");

/// The code blocks of the page in this language.
fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    PAGE.split(&begin).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[tokio::test]
async fn a_service_has_a_config_of_its_own_schema() {
    let app = TestApp::with([MAIL]).await;
    assert!(app.captured().text().contains("\"per_minute\":60"), "{}", app.captured().text());
    app.stop().await.expect_clean();
}

#[test]
fn the_config_is_explained_and_checked() {
    let schema =
        app_config::ConfigSchema::linked().into_iter().find(|schema| schema.service() == MAIL).unwrap();
    let page = explain(&schema);
    assert!(page.contains("How many mails it sends in a minute."), "{page}");
    assert!(compile(&schema, r#"{ "perMinute": 5, "footer": "Bye." }"#, None).is_ok());
    let problems = compile(&schema, r#"{ "perMinute": 0 }"#, None).unwrap_err();
    assert!(problems.to_string().contains("perMinute: must be at least 1"), "{problems}");
}

#[test]
fn the_page_has_these_files() {
    assert_eq!(blocks("capnp"), [include_str!("mail/capnp/mail.capnp")]);
    let code = blocks("rust");
    let (this, mut compared) = (include_str!("own_schema.rs"), 0);
    for line in code.iter().filter(|block| block.contains("impl Config")).flat_map(|block| block.lines()) {
        assert!(this.contains(line), "{line}");
        compared += 1;
    }
    assert!(compared > 20, "{compared} lines of {code:?}");
}

#[test]
fn the_generated_code_is_fresh() {
    match Schemas::in_folder("tests/mail/capnp").check("tests/mail/src/generated") {
        Ok(()) => {}
        Err(SchemaError::NoProgram) if env::var("REQUIRE_TOOLS").as_deref() != Ok("1") => {
            eprintln!("SKIPPED: {}", SchemaError::NoProgram);
        }
        Err(error) => panic!("{error}"),
    }
}
