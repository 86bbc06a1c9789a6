//! An example config with every field.

use app_ids::{AppId, DomainId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use capnp::introspect::{Type, TypeVariant};
use capnp::schema::StructSchema;

use crate::docs::{comment, example_in};
use crate::json::{Member, Tree, default_of, leaf, members, parse, pretty};
use crate::schema::ConfigSchema;

/// The ids in an example that knows no application: those of the documentation.
const DOMAIN: DomainId = DomainId::new(0xd0);
const APP: AppId = AppId::new(0xa0);

/// JSON with every field of the struct type. [`from_json`](super::from_json) accepts it.
///
/// The value of a field is the example at the end of its comment in the schema (`Example: 100`), else its default, else any value
/// of the type. Ids differ. Of a union the first member is set. A struct inside a struct of its own type is left out.
#[must_use]
pub fn example(schema: StructSchema) -> String {
    pretty(&tree(schema))
}

/// As [`example`], with the values that the service has for its own example: [`Config::example`](crate::Config::example). It is for an
/// application with these ids; an id of 0 means that it is not known. `None` if the config is no struct.
#[must_use]
pub fn example_of(schema: &ConfigSchema, domain: DomainId, app: AppId) -> Option<String> {
    let mut example = tree(schema.struct_schema()?);
    let domain = if domain.as_u64() == 0 { DOMAIN } else { domain };
    let app = if app.as_u64() == 0 { APP } else { app };
    // JSON that can't be parsed is a mistake of the service. Then the general example is better than none.
    if let Some(own) = schema.example(domain, app).and_then(|json| parse(&json).ok()) {
        lay_over(&mut example, own);
    }
    Some(pretty(&example))
}

fn tree(schema: StructSchema) -> Tree {
    let mut example = Example { outside: Vec::new(), last_id: 0 };
    // The schema is compiled in, so reading it succeeds.
    example.structure(schema).unwrap_or(Tree::Object(Vec::new()))
}

/// Replaces the values of `below` by those of `above`. Objects are merged.
fn lay_over(below: &mut Tree, above: Tree) {
    match (below, above) {
        (Tree::Object(fields), Tree::Object(own)) => {
            for (name, value) in own {
                match fields.iter_mut().find(|(field, _)| *field == name) {
                    Some((_, field)) => lay_over(field, value),
                    None => fields.push((name, value)),
                }
            }
        }
        (below, above) => *below = above,
    }
}

struct Example {
    outside: Vec<StructSchema>,
    last_id: u64,
}

impl Example {
    fn structure(&mut self, schema: StructSchema) -> capnp::Result<Tree> {
        self.outside.push(schema);
        let mut entries = Vec::new();
        for member in members(schema)? {
            if !member.is_set_by_default() {
                continue;
            }
            let comment = comment(schema.get_proto().get_id(), member.name);
            let told = example_in(comment).and_then(|json| parse(json).ok());
            let value = match told {
                Some(value) => Some(value),
                // Such a 0 has a meaning, as in "Default: 0, which means 1024".
                None if comment.contains("Default: 0,") => Some(Tree::Number("0".to_owned())),
                None => self.member(&member)?,
            };
            entries.extend(value.map(|value| (member.name.to_owned(), value)));
        }
        self.outside.pop();
        Ok(Tree::Object(entries))
    }

    fn member(&mut self, member: &Member) -> capnp::Result<Option<Tree>> {
        let default = default_of(member.field)?.and_then(leaf).filter(|default| !is_nothing(default));
        match default {
            Some(default) => Ok(Some(default)),
            None => self.value(member.field.get_type()),
        }
    }

    /// A value of the type, if JSON can express one.
    fn value(&mut self, of: Type) -> capnp::Result<Option<Tree>> {
        Ok(match of.which() {
            TypeVariant::Void | TypeVariant::Bool => Some(Tree::Bool(true)),
            TypeVariant::UInt64 => {
                self.last_id += 1;
                Some(Tree::text(format!("{:#x}", self.last_id)))
            }
            TypeVariant::Float32 | TypeVariant::Float64 => Some(Tree::Number("1.0".to_owned())),
            TypeVariant::Text => Some(Tree::text("text")),
            TypeVariant::Data => Some(Tree::text(STANDARD.encode("bytes"))),
            TypeVariant::Enum(schema) => {
                let value = capnp::dynamic_value::Enum::new(0, schema.into());
                leaf(value.into())
            }
            TypeVariant::Struct(schema) => {
                let schema = StructSchema::from(schema);
                if self.outside.contains(&schema) { None } else { Some(self.structure(schema)?) }
            }
            TypeVariant::List(element) => match element.which() {
                TypeVariant::Void => None,
                _ => self.value(element)?.map(|item| Tree::List(vec![item])),
            },
            TypeVariant::AnyPointer | TypeVariant::Capability => None,
            _ => Some(Tree::Number("1".to_owned())),
        })
    }
}

/// Whether the value is the default of a field without a default of its own.
fn is_nothing(value: &Tree) -> bool {
    match value {
        Tree::Bool(value) => !value,
        Tree::Number(digits) => matches!(digits.as_str(), "0" | "0.0"),
        Tree::Text(text) => matches!(text.as_str(), "" | "0x0"),
        _ => true,
    }
}
