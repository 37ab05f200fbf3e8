//! What a good model says: calls both tools, then advises from their results.

use serde_json::{Map, Value, json};

/// A level a tool result names.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Level {
    price: f64,
    strength: f64,
}

/// One call of every tool offered, with the arguments their schemas require.
pub(super) fn tool_calls(body: &Value) -> Vec<(String, String)> {
    let tools = body["tools"].as_array().map_or(&[][..], Vec::as_slice);
    tools
        .iter()
        .filter_map(|tool| {
            let function = &tool["function"];
            let name = function["name"].as_str()?;
            Some((name.to_owned(), arguments(&function["parameters"]).to_string()))
        })
        .collect()
}

/// A value for every required property: the first of an enum, the default, or something of the right type.
fn arguments(schema: &Value) -> Value {
    let required = schema["required"].as_array().map_or(&[][..], Vec::as_slice);
    let mut arguments = Map::new();
    for name in required.iter().filter_map(Value::as_str) {
        let property = &schema["properties"][name];
        let named = [&property["enum"][0], &property["default"], &property["const"]];
        let value = match named.into_iter().find(|value| !value.is_null()) {
            Some(value) => value.clone(),
            None => match property["type"].as_str() {
                Some("integer" | "number") => within(property),
                Some("boolean") => json!(true),
                Some("array") => json!([]),
                Some("object") => json!({}),
                _ if name == "symbol" => json!("BTCFDUSD"),
                _ => json!("default"),
            },
        };
        arguments.insert(name.to_owned(), value);
    }
    Value::Object(arguments)
}

/// Twenty, or what its range allows that is nearest to it.
fn within(property: &Value) -> Value {
    let usual = json!(20);
    let (low, high) = (&property["minimum"], &property["maximum"]);
    if low.as_f64().is_some_and(|low| low > 20.0) {
        low.clone()
    } else if high.as_f64().is_some_and(|high| high < 20.0) {
        high.clone()
    } else {
        usual
    }
}

/// The final answer: buy at the strongest support or sell at the strongest resistance, whichever is
/// stronger; hold where no level was given.
pub(super) fn advice(body: &Value) -> Value {
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    let results: Vec<Value> = messages
        .iter()
        .filter(|message| message["role"] == "tool")
        .filter_map(|message| serde_json::from_str(message["content"].as_str()?).ok())
        .collect();
    let strongest = |field: &str| {
        results
            .iter()
            .flat_map(|result| levels(&result[field]))
            .max_by(|one, other| one.strength.total_cmp(&other.strength))
    };
    let (support, resistance) = (strongest("support_levels"), strongest("resistance_levels"));
    let (action, level) = match (support, resistance) {
        (Some(support), Some(resistance)) if resistance.strength > support.strength => ("SELL", resistance),
        (Some(support), _) => ("BUY", support),
        (None, Some(resistance)) => ("SELL", resistance),
        (None, None) => return hold(&results),
    };
    let confidence = (50.0 + 40.0 * level.strength.clamp(0.0, 1.0)).round() / 100.0;
    json!({
        "action": action,
        "price_range": [cents(level.price - 4.0), cents(level.price + 4.0)],
        "confidence": confidence,
        "reasoning": format!("{action} at {}, the strongest level with strength {:.2}.", level.price, level.strength),
        "risk_level": if confidence > 0.75 { "LOW" } else { "MEDIUM" },
    })
}

/// Holds around the first price that is known.
fn hold(results: &[Value]) -> Value {
    let prices =
        ["best_bid", "best_ask"].map(|field| results.iter().find_map(|result| result[field].as_f64()));
    let poc = results.iter().find_map(|result| result["poc_levels"][0].as_f64());
    let middle = poc.or(prices[0]).or(prices[1]).unwrap_or(0.0);
    json!({
        "action": "HOLD",
        "price_range": [cents((middle - 4.0).max(0.0)), cents(middle + 4.0)],
        "confidence": 0.3,
        "reasoning": "No level stands out.",
        "risk_level": "HIGH",
    })
}

/// The levels a careful model leans on: those that are not said to be fleeting.
fn levels(value: &Value) -> Vec<Level> {
    let levels = value.as_array().map_or(&[][..], Vec::as_slice);
    levels
        .iter()
        .filter(|level| level["fleeting"] != true)
        .filter_map(|level| {
            Some(Level {
                price: level["price"].as_f64()?,
                strength: level["strength"].as_f64().unwrap_or(0.0),
            })
        })
        .collect()
}

fn cents(price: f64) -> f64 {
    (price * 100.0).round() / 100.0
}
