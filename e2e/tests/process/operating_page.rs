//! The operators' page `docs/OPERATING.md`: every command of its tours works as written, and prints what the page shows.

use crate::{
    files::Configs,
    page::{Step, follow, steps},
};

const PAGE: &str = include_str!("../../../docs/OPERATING.md");
/// The page's command that starts the program.
const START: &str = "flapping 2> flapping.log &";
/// The same command with a free port and a short interval.
const START_HERE: &str = "rm -f flapping.log; flapping --config-dir . --interval-millis=200 2> flapping.log & \
    until grep -qs HTTP.*started flapping.log; do sleep 0.05; done; \
    export OP_HEALTH_ADDRESS=$(grep -o '\"addr\":\"[^\"]*' flapping.log | cut -d'\"' -f4)";
/// The page's command that starts a program which hands its listeners over, and how those commands begin.
const FIRST: &str = "flapping --handover ./handover 2> flapping.log &";
const HANDOVER: &str = "flapping --handover";
/// The address of the program without the port, because the port differs from the page.
const ADDRESS: &str = "127.0.0.1:";

#[test]
fn every_command_works_as_written_and_prints_what_the_page_shows() {
    let configs = Configs::any_port();
    let steps: Vec<_> = steps(PAGE)
        .into_iter()
        // `curl` may be missing.
        .filter(|step| !step.command.starts_with("curl "))
        .map(|step| match step.command.as_str() {
            START => Step { command: START_HERE.to_owned(), ..step },
            FIRST => Step {
                command: START_HERE.replace("--config-dir", "--handover ./handover --config-dir"),
                ..step
            },
            command if command.starts_with(HANDOVER) => {
                let command =
                    command.replace(HANDOVER, "flapping --config-dir . --interval-millis=200 --handover");
                Step { command, ..step }
            }
            _ => step,
        })
        .map(|step| Step {
            shown: step
                .shown
                .into_iter()
                .map(|line| if line.starts_with(ADDRESS) { format!("{ADDRESS}...") } else { line })
                .collect(),
            ..step
        })
        .collect();
    assert_eq!(
        steps.iter().filter(|step| step.command == START_HERE).count(),
        2,
        "the page has lost its tours"
    );
    assert!(steps.len() > 18, "{}", steps.len());
    follow(configs.path(), "trap 'kill $(jobs -p) 2> /dev/null' EXIT", &steps);
}
