//! What is known of an operation: its name, who may call it, what it does, and the schemas of its arguments and its result.

use std::fmt;

use app_ids::ServiceId;
use serde::Serialize;
use serde_json::Value;

/// The lowest role that may call an operation. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OperationRole {
    /// Every client that the application lets in.
    Read,
    /// Those who change how the application runs.
    Operate,
    /// Those who may end the application.
    Admin,
}

impl OperationRole {
    /// The role in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for OperationRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What an operation does to the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It only reads. A call needs no reason and has no audit record.
    Reads,
    /// It changes something. A call needs a reason, and has audit records.
    Changes,
    /// It destroys something that does not come back. A call must also be confirmed.
    Destroys,
}

impl Effect {
    /// The effect in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "reads",
            Self::Changes => "changes",
            Self::Destroys => "destroys",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An operation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OperationInfo {
    /// The service that offers it. Zero is the application itself.
    pub service: ServiceId,
    /// The name of that service; `app` for the application itself.
    pub service_name: String,
    /// The name of the operation, unique for the service.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub about: &'static str,
    /// The lowest role that may call it.
    pub role: OperationRole,
    /// What it does to the application.
    pub effect: Effect,
    /// Whether a call answers with the id of a job, which then does the work.
    pub job: bool,
}

impl OperationInfo {
    pub(crate) fn new(
        (service, service_name): (ServiceId, String),
        (name, about): (&'static str, &'static str),
        (role, effect, job): (OperationRole, Effect, bool),
    ) -> Self {
        Self { service, service_name, name, about, role, effect, job }
    }
}

/// An operation, with the JSON Schemas (2020-12) of its arguments and its result.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct OperationSchemas {
    /// The operation.
    pub operation: OperationInfo,
    /// The schema of the arguments: an object.
    pub arguments: Value,
    /// The schema of the result. For an operation with a job, of the result of the job.
    pub results: Value,
}

impl OperationSchemas {
    pub(crate) fn new(operation: OperationInfo, arguments: Value, results: Value) -> Self {
        Self { operation, arguments, results }
    }
}

/// Flags of `appctl do` that no argument of an operation may have. A start refuses such an argument.
pub const RESERVED_FLAGS: &[&str] = &[
    "address",
    "all",
    "app-id",
    "args",
    "ca",
    "cert",
    "context",
    "crl",
    "domain-id",
    "group",
    "help",
    "json",
    "key",
    "no-wait",
    "reason",
    "request-id",
    "service-id",
    "timeout",
    "yes",
];

/// The flag of an argument: its name in kebab case. `None` if the name makes no flag; such an argument is given as JSON.
///
/// ```
/// use app_core::operations::flag_of;
///
/// assert_eq!(flag_of("max_keys").as_deref(), Some("max-keys"));
/// assert_eq!(flag_of("maxKeys").as_deref(), Some("max-keys"));
/// assert_eq!(flag_of("größe"), None);
/// ```
#[must_use]
pub fn flag_of(argument: &str) -> Option<String> {
    let mut flag = String::with_capacity(argument.len() + 2);
    let mut after_lower = false;
    for c in argument.chars() {
        match c {
            'A'..='Z' => {
                if after_lower {
                    flag.push('-');
                }
                flag.push(c.to_ascii_lowercase());
            }
            'a'..='z' | '0'..='9' => flag.push(c),
            '_' | '-' if !flag.is_empty() => flag.push('-'),
            _ => return None,
        }
        after_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    (!flag.is_empty() && !flag.ends_with('-') && flag.len() <= 64).then_some(flag)
}

/// Whether an operation may have this name: 1 to 64 of `a` to `z`, `0` to `9` and `-`, with no `-` at either end.
pub(crate) fn is_operation_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=64).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_lower_case_letters_digits_and_dashes() {
        for good in ["forget", "a", "dead-letters", "set2", &"x".repeat(64)] {
            assert!(is_operation_name(good), "{good}");
        }
        for bad in ["", "Forget", "for get", "for_get", "-x", "x-", "größe", "a/b", &"x".repeat(65)] {
            assert!(!is_operation_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_argument_has_a_flag_in_kebab_case() {
        for (argument, flag) in [
            ("rule", Some("rule")),
            ("max_keys", Some("max-keys")),
            ("maxKeysOfRule", Some("max-keys-of-rule")),
            ("HTTPPort", Some("httpport")),
            ("v2Key", Some("v2-key")),
            ("_rule", None),
            ("rule_", None),
            ("", None),
            ("a b", None),
            ("$ref", None),
        ] {
            assert_eq!(flag_of(argument).as_deref(), flag, "{argument}");
        }
        assert_eq!(flag_of(&"x".repeat(65)), None);
    }

    #[test]
    fn the_reserved_flags_are_sorted_and_each_is_there_once() {
        assert!(RESERVED_FLAGS.is_sorted_by(|a, b| a < b));
    }
}
