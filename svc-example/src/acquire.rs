//! `acquire`: asks a running quota service for permits, over RPC.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use app_core::{
    AppBuilder, Identity, Log, LogLevel, Subcommand, args,
    clap::{Arg, ArgAction, ArgMatches, Command},
    prelude::*,
};
use app_rpc::{Authorities, KeyPair, RpcClient, RpcClientConfig, RpcName};
use quota_schema::quota_capnp::quota;
use serde_json::{Map, Value};

use crate::{Grant, QUOTA_RPC};

const HELP: &str = "\
The file of contexts is that of appctl. Name a context whose service is quota-rpc.

Examples:
  svc-example acquire --context contexts.json#quota alice
  svc-example acquire --context contexts.json#quota alice --rule logins --permits 2 --until-denied

Exit status: 0 granted, 6 denied, 1 the call failed, 2 usage, 78 the context can't be used.";

/// Exit status of "denied". `appctl` has the same status for "no".
const DENIED: u8 = 6;
const UNUSABLE: u8 = 78;
/// File descriptors that a call needs: two runtimes, a connection and files.
const DESCRIPTORS: usize = 12;
/// Most calls of `--until-denied`, for a rule that never denies.
const MOST_CALLS: u32 = 1_000_000;

app_core::subcommand! { Subcommand::new(command, run) }

fn command() -> Command {
    let context =
        Arg::new("context").long("context").value_name("FILE[#NAME]").env("OP_CONTEXT").required(true);
    let rule = Arg::new("rule").long("rule").value_name("NAME").default_value("default");
    let permits = Arg::new("permits").long("permits").value_name("N").default_value("1");
    let until = Arg::new("until-denied").long("until-denied").action(ArgAction::SetTrue);
    Command::new("acquire")
        .about("Asks a running quota service for permits, over RPC")
        .after_help(HELP)
        .arg(Arg::new("key").value_name("KEY").required(true).help("Key of the bucket, such as a user"))
        .arg(context.help("File of contexts, and the name of a context in it"))
        .arg(rule.help("Name of the rule"))
        .arg(permits.value_parser(args::number(0..=u32::MAX)).help("Permits to take, all or none"))
        .arg(until.help("Repeat the call until it is denied"))
}

fn run(matches: &ArgMatches) -> ExitCode {
    if let Err(problem) = app_core::limits::check_descriptors(DESCRIPTORS) {
        return refuse(&problem.to_string(), 1);
    }
    let text = |name: &str| matches.get_one::<String>(name).map_or("", String::as_str);
    let config = match config_of(text("context")) {
        Ok(config) => config,
        Err(reason) => return refuse(&reason, UNUSABLE),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(problem) => return refuse(&format!("no runtime: {problem}"), 1),
    };
    let permits = matches.get_one("permits").copied().unwrap_or(1);
    let most = if matches.get_flag("until-denied") { MOST_CALLS } else { 1 };
    let asked = runtime.block_on(async {
        let client = connect(config).map_err(|error| error.to_string())?;
        ask(&client, text("rule"), text("key"), permits, most).await
    });
    match asked {
        Ok(granted) if granted || most > 1 => ExitCode::SUCCESS,
        Ok(_) => DENIED.into(),
        Err(reason) => refuse(&reason, 1),
    }
}

/// Calls until a call is denied, at most `most` times. Returns whether the last call was granted.
async fn ask(
    client: &RpcClient<quota::Client>,
    rule: &str,
    key: &str,
    permits: u32,
    most: u32,
) -> Result<bool, String> {
    for call in 1..=most {
        let (rule, key) = (rule.to_owned(), key.to_owned());
        let build = move |quota: &quota::Client| {
            let mut request = quota.acquire_request();
            let mut params = request.get();
            params.set_rule(&rule);
            params.set_key(&key);
            params.set_permits(permits);
            request
        };
        let grant =
            client.request(build, |answer| Ok(grant_of(answer))).await.map_err(|error| error.to_string())?;
        let mut out = io::stdout().lock();
        let told = if grant.granted {
            writeln!(out, "granted   {} left", grant.remaining)
        } else {
            writeln!(out, "denied    {} left, try again in {:?}", grant.remaining, grant.retry_after)
        };
        told.map_err(|error| format!("the output can't be written: {error}"))?;
        if call == most || !grant.granted {
            return Ok(grant.granted);
        }
    }
    Ok(true)
}

