//! Panels of the platform's metrics: command servers and the process.

use crate::{Panel, Row, Target};

crate::panels! {
    Panel::lines(Row::COMMANDS, "Commands a second")
        .place(10)
        .about("Commands that were run (commands_run), by service and command server.")
        .unit("ops")
        .targets(&[Target::new("{{name}} {{server}}", "sum by (name, server) (rate(app_commands_run_total{SERVICES}[$__rate_interval]))")]),
    Panel::lines(Row::COMMANDS, "Share of time that command servers are busy")
        .place(20)
        .about("Share of time that the command server is busy (command_run). Near 100 % it is the bottleneck.")
        .unit("percentunit")
        .range(Some(0), Some(1))
        .targets(&[Target::new("{{name}} {{server}}", "max by (name, server) (rate(app_command_run_seconds_sum{SERVICES}[$__rate_interval]))")]),
    Panel::lines(Row::COMMANDS, "Queue in use")
        .place(30)
        .about("Commands in the queue, and its capacity (command_queue_depth, command_queue_capacity). With a full queue, callers wait or are refused.")
        .unit("percentunit")
        .range(Some(0), Some(1))
        .targets(&[Target::new("{{name}} {{server}}", "max by (name, server) (app_command_queue_depth{SERVICES} / app_command_queue_capacity{SERVICES})")]),
    Panel::lines(Row::COMMANDS, "Wait of commands")
        .place(40)
        .about("Time from the call until the command ran (command_wait).")
        .unit("s")
        .targets(&[Target::new("{{name}} {{server}} 50 of 100", "histogram_quantile(0.5, sum by (le, name, server) (rate(app_command_wait_seconds_bucket{SERVICES}[$__rate_interval])))"), Target::new("{{name}} {{server}} 99 of 100", "histogram_quantile(0.99, sum by (le, name, server) (rate(app_command_wait_seconds_bucket{SERVICES}[$__rate_interval])))")]),
    Panel::lines(Row::COMMANDS, "Run time of commands")
        .place(50)
        .about("Run time of commands (command_run).")
        .unit("s")
        .targets(&[Target::new("{{name}} {{server}} 50 of 100", "histogram_quantile(0.5, sum by (le, name, server) (rate(app_command_run_seconds_bucket{SERVICES}[$__rate_interval])))"), Target::new("{{name}} {{server}} 99 of 100", "histogram_quantile(0.99, sum by (le, name, server) (rate(app_command_run_seconds_bucket{SERVICES}[$__rate_interval])))")]),
    Panel::bars(Row::COMMANDS, "Commands refused, and panics")
        .place(60)
        .about("In the interval: refused commands (commands_refused) and panicked ones (commands_panicked).")
        .targets(&[Target::new("{{name}} {{server}} refused", "sum by (name, server) (increase(app_commands_refused_total{SERVICES}[$__rate_interval]))"), Target::new("{{name}} {{server}} panicked", "sum by (name, server) (increase(app_commands_panicked_total{SERVICES}[$__rate_interval]))")]),
    Panel::lines(Row::PROCESS, "Processors in use")
        .place(10)
        .about("1 is one whole processor (process_cpu_seconds_total).")
        .size(6, 7)
        .targets(&[Target::new("{{instance}}", "rate(process_cpu_seconds_total{INSTANCES}[$__rate_interval])")]),
    Panel::lines(Row::PROCESS, "Memory")
        .place(20)
        .about("Resident memory (process_resident_memory_bytes).")
        .unit("bytes")
        .size(6, 7)
        .targets(&[Target::new("{{instance}}", "process_resident_memory_bytes{INSTANCES}")]),
    Panel::lines(Row::PROCESS, "File descriptors in use")
        .place(30)
        .about("Share of the limit in use (process_open_fds, process_max_fds). Near 100 % the process cannot accept connections.")
        .unit("percentunit")
        .size(6, 7)
        .range(Some(0), Some(1))
        .targets(&[Target::new("{{instance}}", "process_open_fds{INSTANCES} / process_max_fds{INSTANCES}")]),
    Panel::lines(Row::PROCESS, "Tasks and threads")
        .place(40)
        .about("Tasks by service (service_tasks), threads of the process (process_threads). A number that keeps growing is a leak.")
        .size(6, 7)
        .targets(&[Target::new("tasks of {{name}}", "sum by (name) (app_service_tasks{SERVICES})"), Target::new("threads", "sum(process_threads{INSTANCES})")]),
}
