//! Decoders: the records of each format.

pub(crate) mod arrow;
pub(crate) mod arrow_column;
pub(crate) mod csv;
pub(crate) mod csv_fields;
pub(crate) mod csv_form;
pub(crate) mod dbn;
pub(crate) mod document_lines;
pub(crate) mod guarded;
pub(crate) mod ipc_limits;
pub(crate) mod json;
pub(crate) mod json_record;
pub(crate) mod json_text;
pub(crate) mod lines;
pub(crate) mod ndjson;
pub(crate) mod parquet;
pub(crate) mod segments;
pub(crate) mod text_index;
