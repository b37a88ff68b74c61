//! Converts JSON schema (2020-12, the part that a grammar can enforce) to GBNF.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::gbnf;
use crate::limits::{
    MAX_GRAMMAR_AMBIGUITY, MAX_GRAMMAR_BYTES, MAX_GRAMMAR_RULES, MAX_SCHEMA_ALTERNATIVES, MAX_SCHEMA_BYTES,
    MAX_SCHEMA_DEPTH, MAX_SCHEMA_PROPERTIES, MAX_SCHEMA_REPEAT,
};
use crate::request::{Code, RequestError};

/// The grammar whose language is the JSON texts that `schema` accepts (a subset of them where
/// the module's documentation says so).
pub(super) fn grammar(schema: &Value) -> Result<String, RequestError> {
    if schema.to_string().len() > MAX_SCHEMA_BYTES {
        return Err(refuse(format!("a schema must have at most {MAX_SCHEMA_BYTES} bytes")));
    }
    let mut converter = Converter::new(schema);
    let root = converter.schema(schema, 0)?;
    if converter.recursive && converter.ambiguous {
        return Err(refuse("a recursive schema must not have alternatives that begin alike"));
    }
    converter.add("root".to_owned(), format!("ws {} ws", root.rule))?;
    converter.print()
}

/// A schema's rule, and how many ways of reading may be open at once, by first character.
struct Node {
    rule: String,
    open: Open,
}

/// Ways of reading that may be open at once after a first character of each class.
type Open = [u64; CLASSES];
const CLASSES: usize = 6;
const OBJECT: usize = 0;
const ARRAY: usize = 1;
const STRING: usize = 2;
const NUMBER: usize = 3;
const BOOLEAN: usize = 4;
const NULL: usize = 5;

enum Definition {
    Begun { containers: usize, rule: String },
    Done { rule: String, open: Open },
}

struct Converter<'a> {
    document: &'a Value,
    rules: BTreeMap<String, String>,
    definitions: BTreeMap<&'a str, Definition>,
    /// Containers around the schema that is being converted.
    containers: usize,
    count: usize,
    bytes: usize,
    recursive: bool,
    ambiguous: bool,
}

/// Keywords for people, which a validator ignores.
const ANNOTATIONS: &[&str] =
    &["$comment", "$schema", "default", "deprecated", "description", "examples", "readOnly", "title", "writeOnly"];

/// Keywords that are known but cannot be enforced; they may be named in an error.
const UNENFORCEABLE: &[&str] = &[
    "$anchor",
    "$dynamicRef",
    "$id",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "else",
    "if",
    "maxProperties",
    "minProperties",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
    "uniqueItems",
];

