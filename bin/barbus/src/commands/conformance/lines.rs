//! What a reader must print, and the first line that differs.

use serde_json::Value;

use super::Outcome;
use super::reader_process::Printed;

/// Compares all lines of a reader, the first of which says where it begins.
pub(super) fn compare(printed: &Printed, expected: &[Value]) -> Outcome {
    let found = printed.lines.as_ref().map_err(Clone::clone)?;
    if !printed.succeeded {
        return Err(format!("it failed: {}", printed.end));
    }
    let (first, rest) = found.split_first().ok_or("it printed nothing")?;
    if first["event"] != "attached" {
        return Err(format!("line 1: {first}: begin with the event \"attached\""));
    }
    for (number, (found, expected)) in rest.iter().zip(expected).enumerate() {
        if let Some(wrong) = difference(found, expected) {
            return Err(format!("line {}: {wrong}: found {found}, expected {expected}", number + 2));
        }
    }
    match rest.len().cmp(&expected.len()) {
        std::cmp::Ordering::Less => {
            Err(format!("{} lines are missing: the next is {}", expected.len() - rest.len(), expected[rest.len()]))
        }
        std::cmp::Ordering::Greater => {
            Err(format!("{} lines too many: the first is {}", rest.len() - expected.len(), rest[expected.len()]))
        }
        std::cmp::Ordering::Equal => Ok(format!("{} lines", rest.len())),
    }
}

/// What is different between two lines. Further keys are allowed; a value that is expected to be
/// `"*"` may be anything.
fn difference(found: &Value, expected: &Value) -> Option<String> {
    let expected = expected.as_object()?;
    expected.iter().find_map(|(key, wanted)| {
        let value = found.get(key).unwrap_or(&Value::Null);
        let same = match (value, wanted) {
            (_, Value::String(any)) if any == "*" => found.get(key).is_some(),
            // 1 and 1.0 are the same number; integers beyond 2^53 are compared as integers.
            (Value::Number(a), Value::Number(b)) => a == b || !(a.is_i64() && b.is_i64()) && a.as_f64() == b.as_f64(),
            _ => value == wanted,
        };
        (!same).then(|| format!("{key:?} is wrong"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(lines: &[Value], expected: &[Value]) -> Outcome {
        let printed = Printed { lines: Ok(lines.to_vec()), succeeded: true, end: String::new() };
        compare(&printed, expected)
    }

    #[test]
    fn every_line_and_every_value_is_compared() {
        let attached = json!({"event": "attached", "next_seq": 0});
        let bar = |close: f64| json!({"symbol": "A", "close": close, "money": null, "received_ns": 7});
        let wanted = json!({"symbol": "A", "close": 1, "money": null, "received_ns": "*"});
        assert!(outcome(&[attached.clone(), bar(1.0)], std::slice::from_ref(&wanted)).is_ok());
        let wrong = [
            (vec![], "nothing"),
            (vec![bar(1.0)], "attached"),
            (vec![attached.clone()], "missing"),
            (vec![attached.clone(), bar(2.0)], "\"close\" is wrong"),
            (vec![attached.clone(), json!({"symbol": "A", "close": 1, "received_ns": 7, "money": 0})], "\"money\""),
            (vec![attached.clone(), json!({"symbol": "A", "close": 1, "money": null})], "\"received_ns\""),
            (vec![attached.clone(), bar(1.0), bar(1.0)], "too many"),
        ];
        for (lines, why) in wrong {
            let error = outcome(&lines, std::slice::from_ref(&wanted)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
