//! Groups of contexts, and the contexts that a command for several apps asks.

use std::collections::BTreeSet;
use std::path::Path;

use app_rpc::admin::APP_RPC_SERVICE_ID;

use super::{Context, Contexts, Place, read};
use crate::failure::Failure;

/// Most contexts that one command asks.
const MOST_CONTEXTS: usize = 1_000;

impl Contexts {
    /// The contexts of a group and of the groups in it, in their order, each once. Empty if there is no such group.
    pub(crate) fn members(&self, group: &str) -> Vec<String> {
        let (mut members, mut seen) = (Vec::new(), BTreeSet::new());
        let mut open = vec![group];
        while let Some(name) = open.pop() {
            if !seen.insert(name) {
                continue;
            }
            match self.groups.get(name) {
                Some(inner) => open.extend(inner.iter().rev().map(String::as_str)),
                None => members.extend(self.contexts.contains_key(name).then(|| name.to_owned())),
            }
        }
        members
    }

    /// Refuses a file whose groups make no sense.
    pub(super) fn check_groups(&self, file: &Path) -> Result<(), Failure> {
        for (name, members) in &self.groups {
            let wrong = if self.contexts.contains_key(name) {
                Some("has the name of a context; rename one of them".to_owned())
            } else if members.is_empty() {
                Some("has no member; add a context, or remove the group".to_owned())
            } else if let Some(unknown) = members.iter().find(|member| !self.is_known(member)) {
                Some(format!("has the member {unknown:?}, which is no context and no group of the file"))
            } else {
                self.circle(name).map(|circle| format!("contains itself: {}", circle.join(" -> ")))
            };
            if let Some(wrong) = wrong {
                return Err(Failure::unusable(format!(
                    "contexts {}: group {name:?} {wrong}",
                    file.display()
                )));
            }
        }
        Ok(())
    }

    fn is_known(&self, member: &str) -> bool {
        self.contexts.contains_key(member) || self.groups.contains_key(member)
    }

    /// A path from the group back to itself, if there is one.
    fn circle<'a>(&'a self, start: &'a str) -> Option<Vec<&'a str>> {
        let mut seen = BTreeSet::new();
        let mut open = vec![vec![start]];
        while let Some(path) = open.pop() {
            let last = *path.last()?;
            for inner in
                self.groups.get(last).into_iter().flatten().filter(|name| self.groups.contains_key(*name))
            {
                let next = [path.as_slice(), &[inner.as_str()]].concat();
                if inner == start {
                    return Some(next);
                }
                if seen.insert(inner) {
                    open.push(next);
                }
            }
        }
        None
    }

    /// All contexts. Those of services other than the admin interface are left out, unless all are such.
    fn of_apps(&self) -> Vec<String> {
        let is_other =
            |context: &Context| context.service.is_some_and(|service| service != APP_RPC_SERVICE_ID);
        let all_others = self.contexts.values().all(is_other);
        let apps = self.contexts.iter().filter(|(_, context)| all_others || !is_other(context));
        apps.map(|(name, _)| name.clone()).collect()
    }