impl<'a> Converter<'a> {
    fn new(document: &'a Value) -> Self {
        Self {
            document,
            rules: BTreeMap::new(),
            definitions: BTreeMap::new(),
            containers: 0,
            count: 0,
            bytes: 0,
            recursive: false,
            ambiguous: false,
        }
    }

    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Node, RequestError> {
        if depth >= MAX_SCHEMA_DEPTH {
            return Err(refuse(format!("a schema must be nested at most {MAX_SCHEMA_DEPTH} deep")));
        }
        let map = match schema {
            Value::Bool(true) => return self.builtin("value", [1; CLASSES]),
            Value::Object(map) => map,
            _ => return Err(refuse("a schema must be an object")),
        };
        if let Some(target) = map.get("$ref") {
            only(map, &["$ref", "$defs", "definitions"])?;
            return self.reference(target, depth);
        }
        if let Some(values) = map.get("enum") {
            only(map, &["enum", "type"])?;
            let values = values.as_array().ok_or_else(|| refuse("'enum' must be an array"))?;
            return self.constants(values.iter().collect(), map.get("type"));
        }
        if let Some(value) = map.get("const") {
            only(map, &["const", "type"])?;
            return self.constants(vec![value], map.get("type"));
        }
        if let Some(alternatives) = map.get("anyOf") {
            only(map, &["anyOf", "$defs", "definitions"])?;
            let alternatives = alternatives.as_array().ok_or_else(|| refuse("'anyOf' must be an array"))?;
            let nodes = alternatives.iter().map(|alternative| self.schema(alternative, depth + 1));
            let nodes = nodes.collect::<Result<_, _>>()?;
            return self.union(nodes);
        }
        if let Some(all) = map.get("allOf") {
            only(map, &["allOf", "$defs", "definitions"])?;
            return match all.as_array().map(Vec::as_slice) {
                Some([one]) => self.schema(one, depth + 1),
                _ => Err(refuse("'allOf' must have exactly one schema")),
            };
        }
        match map.get("type") {
            Some(Value::String(kind)) => self.kind(kind, map, depth),
            Some(Value::Array(kinds)) => {
                let kinds = kinds.iter().map(|kind| kind.as_str().ok_or_else(|| refuse("a type must be a string")));
                let kinds = kinds.collect::<Result<BTreeSet<_>, _>>()?;
                if let Some(key) = map.keys().find(|key| !belongs_to_any(key, &kinds)) {
                    return Err(unknown(key));
                }
                let nodes = kinds.into_iter().map(|kind| self.kind_of_list(kind, map, depth));
                let nodes = nodes.collect::<Result<_, _>>()?;
                self.union(nodes)
            }
            Some(_) => Err(refuse("'type' must be a string or an array of strings")),
            None if map.contains_key("properties") => self.kind("object", map, depth),
            None if map.contains_key("items") => self.kind("array", map, depth),
            None => {
                only(map, &["$defs", "definitions"])?;
                self.builtin("value", [1; CLASSES])
            }
        }
    }

    fn kind(&mut self, kind: &str, map: &'a Map<String, Value>, depth: usize) -> Result<Node, RequestError> {
        only(map, keywords(kind))?;
        self.kind_of_list(kind, map, depth)
    }

    /// Whether this is one type of a list of types. It then ignores the keywords of the others.
    fn kind_of_list(&mut self, kind: &str, map: &'a Map<String, Value>, depth: usize) -> Result<Node, RequestError> {
        match kind {
            "object" => self.object(map, depth),
            "array" => self.array(map, depth),
            "string" => self.string(map),
            "integer" => self.integer(map),
            "number" => self.builtin("number", one(NUMBER)),
            "boolean" => self.builtin("boolean", one(BOOLEAN)),
            "null" => self.builtin("null", one(NULL)),
            _ => Err(refuse("'type' must name a JSON type")),
        }
    }

