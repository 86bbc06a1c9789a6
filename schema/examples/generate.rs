//! Writes `src/generated/` from the files in `capnp/`: `cargo run -p schema --example generate`.
//!
//! Needs the program `capnp` (Debian: `capnproto`). The crate `quota-schema` uses this file too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use capnp::message::ReaderOptions;
use capnp::schema_capnp::{code_generator_request, field, node, type_};

/// The names of the schemas in the folder, sorted. `rust.capnp` only declares annotations.
fn schemas_in(folder: &Path) -> capnp::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".capnp") && name != "rust.capnp" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Generates the code of all schemas, and the tables of their comments, methods and layouts, into `out`. Returns the files, sorted by
/// name.
///
/// # Errors
/// The program `capnp` is missing, or refuses a schema. Or a struct or a field has no comment. Or what is stored by the committed
/// schemas could not be read any more.
pub(crate) fn generate(out: &Path) -> capnp::Result<Vec<PathBuf>> {
    let of_crate = Path::new(env!("CARGO_MANIFEST_DIR"));
    let stored = fs::read_to_string(of_crate.join("src/generated").join(LAYOUT)).unwrap_or_default();
    generate_from(&of_crate.join("capnp"), &stored, out)
}

/// The table of layouts: what configs, messages and buckets that are stored somewhere look like.
const LAYOUT: &str = "layout.txt";

/// As [`generate`], from the schemas in a folder, and with the table of the layouts of what is stored.
pub(crate) fn generate_from(schemas: &Path, stored: &str, out: &Path) -> capnp::Result<Vec<PathBuf>> {
    let names = schemas_in(schemas)?;
    let request = out.join("request.bin");
    let mut compiler = capnpc::CompilerCommand::new();
    compiler.src_prefix(schemas).no_standard_import().output_path(out);
    compiler.raw_code_generator_request_path(&request);
    for name in &names {
        compiler.file(schemas.join(name));
    }
    compiler.run()?;
    let bytes = fs::read(&request)?;
    fs::remove_file(&request)?;
    let docs = out.join("docs.rs");
    fs::write(&docs, table(&bytes)?)?;
    let methods = out.join("methods.rs");
    fs::write(&methods, methods_table(&bytes)?)?;
    let layout = layout_table(&bytes)?;
    still_reads(stored, &layout)?;
    let layouts = out.join(LAYOUT);
    fs::write(&layouts, layout.text())?;
    let code = names.iter().map(|name| out.join(name.replace(".capnp", "_capnp.rs")));
    let mut files: Vec<_> = code.chain([docs, layouts, methods]).collect();
    files.sort();
    Ok(files)
}

/// The comments of all structs and enums and of their members, as the source of a table.
fn table(request: &[u8]) -> capnp::Result<String> {
    let message = capnp::serialize::read_message(request, ReaderOptions::new())?;
    let request: code_generator_request::Reader<'_> = message.get_root()?;
    // Sorted by id, since compilers differ in their order.
    let mut nodes = BTreeMap::new();
    for info in request.get_source_info()? {
        for node in request.get_nodes()?.into_iter().filter(|node| node.get_id() == info.get_id()) {
            let Some(names) = members(node)? else { continue };
            let name = node.get_display_name()?.to_str()?;
            let text: &mut String = nodes.entry(node.get_id()).or_default();
            entry(text, node.get_id(), "", name, info.get_doc_comment()?.to_str()?)?;
            let docs = info.get_members()?;
            for (index, member) in (0..).zip(names) {
                let doc = docs.try_get(index).map(|member| member.get_doc_comment()).transpose()?;
                let doc = doc.map(|doc| doc.to_str()).transpose()?.unwrap_or_default();
                entry(text, node.get_id(), &member, name, doc)?;
            }
        }
    }
    let entries: String = nodes.into_values().collect();
    Ok(format!(
        "// @generated from the comments in `capnp/` by the example of this crate.\n\n\
         pub(crate) static DOCS: &[(u64, &str, &str)] = &[\n{entries}];\n"
    ))
}