    fn group_names(&self) -> String {
        let names: Vec<_> = self.groups.keys().map(String::as_str).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

impl Place {
    /// Whether the place names a group. `false` if the file cannot be read, which another step reports.
    pub(crate) fn is_group(&self) -> bool {
        let of_file = |name| read(&self.file).is_ok_and(|contexts| contexts.groups.contains_key(name));
        self.name.as_ref().is_some_and(of_file)
    }

    /// The contexts that a command for several apps asks: those of `group`, else the named one or those of the named group,
    /// else all contexts of the file. Their paths are relative to the current folder.
    pub(crate) fn several(&self, group: Option<&str>) -> Result<Vec<(String, Context)>, Failure> {
        let mut contexts = read(&self.file)?;
        let names = match (group, &self.name) {
            (Some(group), _) if !contexts.groups.contains_key(group) => {
                let (file, groups) = (self.file.display(), contexts.group_names());
                return Err(Failure::unusable(format!("{file} has no group {group:?}; it has: {groups}")));
            }
            (Some(group), _) => contexts.members(group),
            (None, Some(name)) if contexts.groups.contains_key(name) => contexts.members(name),
            (None, Some(name)) => vec![name.clone()],
            (None, None) => contexts.of_apps(),
        };
        if names.is_empty() {
            let file = self.file.display();
            return Err(Failure::unusable(format!("contexts {file}: there are none; {}", super::CURE)));
        }
        if names.len() > MOST_CONTEXTS {
            let many = format!("{} contexts are meant, at most {MOST_CONTEXTS}; name a group", names.len());
            return Err(Failure::unusable(format!("contexts {}: {many}", self.file.display())));
        }
        let mut found = Vec::new();
        for name in names {
            match contexts.contexts.remove(&name) {
                Some(context) => found.push((name, self.based(context))),
                None => return Err(contexts.unknown(self, &name)),
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const CONTEXT: &str =
        r#"{ "address": "h:1", "domain": "0x1", "app": "0x2", "ca": "a", "cert": "b", "key": "c" }"#;

    fn place(folder: &Path, groups: &str, name: Option<&str>) -> Place {
        let file = folder.join("contexts.json");
        let contexts: Vec<_> = ["eu", "us", "dev"].map(|name| format!("\"{name}\": {CONTEXT}")).to_vec();
        let text = format!(
            "{{\"contexts\": {{{}}}, \"groups\": {{{groups}}}, \"current\": \"dev\"}}",
            contexts.join(",")
        );
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        Place { file, name: name.map(str::to_owned) }
    }

    fn names(groups: &str, name: Option<&str>, group: Option<&str>) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let several = place(folder.path(), groups, name).several(group);
        several.map(|all| all.into_iter().map(|(name, _)| name).collect()).map_err(|failure| failure.message)
    }

    #[test]
    fn a_group_stands_for_its_contexts_and_those_of_its_groups() {
        const GROUPS: &str = r#""prod": ["us", "eu"], "all": ["dev", "prod", "us"]"#;
        assert_eq!(names(GROUPS, None, Some("prod")).unwrap(), ["us", "eu"]);
        assert_eq!(names(GROUPS, Some("all"), None).unwrap(), ["dev", "us", "eu"]);
        assert_eq!(names(GROUPS, Some("eu"), None).unwrap(), ["eu"]);
        assert_eq!(names(GROUPS, None, None).unwrap(), ["dev", "eu", "us"], "all contexts of the file");
        assert!(
            names(GROUPS, None, Some("pord"))
                .unwrap_err()
                .ends_with("has no group \"pord\"; it has: all, prod")
        );
        let folder = tempfile::tempdir().unwrap();
        let place = place(folder.path(), GROUPS, Some("prod"));
        assert!(place.is_group());
        let one = place.context().unwrap_err().message;
        assert!(
            one.ends_with("is a group, and this command asks one app; name one of its contexts: us, eu"),
            "{one}"
        );
    }

    #[test]
    fn groups_that_make_no_sense_are_refused() {
        for (groups, said) in [
            (r#""a": ["b"], "b": ["c"], "c": ["eu", "a"]"#, "group \"a\" contains itself: a -> b -> c -> a"),
            (r#""a": ["a"]"#, "contains itself: a -> a"),
            (r#""b": ["a"], "a": ["a", "eu"]"#, "group \"a\" contains itself: a -> a"),
            (r#""a": []"#, "group \"a\" has no member; add a context"),
            (r#""a": ["asia"]"#, "has the member \"asia\", which is no context and no group"),
            (r#""eu": ["us"]"#, "group \"eu\" has the name of a context; rename one of them"),
            (r#""a": ["eu"], "a": ["us"]"#, "group \"a\" is there twice"),
            (r##""a#b": ["eu"]"##, "cannot be the name of a group"),
            (r#""a": "eu""#, "expected a sequence"),
        ] {
            let refused = names(groups, None, Some("a")).unwrap_err();
            assert!(refused.contains(said), "{groups}: {refused}");
        }
    }

    #[test]
    fn deep_and_wide_groups_are_expanded_quickly() {
        // Each group has the next one twice: every path through them would be 2^60.
        let chain: Vec<_> = (0..60).map(|n| format!(r#""g{n}": ["g{m}", "g{m}"]"#, m = n + 1)).collect();
        let groups = format!("{}, \"g60\": [\"eu\"]", chain.join(","));
        assert_eq!(names(&groups, None, Some("g0")).unwrap(), ["eu"]);
    }
}
