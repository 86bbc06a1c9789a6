//! The check of a directory reports every problem of every file.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use capnp::message::Builder;
use quota_schema::quota_capnp::quota_spec;

use super::*;
use crate::codec::marshal;
use crate::problems::Problems;
use crate::value::Config;

struct Quota;

impl Config for Quota {
    const SERVICE: ServiceId = ServiceId::new(0x1f);
    type Schema = quota_spec::Owned;

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut rules = problems.at("rules");
        for (index, rule) in rules.value(spec.get_rules())?.iter().enumerate() {
            if rule.get_permits() == 0 {
                rules.index(index).field("permits").add("must not be 0");
            }
        }
        Some(Self)
    }

    fn without_file() -> Self {
        Self
    }
}

struct Other;

impl Config for Other {
    const SERVICE: ServiceId = ServiceId::new(0x2f);
    type Schema = quota_spec::Owned;

    fn read(_: quota_spec::Reader<'_>, _: &mut Problems) -> Option<Self> {
        Some(Self)
    }

    fn without_file() -> Self {
        Self
    }
}

/// A service that runs, and has no registered schema.
const UNREGISTERED: ServiceId = ServiceId::new(0x4f);

const SCHEMAS: [ConfigSchema; 2] =
    [ConfigSchema::of::<Quota>("Quota.", "quota.rs", 1), ConfigSchema::of::<Other>("Other.", "other.rs", 2)];

fn put(dir: &Path, name: &str, content: &[u8]) {
    let path = dir.join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

fn quota(permits: &[u32]) -> Vec<u8> {
    let mut message = Builder::new_default();
    let count = u32::try_from(permits.len()).unwrap();
    let mut rules = message.init_root::<quota_spec::Builder<'_>>().init_rules(count);
    for (index, permits) in (0..).zip(permits) {
        rules.reborrow().get(index).set_permits(*permits);
    }
    let mut file = Vec::new();
    marshal(&message, &mut file).unwrap();
    file
}

fn checked(dir: &Path, schemas: &[ConfigSchema]) -> (Vec<String>, Vec<ServiceId>) {
    let checked = check_against(&ConfigDir::new(dir), schemas, &[UNREGISTERED]);
    let place = format!("{}/", dir.display());
    let problems = checked.problems.iter().map(|problem| problem.to_string().replace(&place, ""));
    (problems.collect(), checked.unused)
}

#[test]
fn good_files_and_foreign_names_are_no_problems() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "0x1f", &quota(&[1, 2]));
    put(dir.path(), "db_password", b"secret");
    assert_eq!(checked(dir.path(), &SCHEMAS), (vec![], vec![]));
    assert_eq!(checked(Path::new("/no/such/directory"), &SCHEMAS), (vec![], vec![]));
}

#[test]
fn all_problems_of_all_services_are_found_at_once() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "0x1f", &quota(&[0, 2, 0]));
    put(dir.path(), "0x2f", &quota(&[1])[..20]);
    put(dir.path(), "0x3f", b"secret text");
    put(dir.path(), "0xyz", b"");
    let (problems, unused) = checked(dir.path(), &SCHEMAS);
    assert_eq!(
        problems,
        [
            "config directory: the name of a file begins with 0x, as those of configs, but \"0xyz\" is no service id: 'y' is no digit (file 0xyz)",
            "config 0x1f: rules[0].permits: must not be 0 (file 0x1f)",
            "config 0x1f: rules[2].permits: must not be 0 (file 0x1f)",
            "config 0x2f: the file is cut short: its compressed data has no end (file 0x2f)",
            "config 0x3f: the file is no config: it does not begin as zlib data (file 0x3f)",
        ]
    );
    assert!(unused.is_empty());
}

#[test]
fn a_good_file_that_no_service_reads_is_told_and_no_problem() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "0x3f", &quota(&[0]));
    assert_eq!(checked(dir.path(), &SCHEMAS), (vec![], vec![ServiceId::new(0x3f)]));
}

#[test]
fn two_types_for_one_config_are_a_problem_that_names_both() {
    let dir = tempfile::tempdir().unwrap();
    let schemas = [SCHEMAS[0], ConfigSchema::of::<Quota>("Quota.", "copy.rs", 3)];
    assert_eq!(
        checked(dir.path(), &schemas).0,
        [
            "config 0x1f: two types claim to be this config, one at quota.rs:1, the other at copy.rs:3: remove one (file 0x1f)"
        ]
    );
}

#[test]
fn a_schema_says_what_it_is() {
    let [quota, _] = SCHEMAS;
    assert_eq!(
        (quota.service(), quota.doc(), quota.place()),
        (Quota::SERVICE, "Quota.", "quota.rs:1".to_owned())
    );
    let id = quota.struct_schema().unwrap().get_proto().get_id();
    assert_eq!(id, 0xf1b1_466d_411b_9def);
    assert!(quota.validate(crate::codec::decode(&super::tests::quota(&[0])).unwrap()).is_err());
}

#[test]
fn a_file_of_a_service_that_runs_and_has_no_schema_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    put(dir.path(), "0x4f", &quota(&[1]));
    let (problems, unused) = checked(dir.path(), &SCHEMAS);
    assert_eq!(unused, []);
    assert_eq!(
        problems,
        [
            "config 0x4f: service 4f has no registered config schema, so nothing reads the file: register the type of its config (app_config::config!), or remove the file (file 0x4f)"
        ]
    );
}
