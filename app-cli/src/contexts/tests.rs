//! Files of contexts: valid ones, and the errors about others.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::failure::Status;

const TWO: &str = r#"{
    "contexts": {
        "dev": { "address": "192.0.2.1:1", "domain": "0xd0", "app": "a0", "ca": "ca.pem", "cert": "me.pem", "key": "/k/me.key" },
        "prod": { "address": ["[2001:db8::1]:1", "b.example:2"], "domain": "0xd1", "app": "0xa1", "service": "0x5e",
            "ca": "../ca.pem", "crl": "crl.pem", "cert": "me.pem", "key": "me.key" }
    },
    "current": "dev"
}"#;

fn place(folder: &Path, content: &str, name: Option<&str>) -> Place {
    let file = folder.join("contexts.json");
    fs::write(&file, content).unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    Place { file, name: name.map(str::to_owned) }
}

fn refusal(content: &str, name: Option<&str>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let failure = place(folder.path(), content, name).context().unwrap_err();
    assert_eq!(failure.status, Status::Unusable);
    assert!(failure.message.contains("contexts.json") && !failure.message.contains('\n'), "{failure:?}");
    failure.message
}

#[test]
fn the_one_named_is_meant_or_else_the_current_one() {
    let folder = tempfile::tempdir().unwrap();
    let (name, dev) = place(folder.path(), TWO, None).context().unwrap();
    assert_eq!((name.as_str(), dev.domain, dev.app), ("dev", DomainId::new(0xd0), AppId::new(0xa0)));
    let (name, prod) = place(folder.path(), TWO, Some("prod")).context().unwrap();
    assert_eq!(name, "prod");
    assert_eq!(prod.address.to_string(), "[2001:db8::1]:1, b.example:2");
    assert_eq!(prod.service, Some(ServiceId::new(0x5e)));
}

#[test]
fn paths_are_relative_to_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let (_, dev) = place(folder.path(), TWO, None).context().unwrap();
    assert_eq!((dev.ca, dev.key), (folder.path().join("ca.pem"), PathBuf::from("/k/me.key")));
    let (_, prod) = place(folder.path(), TWO, Some("prod")).context().unwrap();
    assert_eq!(prod.ca, folder.path().join("../ca.pem"));
    assert_eq!(prod.crl, Some(folder.path().join("crl.pem")));
}

#[test]
fn what_is_not_as_it_should_be_is_said() {
    let of = |field: &str, value: &str| {
        let mut all = BTreeMap::from([
            ("address", "\"h:1\""),
            ("domain", "\"0x1\""),
            ("app", "\"0x2\""),
            ("ca", "\"a\""),
            ("cert", "\"b\""),
            ("key", "\"c\""),
        ]);
        all.insert(field, value);
        let fields: Vec<_> = all.iter().map(|(field, value)| format!("\"{field}\": {value}")).collect();
        format!("{{\"contexts\": {{\"one\": {{{}}}}}}}", fields.join(", "))
    };
    for (content, said) in [
        (of("keys", "1"), "unknown field `keys`, expected one of `address`"),
        (of("address", "[]"), "the list needs an address"),
        (of("address", "\"nowhere\""), "is not an address; expected HOST:PORT"),
        (of("address", "\"h:0\""), "is not an address"),
        (of("address", "\"a b:1\""), "is not an address"),
        (of("domain", "17"), "hexadecimal string"),
        (of("ca", "null"), "expected path string"),
        ("{\"contexts\": {\"a\": {}}}".to_owned(), "missing field `address`"),
        ("{\"contexts\": {}, \"more\": 1}".to_owned(), "unknown field `more`"),
        ("{\"contexts\": {}}".to_owned(), "there are none; add one with: appctl context add"),
        ("{".to_owned(), "line 1 column 1"),
        (String::new(), "line 1 column 0"),
        (TWO.replace("prod", "dev"), "context \"dev\" is there twice"),
        (TWO.replace("\"prod\"", "\"pr#od\""), "cannot be the name of a context"),
        (TWO.replace("\"dev\"\n", "\"gone\"\n"), "has no context \"gone\"; it has: dev, prod"),
        (TWO.replace(",\n    \"current\": \"dev\"", ""), "none is current: dev, prod; choose one with"),
    ] {
        let refused = refusal(&content, None);
        assert!(refused.contains(said), "{content}: {refused}");
    }
    assert!(refusal(TWO, Some("tset")).contains("has no context \"tset\"; it has: dev, prod"));
}