    fn object(&mut self, map: &'a Map<String, Value>, depth: usize) -> Result<Node, RequestError> {
        let empty = Map::new();
        let properties = match map.get("properties") {
            None => None,
            Some(Value::Object(properties)) => Some(properties),
            Some(_) => return Err(refuse("'properties' must be an object")),
        };
        if properties.is_some_and(|properties| properties.len() > MAX_SCHEMA_PROPERTIES) {
            return Err(refuse(format!("an object must have at most {MAX_SCHEMA_PROPERTIES} properties")));
        }
        let required = required(map, properties.unwrap_or(&empty))?;
        let Some(properties) = properties.filter(|properties| !properties.is_empty()) else {
            return self.free_object(map.get("additionalProperties"), depth);
        };
        self.containers += 1;
        let mut open = 1;
        let mut member = |this: &mut Self, name: &str, schema: &'a Value| {
            let node = this.schema(schema, depth + 1)?;
            open = open.max(total(&node.open));
            let key = gbnf::literal(&Value::from(name).to_string());
            this.rule(format!("{key} ws \":\" ws {} ws", node.rule))
        };
        let mut fixed = Vec::new();
        for name in &required {
            if let Some(schema) = properties.get(*name) {
                fixed.push(member(self, name, schema)?);
            }
        }
        let mut optional = Vec::new();
        for (name, schema) in properties.iter().filter(|(name, _)| !required.contains(&name.as_str())) {
            optional.push(member(self, name, schema)?);
        }
        self.containers -= 1;
        // Beside listed properties no others are produced, even if additionalProperties allows them. Still it must be
        // well-formed.
        if !matches!(map.get("additionalProperties"), None | Some(Value::Bool(_) | Value::Object(_))) {
            return Err(refuse("'additionalProperties' must be a schema"));
        }
        let mut rest = String::new();
        for rule in &optional {
            rest.push_str(&format!(" (\",\" ws {rule})?"));
        }
        let members = if !fixed.is_empty() {
            format!("{}{rest}", fixed.join(" \",\" ws "))
        } else {
            // The first optional member that appears comes without a comma.
            let mut alternatives = Vec::new();
            let mut tail = String::new();
            for rule in optional.iter().rev() {
                let first = if tail.is_empty() { rule.clone() } else { format!("{rule} {tail}") };
                alternatives.push(first);
                tail = self.rule(format!("(\",\" ws {rule})? {tail}").trim_end().to_owned())?;
            }
            format!("({})?", alternatives.join(" | "))
        };
        let rule = self.rule(format!("\"{{\" ws {members} \"}}\""))?;
        let mut ways = one(OBJECT);
        ways[OBJECT] = open;
        Ok(Node { rule, open: ways })
    }

    fn free_object(&mut self, additional: Option<&'a Value>, depth: usize) -> Result<Node, RequestError> {
        let schema = match additional {
            None | Some(Value::Bool(true)) => return self.builtin("object", one(OBJECT)),
            Some(Value::Bool(false)) => {
                let rule = self.rule("\"{\" ws \"}\"".to_owned())?;
                return Ok(Node { rule, open: one(OBJECT) });
            }
            Some(schema) => schema,
        };
        self.containers += 1;
        let value = self.schema(schema, depth + 1)?;
        self.containers -= 1;
        let string = self.builtin("string", one(STRING))?.rule;
        let member = self.rule(format!("{string} ws \":\" ws {} ws", value.rule))?;
        let rule = self.rule(format!("\"{{\" ws ({member} (\",\" ws {member})*)? \"}}\""))?;
        let mut open = one(OBJECT);
        open[OBJECT] = total(&value.open);
        Ok(Node { rule, open })
    }

    fn array(&mut self, map: &'a Map<String, Value>, depth: usize) -> Result<Node, RequestError> {
        let (min, max) = bounds(map, "minItems", "maxItems")?;
        let item = match map.get("items") {
            None => self.builtin("value", [1; CLASSES])?,
            Some(schema) => {
                self.containers += 1;
                let item = self.schema(schema, depth + 1)?;
                self.containers -= 1;
                item
            }
        };
        let first = self.rule(format!("{} ws", item.rule))?;
        let items = match (min, max) {
            (_, Some(0)) => String::new(),
            (min, max) => {
                let next = self.rule(format!("\",\" ws {first}"))?;
                let more = self.repeat(&next, min.saturating_sub(1), max.map(|max| max - 1))?;
                if min == 0 { format!("({first} {more})?") } else { format!("{first} {more}") }
            }
        };
        let rule = self.rule(format!("\"[\" ws {items} \"]\""))?;
        let mut open = one(ARRAY);
        open[ARRAY] = total(&item.open);
        Ok(Node { rule, open })
    }

    fn string(&mut self, map: &'a Map<String, Value>) -> Result<Node, RequestError> {
        let (min, max) = bounds(map, "minLength", "maxLength")?;
        if let Some(format) = map.get("format") {
            if min != 0 || max.is_some() {
                return Err(refuse("'format' cannot stand beside a length"));
            }
            return match format.as_str() {
                Some(name @ ("date" | "time" | "date-time" | "uuid")) => self.builtin(name, one(STRING)),
                _ => Err(refuse("'format' must be date, time, date-time or uuid")),
            };
        }
        if min == 0 && max.is_none() {
            return self.builtin("string", one(STRING));
        }
        let char = self.builtin("char", one(STRING))?.rule;
        let chars = self.repeat(&char, min, max)?;
        let rule = self.rule(format!("\"\\\"\" {chars} \"\\\"\""))?;
        Ok(Node { rule, open: one(STRING) })
    }

    fn integer(&mut self, map: &'a Map<String, Value>) -> Result<Node, RequestError> {
        /// The largest integer that the plain `integer` rule writes, too.
        const LARGEST: i64 = 9_999_999_999_999_999;
        let bound = |inclusive: &str, exclusive: &str, step: i64, widest: i64| {
            let read = |name: &str| match map.get(name) {
                None => Ok(None),
                Some(value) => match value.as_i64().filter(|n| (-LARGEST..=LARGEST).contains(n)) {
                    Some(number) => Ok(Some(number)),
                    None => Err(refuse(format!("'{name}' must be an integer of at most 16 digits"))),
                },
            };
            let both = [read(inclusive)?, read(exclusive)?.map(|n| n + step)];
            let tightest = both.into_iter().flatten().reduce(|a, b| if step > 0 { a.max(b) } else { a.min(b) });
            Ok::<_, RequestError>(tightest.unwrap_or(widest))
        };
        let min = bound("minimum", "exclusiveMinimum", 1, -LARGEST)?;
        let max = bound("maximum", "exclusiveMaximum", -1, LARGEST)?;
        if min > max {
            return Err(refuse("an integer's bounds leave nothing between them"));
        }
        if (min, max) == (-LARGEST, LARGEST) {
            return self.builtin("integer", one(NUMBER));
        }
        let rule = self.rule(gbnf::integers(min, max))?;
        Ok(Node { rule, open: one(NUMBER) })
    }

    fn constants(&mut self, values: Vec<&Value>, kind: Option<&Value>) -> Result<Node, RequestError> {
        let kinds: Option<Vec<&str>> = match kind {
            None => None,
            Some(Value::String(kind)) => Some(vec![kind]),
            Some(Value::Array(kinds)) => Some(kinds.iter().filter_map(Value::as_str).collect()),
            Some(_) => return Err(refuse("'type' must be a string or an array of strings")),
        };
        let values = values.into_iter().filter(|value| match &kinds {
            None => true,
            Some(kinds) => kinds.iter().any(|kind| is_of(value, kind)),
        });
        let literals: BTreeSet<String> = values.map(|value| gbnf::literal(&value.to_string())).collect();
        if !(1..=MAX_SCHEMA_ALTERNATIVES).contains(&literals.len()) {
            return Err(refuse(format!("an enum must have 1 to {MAX_SCHEMA_ALTERNATIVES} values of its type")));
        }
        let rule = self.rule(literals.into_iter().collect::<Vec<_>>().join(" | "))?;
        // What constants have in common ends soon; they count once.
        Ok(Node { rule, open: [1; CLASSES] })
    }

    fn union(&mut self, nodes: Vec<Node>) -> Result<Node, RequestError> {
        if !(1..=MAX_SCHEMA_ALTERNATIVES).contains(&nodes.len()) {
            return Err(refuse(format!("alternatives must be 1 to {MAX_SCHEMA_ALTERNATIVES}")));
        }
        let mut seen = BTreeSet::new();
        let mut open = [0u64; CLASSES];
        let mut rules = Vec::new();
        for node in nodes {
            if seen.insert(node.rule.clone()) {
                open.iter_mut().zip(node.open).for_each(|(sum, ways)| *sum = sum.saturating_add(ways));
                rules.push(node.rule);
            }
        }
        self.ambiguous |= rules.len() > 1 && total(&open) > 1;
        if total(&open) > MAX_GRAMMAR_AMBIGUITY {
            return Err(refuse("a schema's alternatives begin alike in too many ways"));
        }
        let rule = self.rule(rules.join(" | "))?;
        Ok(Node { rule, open })
    }

    fn reference(&mut self, target: &'a Value, depth: usize) -> Result<Node, RequestError> {
        let target = target.as_str().ok_or_else(|| refuse("'$ref' must be a string"))?;
        match self.definitions.get(target) {
            Some(Definition::Done { rule, open }) => return Ok(Node { rule: rule.clone(), open: *open }),
            Some(Definition::Begun { containers, rule }) if *containers < self.containers => {
                let rule = rule.clone();
                self.recursive = true;
                let open = self.first(target, 0)?;
                return Ok(Node { rule, open });
            }
            Some(Definition::Begun { .. }) => return Err(refuse("a definition must not be itself")),
            None => {}
        }
        let schema = self.resolve(target)?;
        self.count += 1;
        let rule = format!("d{}", self.count);
        self.definitions.insert(target, Definition::Begun { containers: self.containers, rule: rule.clone() });
        let node = self.schema(schema, depth + 1)?;
        self.add(rule.clone(), node.rule)?;
        self.definitions.insert(target, Definition::Done { rule: rule.clone(), open: node.open });
        Ok(Node { rule, open: node.open })
    }

    fn resolve(&self, target: &str) -> Result<&'a Value, RequestError> {
        if target == "#" {
            return Ok(self.document);
        }
        let name = target.strip_prefix("#/$defs/").map(|name| ("$defs", name));
        let name = name.or_else(|| target.strip_prefix("#/definitions/").map(|name| ("definitions", name)));
        let found = name.and_then(|(place, name)| self.document.get(place)?.get(name));
        found.ok_or_else(|| refuse("'$ref' must name one of the schema's own $defs"))
    }

    /// The classes of first characters of a definition whose conversion has begun.
    fn first(&self, target: &str, hops: usize) -> Result<Open, RequestError> {
        fn merge(a: Open, b: Open) -> Open {
            std::array::from_fn(|class| a[class].max(b[class]))
        }
        fn of(this: &Converter<'_>, schema: &Value, hops: usize) -> Result<Open, RequestError> {
            if hops > MAX_SCHEMA_DEPTH {
                return Err(refuse("a schema's references are too deep"));
            }
            let all = |values: &[Value]| {
                values.iter().try_fold([0; CLASSES], |open, value| Ok(merge(open, of(this, value, hops + 1)?)))
            };
            let Some(map) = schema.as_object() else { return Ok([1; CLASSES]) };
            if let Some(target) = map.get("$ref").and_then(Value::as_str) {
                return this.first(target, hops + 1);
            }
            if let Some(Value::Array(values)) = map.get("anyOf").or(map.get("allOf")) {
                return all(values);
            }
            Ok(match map.get("type").and_then(Value::as_str) {
                Some("object") => one(OBJECT),
                Some("array") => one(ARRAY),
                Some("string") => one(STRING),
                Some("integer" | "number") => one(NUMBER),
                _ => [1; CLASSES],
            })
        }
        of(self, self.resolve(target)?, hops)
    }

    /// `item` repeated; alone in a rule, as llama.cpp multiplies repetitions that share one.
    fn repeat(&mut self, item: &str, min: u64, max: Option<u64>) -> Result<String, RequestError> {
        self.count += max.unwrap_or(min) as usize;
        match max {
            Some(0) => Ok(String::new()),
            Some(max) => self.rule(format!("{item}{{{min},{max}}}")),
            None => self.rule(format!("{item}{{{min},}}")),
        }
    }

    fn builtin(&mut self, name: &str, open: Open) -> Result<Node, RequestError> {
        Ok(Node { rule: name.to_owned(), open })
    }

    fn rule(&mut self, body: String) -> Result<String, RequestError> {
        self.count += 1;
        let name = format!("r{}", self.count);
        self.add(name.clone(), body)?;
        Ok(name)
    }

    fn add(&mut self, name: String, body: String) -> Result<(), RequestError> {
        self.bytes += name.len() + body.len();
        self.rules.insert(name, body);
        match self.count > MAX_GRAMMAR_RULES || self.bytes > MAX_GRAMMAR_BYTES {
            true => Err(refuse(format!("a schema's grammar must have at most {MAX_GRAMMAR_RULES} rules"))),
            false => Ok(()),
        }
    }

    fn print(self) -> Result<String, RequestError> {
        let rules = self.rules.iter().map(|(name, body)| (name.as_str(), body.as_str()));
        let lines = rules.chain(gbnf::JSON.iter().copied()).map(|(name, body)| format!("{name} ::= {body}\n"));
        Ok(lines.collect())
    }
}

