//! The operation `config show`: the configs that the services run on, field by field, without any secret.

use std::time::{SystemTime, UNIX_EPOCH};

use app_core::flags::FlagSetting;
use app_core::operations::Args;
use app_core::plugins::ServiceSpec;
use app_core::prelude::{App, Dep, Error, ServiceId};
use app_errors::illegal_argument_error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::configs::{ConfigInEffect, Configs};
use crate::ids::CONFIG_SERVICE_ID;
use crate::leaves::SECRET_WORDS;
use crate::value::{FieldInEffect, FieldValue};

app_core::operation! {
    of: CONFIG_SERVICE_ID,
    name: "show",
    role: Operate,
    effect: Reads,
    about: "Shows the configs that the services run on, field by field, without any secret.",
    run: show,
}

/// How many fields of a service are shown unless the caller asks for this service.
const FIELDS_OF_EACH: usize = 200;
/// The most bytes of all fields of an answer.
const MOST_BYTES: usize = 512 * 1024;
/// What each field takes in the answer in addition to its path and value.
const FIELD_BYTES: usize = 160;
/// How many services an error names.
const MOST_NAMES: usize = 20;
/// The application itself, whose flags are no service's.
const APP: ServiceId = ServiceId::new(0);

/// Which configs to show.
#[derive(Debug, Deserialize, JsonSchema)]
struct ConfigsWanted {
    /// Only the config of this service, by name or id (`0x..`); `app` for the flags of the application.
    #[serde(default)]
    service: Option<String>,
}

/// The configs of services.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownConfigs {
    services: Vec<ShownConfig>,
}

/// The config of a service.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownConfig {
    /// The id of the service as `0x..`; `0x0` for the application.
    id: String,
    name: Option<String>,
    /// The file that the values are from; `null` if there is none.
    file: Option<String>,
    /// Whether the file is sealed.
    sealed: bool,
    /// Whether the file has another value, which takes effect at the next start of the service.
    waiting: bool,
    /// What is wrong with the file; `null` while it is good.
    problem: Option<String>,
    /// When the service got the config, in milliseconds since 1970 (UTC).
    since_millis: u64,
    fields: Vec<ShownField>,
    /// How many more fields there are.
    left_out: usize,
}

/// A field of a config, or a flag.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownField {
    /// The path of the field, such as `rules[0].permits`, or the flag.
    path: String,
    /// The value; `null` for a secret, and for a field without a value. A list is shown by its number of elements.
    value: Value,
    source: Source,
    /// For a flag that was given: the flag or the variable.
    from: Option<String>,
    /// Since when it has this value, in milliseconds since 1970 (UTC).
    since_millis: u64,
    /// Of a secret that is set.
    secret: Option<ShownSecret>,
}

/// Where a value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Source {
    File,
    Default,
    Flag,
}

/// What is known of a secret.
#[derive(Debug, Serialize, JsonSchema)]
struct ShownSecret {
    bytes: usize,
    /// Since when it is set to this value, in milliseconds since 1970 (UTC).
    since_millis: u64,
}

async fn show(app: App, configs: Dep<Configs>, wanted: Args<ConfigsWanted>) -> Result<ShownConfigs, Error> {
    let mut shown = all(&app, &configs);
    let wanted = wanted.into_inner().service;
    if let Some(wanted) = &wanted {
        let id = find(wanted, &shown)?;
        shown.retain(|config| config.id == id);
    }
    let most = if wanted.is_some() { usize::MAX } else { FIELDS_OF_EACH };
    let mut bytes = 0;
    for config in &mut shown {
        let fits = |field: &&ShownField| {
            bytes += FIELD_BYTES + field.path.len() + field.value.to_string().len();
            bytes <= MOST_BYTES
        };
        let kept = config.fields.iter().take(most).take_while(fits).count();
        config.left_out += config.fields.len() - kept;
        config.fields.truncate(kept);
    }
    Ok(ShownConfigs { services: shown })
}

/// The configs of all services that have one, each with the flags of its service, and the flags of the application.
fn all(app: &App, configs: &Configs) -> Vec<ShownConfig> {
    let mut shown: Vec<_> =
        configs.in_effect().iter().map(|config| of_config(app, configs, config)).collect();
    for setting in app.flags().settings() {
        let (id, name) = owner(app, setting);
        let id = format!("{id:#x}");
        let at = shown.iter().position(|config| config.id == id).unwrap_or_else(|| {
            shown.push(ShownConfig {
                id,
                name: Some(name),
                file: None,
                sealed: false,
                waiting: false,
                problem: None,
                since_millis: millis_of(app.started_on()),
                fields: Vec::new(),
                left_out: 0,
            });
            shown.len() - 1
        });
        shown[at].fields.push(of_flag(app, setting));
    }
    shown.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    shown
}

