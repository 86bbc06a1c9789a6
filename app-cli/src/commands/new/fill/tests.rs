//! What the files of a new workspace are.

use std::collections::BTreeSet;

use super::*;
use crate::commands::new::templates::{MINIMAL, SERVICE, WORKSPACE};

fn name(name: &str) -> NewName {
    NewName::parse(name, &[]).unwrap()
}

fn folder() -> Platform {
    Platform::Folder("/home/ann/the platform".to_owned())
}

fn git() -> Platform {
    Platform::Git { url: "https://git.example.com/p.git".to_owned(), at: Some(("rev", "9c1f0e7".to_owned())) }
}

fn all(name: &NewName, platform: &Platform) -> Files {
    let filling = Filling::new(name, Some(platform));
    let mut files = filling.files(WORKSPACE, "");
    files.extend(filling.files(SERVICE, &format!("{}/", name.service_crate())));
    files.extend(filling.files(MINIMAL, "minimal/"));
    files
}

#[test]
fn nothing_is_left_to_fill_in() {
    for platform in [folder(), git()] {
        let files = all(&name("rate-limits"), &platform);
        assert!(files.contains_key("svc-rate-limits/src/service.rs"), "{:?}", files.keys());
        assert!(files.contains_key("deploy/rate-limits.service"), "{:?}", files.keys());
        for (path, text) in &files {
            for left in [
                "my-app",
                "my_app",
                "MY_",
                "my-service",
                "my_service",
                "MyService",
                "@version",
                "@platform",
                "@docker",
                "@ci-",
                "@rust-",
                "0x9d00",
            ] {
                assert!(!text.contains(left) && !path.contains(left), "{path}: {left}");
            }
            assert!(text.ends_with('\n') && !text.contains("\n\n\n\n"), "{path}");
        }
        for text in [&files["Cargo.toml"], &files["minimal/Cargo.toml"]] {
            assert!(!text.contains("\"*\"") && text.contains("rust-version = \"1."), "{text}");
        }
    }
}

#[test]
fn the_platform_is_a_folder_or_a_repository() {
    let files = all(&name("shop"), &folder());
    let manifest = &files["Cargo.toml"];
    assert!(manifest.contains("\napp-core = { path = \"/home/ann/the platform/app-core\" }\n"), "{manifest}");
    assert!(
        manifest
            .contains("\nrustls-native-certs = { path = \"/home/ann/the platform/app-tls/native-certs\" }\n")
    );
    let image = &files["Dockerfile"];
    assert!(
        image.contains("docker build --build-context platform='/home/ann/the platform' --tag shop:0.1.0 ."),
        "{image}"
    );
    assert!(image.contains(
        "COPY --from=platform --exclude=target --exclude=.git [\".\",\"/home/ann/the platform\"]\nRUN "
    ));
    assert!(
        files[".github/workflows/ci.yml"].contains("Needs the platform in the folder /home/ann/the platform")
    );
    let files = all(&name("shop"), &git());
    let manifest = &files["Cargo.toml"];
    let git = "{ git = \"https://git.example.com/p.git\", rev = \"9c1f0e7\" }";
    assert!(manifest.contains(&format!("\napp-core = {git}\n")), "{manifest}");
    assert!(manifest.contains(&format!("\nrustls-native-certs = {git}\n")), "{manifest}");
    assert!(files["Dockerfile"].contains("docker build --tag shop:0.1.0 ."));
}

#[test]
fn every_id_is_new_in_each_workspace() {
    let ids = |files: &Files| -> BTreeSet<u64> {
        let text = &files["svc-shop/src/ids.rs"];
        let hex = text.split("0x").skip(1).map(|rest| rest[..19].replace('_', ""));
        hex.map(|hex| u64::from_str_radix(&hex, 16).unwrap()).collect()
    };
    let (one, two) = (ids(&all(&name("shop"), &folder())), ids(&all(&name("shop"), &folder())));
    assert_eq!((one.len(), two.len()), (4, 4));
    assert!(one.is_disjoint(&two));
}

#[test]
fn an_id_is_one_in_the_schema_in_the_code_and_in_the_deployment() {
    let files = all(&name("shop"), &folder());
    let ids = &files["svc-shop/src/ids.rs"];
    let (_, id) = ids.split_once("SHOP: ServiceId = ServiceId::new(").unwrap();
    let file = id[..21].replace('_', "");
    assert!(files["deploy/kubernetes.yaml"].contains(&format!("--from-file={file}\n")), "{file}");
    let (_, config) = files["svc-shop/capnp/api.capnp"].split_once("struct Config @").unwrap();
    let id = u64::from_str_radix(&config[2..18], 16).unwrap();
    let generated = &files["svc-shop/src/generated/api_capnp.rs"];
    assert!(generated.contains(&grouped(id)) && generated.contains(&as_bytes(id)), "{id:#x}");
    assert!(files["svc-shop/src/generated/docs.rs"].contains(&format!("{id:#018x}")));
}

#[test]
fn tables_are_sorted_by_id() {
    let text = "head\n\n    (0xb000000000000001, \"\", 1),\n    (0xb000000000000001, \"a\", 2),\n    (0xa000000000000001, \"\", 3),\n];\n";
    let sorted = "head\n\n    (0xa000000000000001, \"\", 3),\n    (0xb000000000000001, \"\", 1),\n    (0xb000000000000001, \"a\", 2),\n];\n";
    assert_eq!(sorted_by_id(text), sorted);
    assert_eq!(sorted_by_id("no id\n"), "no id\n");
}
