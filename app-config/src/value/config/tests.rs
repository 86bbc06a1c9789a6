//! From a message to a config.

use capnp::message::Builder;
use quota_schema::quota_capnp::quota_spec;

use super::*;

struct Names(Vec<String>);

impl Config for Names {
    const SERVICE: ServiceId = ServiceId::new(0x1f);
    type Schema = quota_spec::Owned;

    fn read(spec: quota_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut rules = problems.at("rules");
        let mut names = Vec::new();
        for (index, rule) in rules.value(spec.get_rules())?.iter().enumerate() {
            let mut place = rules.index(index);
            let name = place.field("name").text(rule.get_name())?;
            match name {
                "" => place.field("name").add("must not be empty"),
                "silent" => return None,
                name => names.push(name.to_owned()),
            }
        }
        Some(Self(names))
    }

    fn without_file() -> Self {
        Self(Vec::new())
    }
}

fn parsed(names: &[&str]) -> Result<Names, String> {
    let mut message = Builder::new_default();
    let mut rules =
        message.init_root::<quota_spec::Builder<'_>>().init_rules(u32::try_from(names.len()).unwrap());
    for (index, name) in (0..).zip(names) {
        rules.reborrow().get(index).set_name(*name);
    }
    let mut file = Vec::new();
    crate::codec::marshal(&message, &mut file).unwrap();
    parse::<Names>(crate::codec::decode(&file).unwrap()).map_err(|problems| problems.to_string())
}

#[test]
fn a_good_message_becomes_a_config() {
    assert_eq!(parsed(&["a", "b"]).unwrap_or(Names(vec![])).0, ["a", "b"]);
}

#[test]
fn every_problem_is_found_and_no_config_made() {
    let problems = parsed(&["", "a", ""]).map(|names| names.0).unwrap_err();
    assert_eq!(problems, "rules[0].name: must not be empty; rules[2].name: must not be empty");
}

#[test]
fn a_refusal_without_a_reason_is_still_one() {
    let problems = parsed(&["silent"]).map(|names| names.0).unwrap_err();
    assert_eq!(problems, "is refused by its service without a reason");
}

#[test]
fn a_message_of_the_largest_size_can_be_read_as_a_whole() {
    // The comparison with the schema and the reading each have the whole limit.
    let names: Vec<_> = (0..20_000).map(|index| format!("{index:07}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(parsed(&names).unwrap_or(Names(vec![])).0.len(), names.len());
}