fn of_config(app: &App, configs: &Configs, config: &ConfigInEffect) -> ShownConfig {
    let id = config.service;
    ShownConfig {
        id: format!("{id:#x}"),
        name: name_of(app, id),
        file: config.from_file.then(|| configs.dir().file(id).display().to_string()),
        sealed: config.sealed,
        waiting: config.waiting,
        problem: config.problem.clone(),
        since_millis: millis_of(config.since),
        fields: config.fields.iter().map(of_field).collect(),
        left_out: config.left_out,
    }
}

fn of_field(field: &FieldInEffect) -> ShownField {
    let since_millis = millis_of(field.since);
    let (value, secret) = match &field.value {
        // A value that was cut is no JSON.
        FieldValue::Plain(json) => {
            (serde_json::from_str(json).unwrap_or_else(|_| json.as_str().into()), None)
        }
        FieldValue::Elements(1) => ("1 element".into(), None),
        FieldValue::Elements(number) => (format!("{number} elements").into(), None),
        FieldValue::Secret(bytes) => (Value::Null, Some(ShownSecret { bytes: *bytes, since_millis })),
        FieldValue::Unset => (Value::Null, None),
    };
    let source = if field.is_default { Source::Default } else { Source::File };
    ShownField { path: field.path.clone(), value, source, from: None, since_millis, secret }
}

fn of_flag(app: &App, setting: &FlagSetting) -> ShownField {
    let since_millis = millis_of(app.started_on());
    let is_secret = setting.flag.split('-').any(|word| SECRET_WORDS.contains(&word));
    let secret = setting.value.as_ref().filter(|value| is_secret && !value.is_empty());
    ShownField {
        path: setting.flag.clone(),
        value: setting.value.as_deref().filter(|_| !is_secret).map_or(Value::Null, Value::from),
        source: if setting.source.is_some() { Source::Flag } else { Source::Default },
        from: setting.source.map(|source| source.to_string()),
        since_millis,
        secret: secret.map(|value| ShownSecret { bytes: value.len(), since_millis }),
    }
}

/// The service that a flag belongs to: the one of its package whose name the flag begins with, or else the first one of its
/// package. Flags of every application belong to none.
fn owner(app: &App, setting: &FlagSetting) -> (ServiceId, String) {
    let of_package =
        |spec: &&ServiceSpec| !setting.package.is_empty() && spec.origin().package == setting.package;
    let flag = setting.flag.trim_start_matches('-');
    let begins = |spec: &&ServiceSpec| flag.starts_with(spec.name());
    let specs = app.service_specs();
    let named = specs.iter().filter(of_package).filter(begins).max_by_key(|spec| spec.name().len());
    let owner = named.or_else(|| specs.iter().find(of_package));
    owner.map_or((APP, "app".to_owned()), |spec| (spec.id(), spec.name().to_owned()))
}

fn name_of(app: &App, id: ServiceId) -> Option<String> {
    let made = app.service_specs().iter().find(|spec| spec.id() == id).map(ServiceSpec::name);
    made.or_else(|| id.name()).map(str::to_owned)
}

/// The id of the service that the caller names, as `0x..`.
fn find(wanted: &str, shown: &[ShownConfig]) -> Result<String, Error> {
    let named = shown.iter().find(|config| config.name.as_deref() == Some(wanted));
    let by_id = || {
        let id = format!("{:#x}", wanted.parse::<ServiceId>().ok()?);
        shown.iter().find(|config| config.id == id)
    };
    named.or_else(by_id).map(|config| config.id.clone()).ok_or_else(|| {
        let names: Vec<_> =
            shown.iter().filter_map(|config| config.name.as_deref()).take(MOST_NAMES).collect();
        let wanted: String = wanted.chars().take(100).collect();
        illegal_argument_error(format!(
            "arguments.service: no service {wanted:?} with a config or a flag runs; there are {}",
            names.join(", ")
        ))
    })
}

/// Milliseconds since 1970; 0 before that.
fn millis_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
