//! The roles of clients, by the names in their certificates.

use std::collections::HashMap;
use std::fmt;

use app_config::{Place, quoted};
use capnp::struct_list;
use schema::rpc_capnp::{RpcRole, rpc_grant};

/// What a client may do. Each role includes those before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Read, and change nothing. Every accepted client has this role.
    #[default]
    Read,
    /// Change how the application runs.
    Operate,
    /// Everything.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Read => "read",
            Self::Operate => "operate",
            Self::Admin => "admin",
        })
    }
}

/// The role of a client, and its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) role: Role,
    /// The name in its certificate that has the role. `None` if no name has a grant.
    pub(crate) by: Option<String>,
}

/// Roles by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(HashMap<String, Role>);

impl Grants {
    /// The highest role of any of these names. [`Role::Read`] if none has a grant. As in DNS, case does not matter.
    pub fn role<S: AsRef<str>>(&self, names: impl IntoIterator<Item = S>) -> Role {
        let granted = names.into_iter().filter_map(|name| self.0.get(&name.as_ref().to_ascii_lowercase()));
        granted.copied().max().unwrap_or_default()
    }

    /// The role of a client with these names, and the name with the grant.
    pub(crate) fn granted(&self, names: &[String]) -> Granted {
        let found = names.iter().filter_map(|name| Some((*self.0.get(&name.to_ascii_lowercase())?, name)));
        // Of several names with the highest role, the first counts.
        let highest = found.reduce(|best, next| if next.0 > best.0 { next } else { best });
        let by = highest.map(|(_, name)| name.clone());
        Granted { role: highest.map(|(role, _)| role).unwrap_or_default(), by }
    }

    /// Whether any name has more than [`Role::Read`].
    pub(crate) fn any(&self) -> bool {
        self.0.values().any(|role| *role > Role::Read)
    }

    pub(crate) fn read(
        list: struct_list::Reader<'_, rpc_grant::Owned>,
        place: &mut Place<'_>,
    ) -> Option<Self> {
        let mut grants = HashMap::new();
        for (index, grant) in list.iter().enumerate() {
            let mut place = place.index(index);
            let role = match grant.get_role() {
                Ok(RpcRole::Read) => Role::Read,
                Ok(RpcRole::Operate) => Role::Operate,
                Ok(RpcRole::Admin) => Role::Admin,
                Err(unknown) => {
                    let wrong = format_args!("is no role of this release: {}", unknown.0);
                    place.field("role").add_in_full("is no role of this release", wrong);
                    continue;
                }
            };
            let mut place = place.field("name");
            let name = place.text(grant.get_name())?;
            if name.is_empty() || name.len() > 255 {
                place.add("must have 1 to 255 bytes");
            }
            if grants.insert(name.to_ascii_lowercase(), role).is_some() {
                place
                    .add_in_full("has a grant already", format_args!("{} has a grant already", quoted(name)));
            }
        }
        Some(Self(grants))
    }
}

impl FromIterator<(String, Role)> for Grants {
    fn from_iter<I: IntoIterator<Item = (String, Role)>>(grants: I) -> Self {
        Self(grants.into_iter().map(|(name, role)| (name.to_ascii_lowercase(), role)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_role_of_any_name_counts_and_read_is_everybodys() {
        let grants: Grants =
            [("Ops.example".to_owned(), Role::Operate), ("root.example".to_owned(), Role::Admin)]
                .into_iter()
                .collect();
        assert_eq!(grants.role(["nobody.example"]), Role::Read);
        assert_eq!(grants.role(Vec::<String>::new()), Role::Read);
        assert_eq!(grants.role(["ops.EXAMPLE"]), Role::Operate);
        assert_eq!(grants.role(["ops.example", "root.example", "nobody.example"]), Role::Admin);
        let granted = |names: [&str; 2]| grants.granted(&names.map(str::to_owned));
        let by = |role, name: &str| Granted { role, by: Some(name.to_owned()) };
        assert_eq!(granted(["OPS.example", "Root.example"]), by(Role::Admin, "Root.example"));
        assert_eq!(granted(["ops.EXAMPLE", "ops.example"]), by(Role::Operate, "ops.EXAMPLE"));
        assert_eq!(granted(["nobody.example", ""]), Granted { role: Role::Read, by: None });
        assert!(Role::Read < Role::Operate && Role::Operate < Role::Admin);
    }
}
