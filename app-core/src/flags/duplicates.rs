//! Flags that two owners declare: the kernel, a flag group, or the application.

use std::collections::{BTreeMap, BTreeSet};

use clap::{Arg, Args, Command};

use super::{FlagGroup, Flags};

/// clap adds these to every command.
const OF_CLAP: [&str; 2] = ["--help", "--version"];
const KERNEL: &str = "the kernel";
/// Sorts after flags and variables.
const FIELD: &str = "field ";

/// What makes a command line ambiguous, one line for each problem: names that several owners declare, and flag groups that
/// hold more than flags.
pub(crate) fn duplicates(command: &Command) -> Vec<String> {
    let owners = Owners::find();
    let mut problems = owners.positional.clone();
    let mut uses: BTreeMap<String, usize> = BTreeMap::new();
    let args = command.get_arguments();
    args.flat_map(names)
        .chain(OF_CLAP.map(str::to_owned))
        .for_each(|name| *uses.entry(name).or_default() += 1);
    let mut told = BTreeSet::new();
    // In this order: flags, variables, fields.
    for (name, uses) in uses.into_iter().filter(|(_, uses)| *uses > 1) {
        if told.contains(&name) {
            continue;
        }
        let mut declared = owners.by_name.get(&name).cloned().unwrap_or_default();
        if declared.len() < uses {
            declared.push("the application".to_owned());
        }
        let kind = match &name {
            name if name.starts_with('-') => "the flag ",
            name if name.starts_with(FIELD) => "the ",
            _ => "the variable ",
        };
        problems.push(format!(
            "{kind}{name} is declared by {}: rename the flag in one of them",
            declared.join(" and by ")
        ));
        // A flag that is declared twice has its variable and its field twice as well: one message is enough.
        if let Some(long) = name.strip_prefix("--") {
            let plain = long.replace('-', "_");
            told.extend([format!("OP_{}", plain.to_ascii_uppercase()), format!("{FIELD}{plain}")]);
        }
    }
    problems
}

/// Who declares which name.
#[derive(Default)]
struct Owners {
    by_name: BTreeMap<String, Vec<String>>,
    positional: Vec<String>,
}

impl Owners {
    fn find() -> Self {
        let mut owners = Self::default();
        let all = Flags::augment_args(Command::new("flags"));
        let groups: Vec<_> =
            FlagGroup::linked().into_iter().map(|group| (group, group.arguments())).collect();
        // The groups' flags follow the kernel's.
        let of_groups: usize = groups.iter().map(|(_, args)| args.len()).sum();
        let own = all.get_arguments().count() - of_groups;
        all.get_arguments().take(own).for_each(|arg| owners.add(KERNEL, arg));
        for name in OF_CLAP {
            owners.by_name.entry(name.to_owned()).or_default().push(KERNEL.to_owned());
        }
        for (group, args) in &groups {
            let owner = group.to_string();
            args.iter().for_each(|arg| owners.add(&owner, arg));
            let positional = args.iter().filter(|arg| arg.is_positional());
            owners.positional.extend(positional.map(|arg| {
                format!(
                    "{owner}: the argument {} is positional: make it a flag with #[arg(long)]",
                    arg.get_id()
                )
            }));
        }
        owners
    }

    fn add(&mut self, owner: &str, arg: &Arg) {
        for name in names(arg) {
            self.by_name.entry(name).or_default().push(owner.to_owned());
        }
    }
}

/// What may be declared once: the flag, its short form, its variable, the field that holds it.
fn names(arg: &Arg) -> Vec<String> {
    let mut names = Vec::new();
    names.extend(arg.get_long().map(|long| format!("--{long}")));
    names.extend(arg.get_short().map(|short| format!("-{short}")));
    names.extend(arg.get_env().map(|name| name.to_string_lossy().into_owned()));
    names.push(format!("{FIELD}{}", arg.get_id()));
    names
}