fn required<'a>(map: &'a Map<String, Value>, properties: &Map<String, Value>) -> Result<Vec<&'a str>, RequestError> {
    let names = match map.get("required") {
        None => return Ok(Vec::new()),
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().unwrap_or_default()).collect::<Vec<_>>(),
        Some(_) => return Err(refuse("'required' must be an array of property names")),
    };
    let unique: BTreeSet<_> = names.iter().collect();
    match unique.len() == names.len() && names.iter().all(|name| properties.contains_key(*name)) {
        true => Ok(names),
        false => Err(refuse("'required' must name each of its properties once, and only listed ones")),
    }
}

fn bounds(map: &Map<String, Value>, min: &str, max: &str) -> Result<(u64, Option<u64>), RequestError> {
    let read = |name: &str| match map.get(name) {
        None => Ok(None),
        Some(value) => match value.as_u64().filter(|n| *n <= MAX_SCHEMA_REPEAT) {
            Some(number) => Ok(Some(number)),
            None => Err(refuse(format!("'{name}' must be an integer from 0 to {MAX_SCHEMA_REPEAT}"))),
        },
    };
    let (low, high) = (read(min)?.unwrap_or(0), read(max)?);
    match high.is_some_and(|high| high < low) {
        true => Err(refuse(format!("'{max}' must not be below '{min}'"))),
        false => Ok((low, high)),
    }
}

