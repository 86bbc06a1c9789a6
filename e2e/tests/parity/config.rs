//! Configs: the directory and its files, writing and reading messages, the handle of the service.

use std::{fs, path::Path};

use app_config::{CONFIG_SERVICE_ID, ConfigDir, Configs};
use app_core::{Flags, testing::TestApp};
use app_errors::errors;
use app_ids::ServiceId;
use quota_schema::quota_capnp::quota_spec;

use super::current::CurrentApp;

const SERVICE: ServiceId = ServiceId::new(0xe492_14fa_20b3_5ba8);

/// The content of a config file with one rule of this name.
fn file(rule: &str) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<quota_spec::Builder<'_>>().init_rules(1).get(0).set_name(rule);
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    file
}

fn rule_in(message: &app_config::codec::Message) -> String {
    let spec: quota_spec::Reader<'_> = message.get_root().unwrap();
    spec.get_rules().unwrap().get(0).get_name().unwrap().to_string().unwrap()
}

#[test]
fn what_marshal_writes_unmarshal_reads() {
    let file = file("mails");
    assert_eq!(file[0] & 0x0f, 8, "zlib");
    assert_eq!(rule_in(&app_config::codec::unmarshal(&*file).unwrap()), "mails");
    assert!(app_config::codec::unmarshal(&b"no config"[..]).is_err());
}

#[tokio::test(start_paused = true)]
async fn configs_are_files_of_the_directory_named_by_their_service() {
    assert_eq!(Flags::default().config_dir, Path::new("/run/secrets"));
    let app = CurrentApp::start(TestApp::builder().linked([CONFIG_SERVICE_ID])).await;
    assert_eq!(app_config::compat::config_dir().unwrap(), app.config_dir());
    assert!(app_config::compat::config_dir_exists().unwrap());
    assert_eq!(app_config::compat::service_config_id(SERVICE), "0xe49214fa20b35ba8");
    let path = app_config::compat::service_config_path(SERVICE).unwrap();
    assert_eq!(path, app.config_dir().join("0xe49214fa20b35ba8"));

    assert!(!app_config::compat::service_config_exists(SERVICE).unwrap());
    assert!(app_config::compat::config(SERVICE).unwrap().is_none());
    fs::write(&path, file("mails")).unwrap();
    assert!(app_config::compat::service_config_exists(SERVICE).unwrap());
    assert_eq!(app_config::compat::config_service_ids().unwrap(), [SERVICE]);
    assert_eq!(rule_in(&app_config::compat::config(SERVICE).unwrap().unwrap()), "mails");
    assert_eq!(rule_in(&app.get::<Configs>().config(SERVICE).unwrap().unwrap()), "mails");

    fs::write(&path, "no config").unwrap();
    let Err(refused) = app_config::compat::config(SERVICE) else { panic!("never read as \"no config\"") };
    assert!(refused.is(&errors::CONFIG_FAILURE) && refused.to_string().contains("0xe49214fa20b35ba8"));
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_test_sets_the_directory_of_its_app() {
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().to_owned();
    // An unlinked service, because the config of a linked service must match its schema.
    let unlinked = ServiceId::new(0x5e);
    fs::write(ConfigDir::new(&path).file(unlinked), file("mails")).unwrap();
    let builder =
        TestApp::builder().linked([CONFIG_SERVICE_ID]).flags(|flags| flags.config_dir = path.clone());
    let app = builder.start().await;
    assert_eq!(app.get::<Configs>().dir().path(), path);
    assert_eq!(app.get::<Configs>().dir().service_ids().unwrap(), [unlinked]);
    app.stop().await.expect_clean();
}
