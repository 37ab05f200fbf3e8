//! The tables of section 6 of `docs/api.md`, and the fields of documents by the same names.

use std::collections::BTreeSet;

use serde_json::Value;

/// Shape and name of a field, as `level` and `price`.
pub(crate) type Field = (String, String);

/// Every field with a row of its own; a row must have a type and a meaning, and one of a number a unit or a range.
pub(crate) fn documented() -> BTreeSet<Field> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/api.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, section) = text.split_once("\n## 6. Fields\n").unwrap();
    let mut shape = "";
    let mut found = BTreeSet::new();
    for line in section.lines() {
        if let Some(name) = line.strip_prefix("#### ") {
            shape = name;
        }
        let Some(row) = line.strip_prefix("| `") else {
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [name, kind, unit, range, meaning, ""] = cells[..] else {
            panic!("a row of five cells: {line}");
        };
        assert!(!kind.is_empty() && !meaning.is_empty(), "{line}");
        let is_number = kind.starts_with("number") || kind.starts_with("integer");
        assert!(!is_number || !unit.is_empty() || !range.is_empty(), "{line}");
        assert!(
            found.insert((shape.to_owned(), name.trim_end_matches('`').to_owned())),
            "twice: {line}"
        );
    }
    found
}

/// The fields of a document of this shape and of all that is in it.
pub(crate) fn fields(shape: &str, value: &Value, found: &mut BTreeSet<Field>) {
    match value {
        Value::Array(entries) => entries.iter().for_each(|entry| fields(shape, entry, found)),
        Value::Object(object) => {
            let kind = object
                .get("kind")
                .and_then(Value::as_str)
                .filter(|_| shape == "evidence");
            for (name, inner) in object {
                let own = match (kind, name.as_str()) {
                    (Some(kind), name) if name != "kind" && name != "weight" => format!("{shape} {kind}"),
                    _ => shape.to_owned(),
                };
                found.insert((own, name.clone()));
                fields(shape_of(name), inner, found);
            }
        }
        _ => {}
    }
}

/// The table that describes what a field holds.
fn shape_of(field: &str) -> &str {
    match field {
        "support_levels" | "resistance_levels" => "level",
        "density_zones" | "vacuum_ranges" => "zone",
        "high_volume_nodes" | "low_volume_nodes" => "node",
        "flow_deltas" => "flow_delta",
        "stacked_imbalances" => "stack",
        "poc_confirmation" => "confirmation",
        "quotes" => "quote",
        "spending" => "model_usage",
        other => other,
    }
}
