//! The JSON Schema of polity.toml, for editors, from the same descriptors that judge it.

use serde_json::{Map, Value, json};

use crate::descriptor::tables::PLAN;
use crate::descriptor::{Format, Key, Shape, Status, Table};

/// The schema (draft 2020-12). What it admits may still be refused: it knows nothing of how the
/// parts of a plan fit together.
pub fn schema() -> Value {
    let mut schema = table(&PLAN);
    let about = [
        ("$schema", "https://json-schema.org/draft/2020-12/schema"),
        ("title", "polity.toml"),
        ("description", "A system of services that Polity runs."),
    ];
    for (key, value) in about {
        schema.insert(key.to_owned(), json!(value));
    }
    Value::Object(schema)
}

fn table(table: &Table) -> Map<String, Value> {
    let keys = || table.keys.iter().filter(|key| key.status == Status::Now);
    let properties: Map<String, Value> = keys()
        .map(|k| (k.name.to_owned(), Value::Object(key(k))))
        .collect();
    let required: Vec<&str> = keys()
        .filter(|key| key.required)
        .map(|key| key.name)
        .collect();
    let dependent: Map<String, Value> = keys()
        .filter_map(|key| Some((key.name.to_owned(), json!([key.needs?]))))
        .collect();
    let one_of = table
        .one_of
        .iter()
        .map(|name| json!({ "required": [name] }));
    let exclusive = table.exclusive.iter();
    let exclusive = exclusive.map(|names| json!({ "not": { "required": names } }));
    let rules = [
        ("required", json!(required)),
        ("dependentRequired", Value::Object(dependent)),
        ("oneOf", one_of.collect()),
        ("allOf", exclusive.collect()),
    ];
    let mut schema = Map::new();
    schema.insert("type".to_owned(), json!("object"));
    schema.insert("properties".to_owned(), Value::Object(properties));
    schema.insert("additionalProperties".to_owned(), json!(false));
    let said = |rule: &Value| rule != &json!([]) && rule != &json!({});
    let rules = rules.into_iter().filter(|(_, rule)| said(rule));
    schema.extend(rules.map(|(name, rule)| (name.to_owned(), rule)));
    schema
}

fn key(key: &Key) -> Map<String, Value> {
    let mut schema = shape(&key.shape);
    schema.insert("description".to_owned(), json!(key.doc));
    let default = key.default.and_then(|text| {
        let document = format!("value = {text}");
        let mut table: Map<String, Value> = toml::from_str(&document).ok()?;
        table.remove("value")
    });
    if let Some(default) = default {
        schema.insert("default".to_owned(), default);
    }
    schema
}

fn shape(of: &Shape) -> Map<String, Value> {
    let schema = match of {
        Shape::Text(format) => text(format),
        Shape::Integer { min: i64::MIN, .. } => json!({ "type": "integer" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number { min, max } => json!({ "type": "number", "minimum": min, "maximum": max }),
        Shape::OneOf(numbers) => json!({ "enum": numbers }),
        Shape::False => json!({ "const": false }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Choice(choices) => {
            let now = choices.iter().filter(|choice| choice.status == Status::Now);
            json!({ "enum": now.map(|choice| choice.word).collect::<Vec<_>>() })
        }
        Shape::List(element) => json!({ "type": "array", "items": shape(element) }),
        Shape::NonEmptyList(element) => {
            json!({ "type": "array", "items": shape(element), "minItems": 1 })
        }
        Shape::Table(inner) => Value::Object(table(inner)),
        Shape::Named { key, value, .. } => {
            let mut names = json!({ "type": "object", "additionalProperties": shape(value) });
            if let Some(pattern) = key.pattern {
                names["propertyNames"] = json!({ "pattern": pattern });
            }
            names
        }
        Shape::Either(shapes) => {
            let now = shapes.iter().filter(|s| !matches!(s, Shape::LaterTable));
            let mut now: Vec<Map<String, Value>> = now.map(shape).collect();
            match now.len() {
                1 => return now.remove(0),
                _ => json!({ "anyOf": now }),
            }
        }
        Shape::Command => json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
        ] }),
        // Only ever one of several, which leaves it out.
        Shape::LaterTable => json!({}),
    };
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// A string of this format, or one that a variable completes.
fn text(format: &Format) -> Value {
    match format.pattern {
        Some(pattern) => json!({ "type": "string", "pattern": format!(r"{pattern}|\$\{{") }),
        None => json!({ "type": "string" }),
    }
}
