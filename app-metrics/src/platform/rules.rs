//! Recorded series and alerts of the platform's metrics.

use crate::{Group, Rule, Severity};

crate::rules! {
    Rule::record("server:command_wait_seconds:p99_rate5m", "histogram_quantile(0.99, sum by (job, name, server, le) (rate(app_command_wait_seconds_bucket[5m])))")
        .place(30),
    Rule::record("instance_server:command_busy:ratio_rate5m", "sum by (job, instance, name, server) (rate(app_command_run_seconds_sum[5m]))")
        .why("The share of time that a command server runs commands.")
        .place(40),
    Rule::alert(Group::PLATFORM, "NoAnswer", "up == 0 and on (job, instance) last_over_time(app_ready[1d])", Severity::Critical)
        .why("For targets that had these metrics within the last day.")
        .place(10)
        .lasting("2m")
        .summary("{{ $labels.job }} on {{ $labels.instance }} does not answer Prometheus")
        .description("It has not run, or could not be reached, for more than 2 minutes."),
    Rule::alert(Group::PLATFORM, "NotReady", "app_ready == 0", Severity::Critical)
        .place(20)
        .lasting("2m")
        .summary("{{ $labels.job }} on {{ $labels.instance }} is not ready")
        .description("For more than 2 minutes a service has not run, or the application has been stopping. `/readyz` of the instance says why."),
    Rule::alert(Group::PLATFORM, "ServiceDown", "app_service_up == 0", Severity::Critical)
        .place(30)
        .lasting("2m")
        .summary("service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} does not run")
        .description("The log record of its failure, or of its start, has the reason."),
    Rule::alert(Group::PLATFORM, "Restarts", "increase(app_service_deaths_total[15m]) > 2
            or (changes(process_start_time_seconds[15m]) > 2 and on (job, instance) app_ready)", Severity::Warning)
        .why("Services that fail again and again within a process, and processes that restart again and again. Requested restarts, and restarts together with a dependency, do not count.")
        .place(60)
        .summary("{{ with $labels.name }}service {{ . }} of {{ end }}{{ $labels.job }} on {{ $labels.instance }} {{ if $labels.name }}failed{{ else }}was restarted{{ end }} {{ $value | humanize }} times in 15 minutes")
        .description("It restarts and fails again. The log has the reason."),
    Rule::alert(Group::PLATFORM, "ServiceDied", "increase(app_service_deaths_total[15m]) > 0", Severity::Warning)
        .why("Failures. Planned stops do not count (service_planned_stops).")
        .place(70)
        .summary("service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} failed")
        .description("The log record of its failure has the reason."),
    Rule::alert(Group::PLATFORM, "LogRecordsDropped", "increase(app_log_records_dropped_total[5m]) > 0", Severity::Warning)
        .place(80)
        .summary("{{ $labels.job }} on {{ $labels.instance }} lost {{ $value | humanize }} log records in 5 minutes")
        .description("The reader of standard error is too slow, or gone. Services do not wait for it."),
    Rule::alert(Group::PLATFORM, "ErrorsLogged", r#"increase(app_log_records_total{level="error"}[5m]) > 10"#, Severity::Warning)
        .place(90)
        .summary("{{ $labels.job }} on {{ $labels.instance }} logged {{ $value | humanize }} errors in 5 minutes"),
    Rule::alert(Group::PLATFORM, "ConfigRefused", "app_config_refused == 1", Severity::Warning)
        .place(100)
        .summary("the config of service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} was refused")
        .description("The service runs, and restarts, with the last good config. A new process would not start. `appctl status` and `config check` say what is wrong with the file."),
    Rule::alert(Group::PLATFORM, "ConfigGone", "app_config_gone == 1", Severity::Warning)
        .place(110)
        .lasting("5m")
        .summary("the config of service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} is from a file that is gone")
        .description("The service runs with the last good config until the process ends. A new process would start with the defaults."),
    Rule::alert(Group::PLATFORM, "ConfigUnread", "app_config_unread == 1", Severity::Warning)
        .place(120)
        .lasting("5m")
        .summary("the config of service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} can't be read")
        .description("The service runs with the last good config. The file is read again every second. `appctl status` says what the machine lacks."),
    Rule::alert(Group::PLATFORM, "CommandsRefused", "increase(app_commands_refused_total[5m]) > 0 and on (job, instance, name) app_service_up == 1", Severity::Warning)
        .place(130)
        .lasting("5m")
        .summary("service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} refuses commands: the queue of {{ $labels.server }} is full"),
    Rule::alert(Group::PLATFORM, "CommandLoopSaturated", "instance_server:command_busy:ratio_rate5m > 0.9", Severity::Warning)
        .place(140)
        .lasting("10m")
        .summary("the command server {{ $labels.server }} of service {{ $labels.name }} of {{ $labels.job }} on {{ $labels.instance }} is busy {{ $value | humanizePercentage }} of the time")
        .description("It runs one command after another, so callers wait. Add instances to share the work."),
    Rule::alert(Group::PLATFORM, "SeriesOverflow", "increase(app_series_overflowed_total[15m]) > 0", Severity::Warning)
        .place(150)
        .summary("{{ $labels.metric }} of {{ $labels.job }} on {{ $labels.instance }} has reached its limit of series")
        .description("A label has more values than expected. Further values are counted in one series. See series_overflowed in docs/METRICS.md."),
    Rule::alert(Group::PLATFORM, "FileDescriptorsShort", "process_open_fds / process_max_fds > 0.8 and on (job, instance) app_ready", Severity::Warning)
        .place(160)
        .lasting("5m")
        .summary("{{ $labels.job }} on {{ $labels.instance }} uses {{ $value | humanizePercentage }} of its file descriptors"),
}
