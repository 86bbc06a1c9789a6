//! The commands to try, as text.

use std::env;
use std::path::Path;

use app_core::Flags;

use super::Problem;
use super::files::Folder;
use super::ports::Ports;

/// The text for standard output: commands for a second terminal that you can copy as they are.
pub(super) fn text(
    folder: &Folder,
    flags: &Flags,
    ports: &Ports,
    nats: Option<&str>,
) -> Result<String, Problem> {
    // Without /proc the program cannot find its own folder. Then the reader has to set `PATH`.
    let program = env::current_exe().ok();
    let programs = program.as_deref().and_then(Path::parent);
    // If only this package was built, there is no `appctl` yet.
    let built = programs.is_none_or(|programs| programs.join("appctl").is_file());
    let build = if built { "" } else { "cargo build -p app-cli\n" };
    let path = match programs {
        Some(programs) => format!("PATH={}:\"$PATH\" ", quoted(programs)?),
        None => String::new(),
    };
    let (http, contexts) = (ports.http, quoted(&folder.contexts())?);
    let domain = flags.domain_id;
    let messages = match nats {
        Some(url) => {
            format!("go through {url}, in the domain {domain:#x}: start more instances with the same --nats")
        }
        None => "stay inside of this process; --nats URL sends them through a server, to other instances"
            .to_owned(),
    };
    Ok(format!(
        "\
Keys, certificates and sealed configs of this run are in {folder}, and gone when it ends.
Metrics and probes: http://127.0.0.1:{http}/metrics
Messages {messages}.

In a second terminal:

{build}export {path}OP_CONTEXT={contexts}

# How is it, and what is in it?
appctl status
appctl services
# Three permits a minute: ask until it is denied.
svc-example acquire --context \"$OP_CONTEXT#quota\" alice --rule slow --until-denied
# Give every key of the rule a full bucket again.
appctl do quota forget --rule slow --reason 'start afresh'
# Six permits an hour for all instances together.
svc-example acquire --context \"$OP_CONTEXT#quota\" bob --rule shared --until-denied
# A stored message makes the bucket full again, whichever instance handles it.
appctl do quota refill --rule shared --bucket bob --reason 'bob may go on'
# More of the log, for ten seconds.
appctl level set debug --for 10s --reason 'what does it do?'
appctl level
# A health check is paused, and goes on.
appctl health pause quota_commands_answer --reason 'maintenance'
appctl health list
appctl health resume quota_commands_answer --reason 'maintenance is over'
# Where is every thread, and every task?
appctl stacks
# What happens, as it happens: stop it with Ctrl-C.
appctl events --follow
# A reader may not end it, an admin may. Both are in the log of the service.
appctl kill --context \"$OP_CONTEXT#reader\" --yes --reason 'may I?'
appctl kill --context \"$OP_CONTEXT#admin\" --yes --reason 'that was the tour'

",
        folder = folder.path().display(),
    ))
}

/// Quotes a path for a shell.
fn quoted(path: &Path) -> Result<String, Problem> {
    let text = path.to_str().ok_or_else(|| format!("{} is not UTF-8", path.display()))?;
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    Ok(if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) })
}