/// The methods of all interfaces, as the source of a table. Generated code does not have their names.
fn methods_table(request: &[u8]) -> capnp::Result<String> {
    let message = capnp::serialize::read_message(request, ReaderOptions::new())?;
    let request: code_generator_request::Reader<'_> = message.get_root()?;
    let mut methods = BTreeMap::new();
    for node in request.get_nodes()? {
        let node::Interface(interface) = node.which()? else { continue };
        let full = node.get_display_name()?.to_str()?;
        let name = full.rsplit(':').next().unwrap_or(full);
        for (ordinal, method) in (0_u16..).zip(interface.get_methods()?) {
            let line = format!(
                "    ({:#018x}, {name:?}, {ordinal}, {:?}),\n",
                node.get_id(),
                method.get_name()?.to_str()?
            );
            methods.insert((node.get_id(), ordinal), line);
        }
    }
    let entries: String = methods.into_values().collect();
    Ok(format!(
        "// @generated from the interfaces in `capnp/` by the example of this crate.\n\n\
         pub(crate) static METHODS: &[(u64, &str, u16, &str)] = &[\n{entries}];\n"
    ))
}

/// The layouts of structs and enums: a line for each member by node and ordinal, and the names for messages.
#[derive(Default)]
struct Layouts {
    lines: BTreeMap<(u64, u16), String>,
    names: BTreeMap<u64, String>,
}

impl Layouts {
    fn text(&self) -> String {
        let mut text = "# @generated from the structs and enums in `capnp/`: node, ordinal, and where and how a value is stored.\n\
            # What is stored is read by this, so a line never changes and never goes.\n"
            .to_owned();
        for ((node, ordinal), form) in &self.lines {
            // To write to a text does not fail.
            let _ = writeln!(text, "{node:#018x} {ordinal} {form}");
        }
        text
    }
}

