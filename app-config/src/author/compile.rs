//! From JSON to the content of a config file, and back.

use std::path::Path;

use capnp::message::{Builder, HeapAllocator, ReaderSegments};
use capnp::schema::StructSchema;

use crate::codec::{Message, decode, marshal};
use crate::json::{from_json, to_json};
use crate::problems::{Expected, Problems, Remark};
use crate::schema::ConfigSchema;
use crate::secret::SecretBytes;

/// Makes the content of a config file from JSON, not sealed. The service accepts the content, and it was read back and compared.
/// `"@name"` in the JSON means a file in the folder `files`.
///
/// # Errors
/// All problems of the JSON. If it matches the schema: all problems that the service finds.
pub fn compile(schema: &ConfigSchema, json: &str, files: Option<&Path>) -> Result<SecretBytes, Problems> {
    compile_with_remarks(schema, json, files).map(|(file, _)| file)
}

/// As [`compile`], with the remarks on the config.
///
/// # Errors
/// As [`compile`].
pub(crate) fn compile_with_remarks(
    schema: &ConfigSchema,
    json: &str,
    files: Option<&Path>,
) -> Result<(SecretBytes, Vec<Remark>), Problems> {
    let message = from_json(struct_of(schema)?, json, files)?;
    let mut file = SecretBytes::default();
    let mut problems = Problems::new();
    if let Err(error) = marshal(&message, file.vec_mut()) {
        problems.add(Expected::of_code(error));
        return Err(problems);
    }
    // Read twice, since validating consumes a message.
    let remarks = schema.judge(read_back(&file)?, None, Problems::new())?;
    if !is_same(&message, read_back(&file)?) {
        problems.add("is not read back as it was written: the file would mean something else");
        return Err(problems);
    }
    Ok((file, remarks))
}

/// The JSON of a config. [`compile`] makes the same message from it.
///
/// The config is not validated, so that you can open a bad config to mend it.
///
/// # Errors
/// The message does not match the schema.
pub fn decompile(schema: &ConfigSchema, message: Message) -> Result<String, Problems> {
    to_json(struct_of(schema)?, message)
}

/// The type of the config.
pub(super) fn struct_of(schema: &ConfigSchema) -> Result<StructSchema, Problems> {
    schema.struct_schema().ok_or_else(|| {
        let mut problems = Problems::new();
        problems.add("is of a type that is no struct: the service can have no config");
        problems
    })
}

fn read_back(file: &[u8]) -> Result<Message, Problems> {
    decode(file).map_err(|error| {
        let mut problems = Problems::new();
        problems.add(Expected::of_code(format_args!("can't be read back: {error}")));
        problems
    })
}

fn is_same(written: &Builder<HeapAllocator>, read: Message) -> bool {
    let read = read.into_segments();
    let written = written.get_segments_for_output();
    written.len() == read.len()
        && (0..).zip(written.iter()).all(|(index, segment)| read.get_segment(index) == Some(segment))
}
