//! JSON: one document, or one object a line. Every object that an answer consists of begins with the name of its schema: the
//! document itself, or where the document is an array each of its elements, which are the lines of `jsonl`.

use std::io::{self, Write};

use serde::Serialize;

/// The shape of all answers: fields are added, none is taken away.
pub const SCHEMA: &str = "zeek-cluster/v1";

/// A value that serializes as an object, with its schema in front.
#[derive(Serialize)]
struct Marked<'a, T: Serialize> {
    schema: &'static str,
    #[serde(flatten)]
    value: &'a T,
}

fn marked<T: Serialize>(value: &T) -> Marked<'_, T> {
    Marked { schema: SCHEMA, value }
}

/// Writes a value as it is, indented, with a line end: for documents with a schema of their own, and for single values.
pub fn write<T: Serialize + ?Sized>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}

/// Writes one object.
pub fn object<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    write(out, &marked(value))
}

/// Writes an array of objects.
pub fn array<T: Serialize>(out: &mut dyn Write, values: &[T]) -> io::Result<()> {
    write(out, &values.iter().map(marked).collect::<Vec<_>>())
}

/// Writes one object as one line.
pub fn line<T: Serialize>(out: &mut dyn Write, value: &T) -> io::Result<()> {
    serde_json::to_writer(&mut *out, &marked(value))?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize)]
    struct Row {
        zebra: u8,
        ant: u8,
    }

    #[test]
    fn every_object_begins_with_its_schema_and_keeps_its_order() {
        let mut out = Vec::new();
        line(&mut out, &Row { zebra: 1, ant: 2 }).unwrap();
        line(&mut out, &serde_json::json!({ "@data-type": "count", "data": 1 })).unwrap();
        array(&mut out, &[Row { zebra: 3, ant: 4 }]).unwrap();
        array::<Row>(&mut out, &[]).unwrap();
        let expected = "{\"schema\":\"zeek-cluster/v1\",\"zebra\":1,\"ant\":2}\n\
                        {\"schema\":\"zeek-cluster/v1\",\"@data-type\":\"count\",\"data\":1}\n\
                        [\n  {\n    \"schema\": \"zeek-cluster/v1\",\n    \"zebra\": 3,\n    \"ant\": 4\n  }\n]\n[]\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
