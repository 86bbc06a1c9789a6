//! The subcommand `metrics`: prints the page of all metrics, the dashboard, or the rules.

use crate::{MetricDoc, Names, RuleKind, grafana_dashboard, metrics_page, rules_file};
use app_core::Subcommand;
use app_core::clap::{Arg, ArgAction, ArgGroup, ArgMatches, Command, builder::PossibleValuesParser};
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

app_core::subcommand! { Subcommand::new(command, run) }

const GRAFANA: &str = "grafana";
const ALERTS: &str = "alerts";
const RULES: &str = "rules";
const NAMES: &str = "names";

fn command() -> Command {
    let print = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    Command::new("metrics")
        .about("Prints what every metric is, its name in Prometheus and queries (Markdown); or a dashboard, or rules")
        .arg(print(GRAFANA, "Print a dashboard for Grafana (JSON) instead"))
        .arg(print(ALERTS, "Print alerting rules for Prometheus (YAML) instead; some use series of --rules"))
        .arg(print(RULES, "Print recording rules for Prometheus (YAML) instead"))
        .group(ArgGroup::new("what").args([GRAFANA, ALERTS, RULES]))
        .arg(
            Arg::new(NAMES)
                .long(NAMES)
                .value_name("NAMES")
                .value_parser(PossibleValuesParser::new(Names::ALL.map(Names::word)))
                .default_value(Names::Ids.word())
                .requires("what")
                .help("Names in the queries: as Prometheus gets them from /metrics, or from /metrics?names=readable"),
        )
}

fn run(arguments: &ArgMatches) -> ExitCode {
    let word = arguments.get_one::<String>(NAMES).map(String::as_str).unwrap_or_default();
    let names = Names::of_word(word).unwrap_or_default();
    let text = if arguments.get_flag(GRAFANA) {
        let pretty = |dashboard| serde_json::to_string_pretty(&dashboard).map_err(|error| error.to_string());
        grafana_dashboard(&program(), names).and_then(pretty).map(|text| text + "\n")
    } else if arguments.get_flag(ALERTS) {
        rules_file(names, RuleKind::Alerts)
    } else if arguments.get_flag(RULES) {
        rules_file(names, RuleKind::Recording)
    } else {
        Ok(metrics_page(&MetricDoc::linked()))
    };
    match text {
        Ok(text) => app_core::write_output(|out| out.write_all(text.as_bytes())),
        Err(why) => {
            // If this fails, the exit status remains.
            let _ = writeln!(std::io::stderr(), "metrics: {why}; correct the panel or the rule in its crate");
            ExitCode::FAILURE
        }
    }
}

/// The file name of the program.
fn program() -> String {
    let program = std::env::args_os().next().unwrap_or_default();
    Path::new(&program)
        .file_stem()
        .map_or_else(|| "app".to_owned(), |name| name.to_string_lossy().into_owned())
}
