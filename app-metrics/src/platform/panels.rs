//! Panels of the platform's metrics: what runs, and how it is.

use crate::{Panel, Row, Target};

crate::panels! {
    Panel::number(Row::OVERVIEW, "Ready instances", "red", "green")
        .place(10)
        .about("Instances that are not stopping and run all of their services (app_ready). Their critical health checks are in the next panel.")
        .targets(&[Target::new("ready", "sum(app_ready{INSTANCES})")]),
    Panel::number(Row::OVERVIEW, "Instances that are not ready", "green", "red")
        .place(20)
        .about("Instances that do not run all of their services (app_ready), and instances that Prometheus cannot scrape.")
        .targets(&[Target::new("not ready", "(count(app_ready{INSTANCES} == 0) or vector(0)) + (count(up{INSTANCES} == 0) or vector(0))")]),
    Panel::number(Row::OVERVIEW, "Restarts, last hour", "green", "orange")
        .place(40)
        .about("Restarts of services (service_restarts), over all instances.")
        .decimals(0)
        .targets(&[Target::new("restarts", "sum(increase(app_service_restarts_total{SERVICES}[1h]))")]),
    Panel::number(Row::OVERVIEW, "Failures, last hour", "green", "red")
        .place(50)
        .about("Failures of services (service_deaths).")
        .decimals(0)
        .targets(&[Target::new("deaths", "sum(increase(app_service_deaths_total{SERVICES}[1h]))")]),
    Panel::number(Row::OVERVIEW, "Error logs, last hour", "green", "orange")
        .place(60)
        .about("Log records of level error (log_records).")
        .decimals(0)
        .targets(&[Target::new("errors", r#"sum(increase(app_log_records_total{INSTANCES,level="error"}[1h]))"#)]),
    Panel::number(Row::OVERVIEW, "Refused configs", "green", "red")
        .place(70)
        .about("Services whose config file was refused, and that run with the last good config (config_refused).")
        .targets(&[Target::new("refused", "sum(app_config_refused{SERVICES})")]),
    Panel::number(Row::OVERVIEW, "Shortest uptime", "green", "green")
        .place(80)
        .about("For the instance that started last (process_start_time_seconds).")
        .unit("s")
        .targets(&[Target::new("uptime", "min(time() - process_start_time_seconds{INSTANCES})")]),
    Panel::timeline(Row::OVERVIEW, "Services that run")
        .place(90)
        .about("One bar for each service of each instance: green while it runs (service_up).")
        .size(12, 8)
        .targets(&[Target::new("{{name}} {{instance}}", "app_service_up{SERVICES}")]),
    Panel::bars(Row::OVERVIEW, "Restarts, failures and planned stops")
        .place(100)
        .about("In the interval: all restarts of services (service_restarts), failures (service_deaths) and planned stops (service_planned_stops). Also the number of the restart that is due or in progress (service_restart_attempt).")
        .size(6, 8)
        .targets(&[Target::new("{{name}} is at restart", "max by (name) (app_service_restart_attempt{SERVICES})"), Target::new("{{name}} restarted", "sum by (name) (increase(app_service_restarts_total{SERVICES}[$__rate_interval]))"), Target::new("{{name}} failed", "sum by (name) (increase(app_service_deaths_total{SERVICES}[$__rate_interval]))"), Target::new("{{name}} stopped on purpose", "sum by (name) (increase(app_service_planned_stops_total{SERVICES}[$__rate_interval]))")]),
    Panel::stacked(Row::OVERVIEW, "Log records a second")
        .place(110)
        .about("By level, over all instances (log_records). Also records that were dropped because standard error did not take them (log_records_dropped).")
        .unit("reqps")
        .size(6, 8)
        .targets(&[Target::new("{{level}}", "sum by (level) (rate(app_log_records_total{INSTANCES}[$__rate_interval]))"), Target::new("lost", "sum(rate(app_log_records_dropped_total{INSTANCES}[$__rate_interval]))")]),
    Panel::table(Row::WHAT_RUNS, "Builds", &["Time"], &[("Value", "instances")])
        .place(10)
        .about("Instances by release, version of the platform, compiler and target (build_info).")
        .size(8, 7)
        .targets(&[Target::new("", "count by (release, version, rustc, target, profile) (app_build_info{INSTANCES})")]),
    Panel::table(Row::WHAT_RUNS, "Services", &["Time"], &[("name", "service"), ("Value", "instances")])
        .place(20)
        .about("Instances by service and version of its package (service_info).")
        .size(8, 7)
        .targets(&[Target::new("", "count by (name, package, version) (app_service_info{SERVICES})")]),
    Panel::table(Row::WHAT_RUNS, "States of services", &["Time", "Value", "__name__", "app", "domain", "exported_instance", "job", "release", "service", "svc"], &[("name", "service")])
        .place(30)
        .about("State of each service (service_state).")
        .size(8, 7)
        .targets(&[Target::new("", "app_service_state{SERVICES} == 1")]),
    Panel::lines(Row::WHAT_RUNS, "Uptime of services")
        .place(40)
        .about("Time since each service began to run (service_start_time).")
        .unit("s")
        .size(6, 7)
        .targets(&[Target::new("{{name}}", "min by (name) (time() - app_service_start_time_seconds{SERVICES})")]),
    Panel::lines(Row::WHAT_RUNS, "Duration of starts")
        .place(50)
        .about("Duration of the last start of each service, without the wait for its dependencies (service_start_duration).")
        .unit("s")
        .size(6, 7)
        .targets(&[Target::new("{{name}}", "max by (name) (app_service_start_duration_seconds{SERVICES})")]),
    Panel::lines(Row::WHAT_RUNS, "Time since configs were loaded")
        .place(60)
        .about("Time since each service got its current config (config_load_time).")
        .unit("s")
        .size(4, 7)
        .targets(&[Target::new("{{name}}", "max by (name) (time() - app_config_load_time_seconds{SERVICES})")]),
    Panel::lines(Row::WHAT_RUNS, "Configs that differ from their files")
        .place(70)
        .about("Instances whose service runs with another config than that of its file. The file takes effect at the next start (config_waiting), was refused (config_refused), is gone (config_gone), or could not be read (config_unread).")
        .size(4, 7)
        .targets(&[Target::new("{{name}} waits", "sum by (name) (app_config_waiting{SERVICES})"), Target::new("{{name}} refused", "sum by (name) (app_config_refused{SERVICES})"), Target::new("{{name}} gone", "sum by (name) (app_config_gone{SERVICES})"), Target::new("{{name}} unread", "sum by (name) (app_config_unread{SERVICES})")]),
    Panel::bars(Row::WHAT_RUNS, "Config reloads and overflowing series")
        .place(80)
        .about("Changes of configs while their services ran, in the interval (config_reloads). Also lookups that ended at the overflow series of a vector, because the vector is full (series_overflowed).")
        .size(4, 7)
        .targets(&[Target::new("{{name}} {{outcome}}", "sum by (name, outcome) (increase(app_config_reloads_total{SERVICES}[$__rate_interval]))"), Target::new("overflow {{metric}}", "sum by (metric) (increase(app_series_overflowed_total{INSTANCES}[$__rate_interval])) or vector(0)")]),
}