fn keywords(kind: &str) -> &'static [&'static str] {
    match kind {
        "object" => &["$defs", "additionalProperties", "definitions", "properties", "required", "type"],
        "array" => &["$defs", "definitions", "items", "maxItems", "minItems", "type"],
        "string" => &["$defs", "definitions", "format", "maxLength", "minLength", "type"],
        "integer" => &["$defs", "definitions", "exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "type"],
        _ => &["$defs", "definitions", "type"],
    }
}

fn belongs_to_any(key: &str, kinds: &BTreeSet<&str>) -> bool {
    ANNOTATIONS.contains(&key) || kinds.iter().any(|kind| keywords(kind).contains(&key))
}

/// Refuses keywords beyond `names` and annotations.
fn only(map: &Map<String, Value>, names: &[&str]) -> Result<(), RequestError> {
    match map.keys().find(|key| !names.contains(&key.as_str()) && !ANNOTATIONS.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(unknown(key)),
    }
}

fn unknown(key: &str) -> RequestError {
    match UNENFORCEABLE.iter().find(|name| **name == key) {
        Some(name) => refuse(format!("the schema keyword '{name}' is not supported")),
        None => refuse("a schema has a keyword that is not supported where it stands"),
    }
}

fn is_of(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}

fn one(class: usize) -> Open {
    std::array::from_fn(|index| u64::from(index == class))
}

fn total(open: &Open) -> u64 {
    open.iter().copied().max().unwrap_or(1).max(1)
}

fn refuse(message: impl Into<String>) -> RequestError {
    RequestError::new(Code::InvalidJsonSchema, "response_format", message)
}