#[test]
fn a_file_that_is_none_or_anybodys_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = Place { file: folder.path().join("none.json"), name: None }.context().unwrap_err();
    assert!(missing.message.contains("no context: there is no file") && missing.message.contains(CURE));
    let of_folder = Place { file: folder.path().to_owned(), name: None }.context().unwrap_err();
    assert!(of_folder.message.ends_with("is not a regular file"), "{of_folder:?}");
    let place = place(folder.path(), TWO, None);
    fs::set_permissions(&place.file, Permissions::from_mode(0o606)).unwrap();
    let anybodys = place.context().unwrap_err();
    assert!(anybodys.message.contains("chmod o-w "), "{anybodys:?}");
    fs::write(&place.file, " ".repeat(1024 * 1024 + 1)).unwrap();
    fs::set_permissions(&place.file, Permissions::from_mode(0o600)).unwrap();
    assert!(place.context().unwrap_err().message.ends_with("has more than 1048576 bytes"));
}

#[test]
fn a_place_is_a_file_a_name_or_both() {
    let of = |asked| Place::resolve(Some(asked), None).unwrap();
    assert_eq!(of("a/b.json"), Place { file: "a/b.json".into(), name: None });
    assert_eq!(of("a/b.json#prod"), Place { file: "a/b.json".into(), name: Some("prod".to_owned()) });
    assert_eq!(of("#prod").name.as_deref(), Some("prod"));
    assert!(of("#prod").file.ends_with("appctl/contexts.json"));
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join("team#1.json");
    fs::write(&odd, TWO).unwrap();
    let odd = odd.to_str().unwrap();
    assert_eq!(of(odd), Place { file: odd.into(), name: None }, "a file may have a # in its name");
    assert_eq!(of(&format!("{odd}#prod")).file, Path::new(odd));
}

#[test]
fn a_name_alone_is_of_the_file_that_is_set() {
    let of = |asked, set| Place::resolve(Some(asked), Some(set)).unwrap();
    let prod = Place { file: "ctx.json".into(), name: Some("prod".to_owned()) };
    assert_eq!(of("#prod", "ctx.json"), prod);
    assert_eq!(of("#prod", "ctx.json#dev"), prod, "the flag's name goes before that of the variable");
    assert!(of("#prod", "#dev").file.ends_with("appctl/contexts.json"));
    assert_eq!(of("other.json", "ctx.json#dev"), Place { file: "other.json".into(), name: None });
    for wrong in ["", "#", "ctx.json#"] {
        let failure = Place::resolve(Some(wrong), None).unwrap_err();
        assert_eq!(failure.status, Status::Usage, "{failure:?}");
        assert!(failure.message.ends_with("use FILE, FILE#NAME or #NAME"), "{failure:?}");
    }
}

#[test]
fn a_file_is_replaced_in_its_place_with_its_permissions_and_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path(), TWO, None);
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&place.file, &link).unwrap();
    fs::set_permissions(&place.file, Permissions::from_mode(0o640)).unwrap();
    let mut contexts = read(&link).unwrap();
    contexts.current = Some("prod".to_owned());
    write(&link, &contexts).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&place.file).unwrap().permissions().mode() & 0o777, 0o640);
    assert_eq!(read(&place.file).unwrap(), contexts);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let new = folder.path().join("new/contexts.json");
    write(&new, &contexts).unwrap();
    assert_eq!(fs::metadata(&new).unwrap().permissions().mode() & 0o777, 0o600);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        names in prop::collection::btree_set("[^#]{1,12}", 1..4),
        domain in 1..u64::MAX,
        host in "[a-z][a-z0-9.-]{0,20}",
        port in 1..u16::MAX,
        several in any::<bool>(),
        service in prop::option::of(1..u64::MAX),
        path in "[^\0]{1,20}",
    ) {
        let address = Addresses((0..=usize::from(several)).map(|_| format!("{host}:{port}").parse().unwrap()).collect());
        let context = Context {
            address, domain: DomainId::new(domain), app: AppId::new(!domain), service: service.map(ServiceId::new),
            ca: path.clone().into(), crl: service.map(|_| path.clone().into()), cert: path.clone().into(), key: path.into(),
        };
        let current = names.first().cloned();
        let groups = BTreeMap::from([("a group of all contexts".to_owned(), names.iter().cloned().collect())]);
        let contexts = names.into_iter().map(|name| (name, context.clone())).collect();
        let contexts = Contexts { contexts, groups, current };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("contexts.json");
        write(&file, &contexts).unwrap();
        prop_assert_eq!(read(&file).unwrap(), contexts);
    }

    #[test]
    fn no_text_is_read_with_a_panic(text in any::<String>()) {
        let _ = serde_json::from_str::<Contexts>(&text);
        let _ = text.parse::<addresses::Address>();
    }
}
