//! Tests of the headers, of ids, of attributes and of the table of spans. What needs a sink is in `tests/trace.rs`.

mod attributes;
mod headers;
mod ids;
mod table;
