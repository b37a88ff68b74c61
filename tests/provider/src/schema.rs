//! Makes a small value that a JSON schema allows. Supports usual schemas.

use serde_json::{Map, Value, json};

/// Maximum depth, for schemas that contain themselves.
const DEPTH: u32 = 16;

/// Returns a value for `schema`, with `text` for its strings.
pub(crate) fn instance(schema: &Value, text: &str) -> Value {
    Instance { root: schema, text }.of(schema, DEPTH)
}

struct Instance<'a> {
    root: &'a Value,
    text: &'a str,
}

impl Instance<'_> {
    fn of(&self, schema: &Value, depth: u32) -> Value {
        if depth == 0 {
            return Value::Null;
        }
        if let Some(path) = schema["$ref"].as_str() {
            return self
                .root
                .pointer(path.trim_start_matches('#'))
                .map_or(Value::Null, |target| self.of(target, depth - 1));
        }
        if let Some(value) = schema.get("const") {
            return value.clone();
        }
        if let Some(value) = schema.pointer("/enum/0") {
            return value.clone();
        }
        if let Some(choice) = schema.pointer("/anyOf/0").or_else(|| schema.pointer("/oneOf/0")) {
            return self.of(choice, depth - 1);
        }
        match schema["type"].as_str().or_else(|| schema.pointer("/type/0")?.as_str()) {
            Some("string") => json!(self.text),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
            Some("boolean") => json!(true),
            Some("null") => Value::Null,
            Some("array") => json!([self.of(&schema["items"], depth - 1)]),
            _ => self.object(schema, depth),
        }
    }

    fn object(&self, schema: &Value, depth: u32) -> Value {
        let properties = schema["properties"].as_object();
        let fields = properties.into_iter().flatten().map(|(name, schema)| (name.clone(), self.of(schema, depth - 1)));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}