/// A client in an app of its own, whose log is discarded.
fn connect(config: RpcClientConfig) -> Result<RpcClient<quota::Client>, Error> {
    let identity = Identity {
        domain: config.name.domain,
        app: config.name.app,
        release: 0.into(),
        instance: app_ids::InstanceId::random(),
    };
    let (log, _) = Log::captured(&identity, LogLevel::Error);
    let wrong =
        |cause| errors::SERVICE_INIT_FAILED.error(QUOTA_RPC).cause(cause).message("no client").build();
    let app = AppBuilder::new().identity(identity).services([]).log(log).build().map_err(wrong)?;
    RpcClient::start(&Service::new(&app, ServiceId::random(), "acquire")?, config)
}

fn grant_of(answer: quota::acquire_results::Reader<'_>) -> Grant {
    Grant {
        granted: answer.get_granted(),
        remaining: answer.get_remaining(),
        retry_after: Duration::from_millis(answer.get_retry_after_millis().into()),
    }
}

fn refuse(reason: &str, status: u8) -> ExitCode {
    // If this fails, there is no place left to report it.
    let _ = writeln!(io::stderr(), "{}", app_errors::one_line(reason));
    status.into()
}

/// Reads a context of `appctl`, named `FILE#NAME`. Reads only what a client needs; `appctl` itself checks the rest.
fn config_of(context: &str) -> Result<RpcClientConfig, String> {
    let (file, name) = context.rsplit_once('#').unwrap_or((context, ""));
    // As in `appctl`, `#NAME` alone is a context of the file in `OP_CONTEXT`.
    let set = std::env::var("OP_CONTEXT").unwrap_or_default();
    let file =
        if file.is_empty() { set.rsplit_once('#').map_or(set.as_str(), |(file, _)| file) } else { file };
    let wrong = |reason: &str| format!("context {context}: {reason}");
    let text = fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    let all: Value = serde_json::from_str(&text).map_err(|error| wrong(&error.to_string()))?;
    let name = if name.is_empty() { all["current"].as_str().unwrap_or_default() } else { name };
    let found = all["contexts"][name].as_object().ok_or_else(|| wrong("there is no such context in it"))?;
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    let read = |key: &str| -> Result<Vec<u8>, String> {
        let path = folder.join(PathBuf::from(string(found, key).map_err(|error| wrong(&error))?));
        fs::read(&path).map_err(|error| wrong(&format!("{}: {error}", path.display())))
    };
    let id = |key: &str| -> Result<u64, String> {
        let id = string(found, key).map_err(|error| wrong(&error))?.parse::<ServiceId>();
        id.map(ServiceId::as_u64).map_err(|error| wrong(&format!("{key}: {error}")))
    };
    let service = if found.contains_key("service") { id("service")? } else { QUOTA_RPC.as_u64() };
    let name = RpcName { domain: id("domain")?.into(), app: id("app")?.into(), service: service.into() };
    let crl = if found.contains_key("crl") { read("crl")? } else { Vec::new() };
    let servers = Authorities::from_pem(&read("ca")?, &crl).map_err(|error| wrong(&error.to_string()))?;
    let key = app_config::SecretBytes::from(read("key")?);
    let pair = KeyPair::from_pem(&key, &read("cert")?).map_err(|error| wrong(&error.to_string()))?;
    let mut config = RpcClientConfig::new(name, 1, pair, servers);
    config.addresses = addresses(found).map_err(|error| wrong(&error))?;
    Ok(config)
}

fn string(context: &Map<String, Value>, key: &str) -> Result<String, String> {
    let value = context.get(key).and_then(Value::as_str);
    value.map(str::to_owned).ok_or_else(|| format!("{key:?} is missing, or no text"))
}

fn addresses(context: &Map<String, Value>) -> Result<Vec<String>, String> {
    let list = match context.get("address") {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => {
            several.iter().filter_map(|one| one.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    };
    if list.is_empty() { Err("\"address\" is missing".to_owned()) } else { Ok(list) }
}