/// Compares the layouts of what is stored with those of the schemas. Members may be added, and renamed.
fn still_reads(stored: &str, now: &Layouts) -> capnp::Result<()> {
    for line in stored.lines().filter(|line| !line.starts_with('#')) {
        let broken = |what: String| {
            Err(capnp::Error::failed(format!(
                "{what}: what is stored could not be read any more; leave it as it was, and add a member at the end"
            )))
        };
        let mut words = line.splitn(3, ' ');
        let id = words.next().and_then(|id| u64::from_str_radix(id.trim_start_matches("0x"), 16).ok());
        let ordinal = words.next().and_then(|ordinal| ordinal.parse::<u16>().ok());
        let (Some(id), Some(ordinal), Some(before)) = (id, ordinal, words.next()) else {
            return broken(format!("{LAYOUT} has the line {line:?}, which is no layout"));
        };
        let name = now.names.get(&id).map_or("a removed node", String::as_str);
        match now.lines.get(&(id, ordinal)) {
            None => {
                return broken(format!("{name} ({id:#018x}): member @{ordinal} is gone; it was {before}"));
            }
            Some(form) if form != before => {
                return broken(format!("{name} ({id:#018x}): member @{ordinal} was {before}, and is {form}"));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

fn layout_table(request: &[u8]) -> capnp::Result<Layouts> {
    let message = capnp::serialize::read_message(request, ReaderOptions::new())?;
    let request: code_generator_request::Reader<'_> = message.get_root()?;
    let mut layouts = Layouts::default();
    for node in request.get_nodes()? {
        let id = node.get_id();
        match node.which()? {
            // Parameters and results of methods are stored nowhere.
            node::Struct(fields) if node.get_scope_id() != 0 => {
                for (place, field) in (0..).zip(fields.get_fields()?) {
                    let (ordinal, form) = layout_of(field, place)?;
                    layouts.lines.insert((id, ordinal), form);
                }
            }
            node::Enum(values) => {
                for (ordinal, _) in (0..).zip(values.get_enumerants()?) {
                    layouts.lines.insert((id, ordinal), "a value".to_owned());
                }
            }
            _ => continue,
        }
        layouts.names.insert(id, node.get_display_name()?.to_string()?);
    }
    Ok(layouts)
}

/// Where and how a field is stored, with its default, which is part of what is stored: values are compared with it.
fn layout_of(field: field::Reader<'_>, place: u16) -> capnp::Result<(u16, String)> {
    let ordinal = match field.get_ordinal().which()? {
        field::ordinal::Explicit(ordinal) => ordinal,
        // A group has no ordinal. Its fields are a node of their own.
        field::ordinal::Implicit(()) => u16::MAX - place,
    };
    let in_union = match field.get_discriminant_value() {
        field::NO_DISCRIMINANT => String::new(),
        tag => format!(" if {tag}"),
    };
    let form = match field.which()? {
        field::Slot(slot) => {
            let default = format!("{:?}", slot.get_default_value()?);
            format!("{} at {} else {default}{in_union}", type_of(slot.get_type()?)?, slot.get_offset())
        }
        field::Group(group) => format!("group {:#018x}{in_union}", group.get_type_id()),
    };
    Ok((ordinal, form))
}

fn type_of(of: type_::Reader<'_>) -> capnp::Result<String> {
    Ok(match of.which()? {
        type_::List(list) => format!("List({})", type_of(list.get_element_type()?)?),
        type_::Enum(of) => format!("enum {:#018x}", of.get_type_id()),
        type_::Struct(of) => format!("struct {:#018x}", of.get_type_id()),
        type_::Interface(of) => format!("interface {:#018x}", of.get_type_id()),
        type_::AnyPointer(_) => "AnyPointer".to_owned(),
        type_::Void(()) => "Void".to_owned(),
        type_::Bool(()) => "Bool".to_owned(),
        type_::Int8(()) => "Int8".to_owned(),
        type_::Int16(()) => "Int16".to_owned(),
        type_::Int32(()) => "Int32".to_owned(),
        type_::Int64(()) => "Int64".to_owned(),
        type_::Uint8(()) => "UInt8".to_owned(),
        type_::Uint16(()) => "UInt16".to_owned(),
        type_::Uint32(()) => "UInt32".to_owned(),
        type_::Uint64(()) => "UInt64".to_owned(),
        type_::Float32(()) => "Float32".to_owned(),
        type_::Float64(()) => "Float64".to_owned(),
        type_::Text(()) => "Text".to_owned(),
        type_::Data(()) => "Data".to_owned(),
    })
}

/// The names of the fields of a struct, or of the values of an enum, in the order of their comments. `None` for the parameters and
/// results of a method: these structs have no scope and no comments.
fn members(node: node::Reader<'_>) -> capnp::Result<Option<Vec<String>>> {
    let names: Vec<_> = match node.which()? {
        node::Struct(fields) if node.get_scope_id() != 0 => {
            fields.get_fields()?.iter().map(|field| field.get_name()).collect()
        }
        node::Enum(values) => values.get_enumerants()?.iter().map(|value| value.get_name()).collect(),
        _ => return Ok(None),
    };
    names.into_iter().map(|name| Ok(name?.to_string()?)).collect::<capnp::Result<_>>().map(Some)
}

fn entry(text: &mut String, id: u64, member: &str, name: &str, doc: &str) -> capnp::Result<()> {
    if doc.trim().is_empty() {
        return Err(capnp::Error::failed(format!("{name} {member}: has no comment")));
    }
    // An empty line begins a paragraph. Other line breaks are only for readers of the schema.
    let paragraphs: Vec<_> = doc.trim().split("\n\n").map(|text| text.replace('\n', " ")).collect();
    writeln!(text, "    ({id:#018x}, {member:?}, {:?}),", paragraphs.join("\n"))
        .map_err(|error| capnp::Error::failed(error.to_string()))
}

#[allow(dead_code, reason = "a test includes this file only for `generate`")]
fn main() -> capnp::Result<()> {
    generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated")).map(drop)
}
