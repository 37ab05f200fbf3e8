//! The alert rules in the manual, compared with the figures the programs show.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::root;
use crate::page::Page;

/// What is asked of one figure: its name and the labels it must have.
type Asked = (String, Vec<(String, String)>);

/// Every figure and label that a rule of the manual names exists on these pages, and every job is one of the manual.
pub(crate) fn assert_known(pages: &[&Page]) {
    let text = std::fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let jobs: BTreeSet<String> = block(&text, "scrape_configs")
        .as_array()
        .unwrap()
        .iter()
        .map(|job| job["job_name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(jobs, ["analyzer", "data-collector"].map(str::to_owned).into());
    let names: Vec<&str> = pages.iter().flat_map(|page| page.names()).collect();
    let rules: Vec<String> = block(&text, "groups")[0]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["expr"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(rules.len(), 3);
    for rule in &rules {
        let (mut figures, asked) = (0, selectors(rule));
        for (name, labels) in asked {
            if name == "up" {
                let known = |value: &String| value.split('|').all(|job| jobs.contains(job));
                assert!(
                    labels.iter().all(|(label, value)| label == "job" && known(value)),
                    "{labels:?}"
                );
                continue;
            }
            figures += 1;
            let exists = names.iter().any(|sample| has(sample, &name, &labels));
            assert!(exists, "{name} {labels:?} of {rule}");
        }
        assert!(figures > 0, "{rule}");
        for label in grouped(rule) {
            let is_given = label == "job" || label == "instance";
            let exists = names.iter().any(|sample| sample.contains(&format!("{label}=\"")));
            assert!(is_given || exists, "{label} of {rule}");
        }
        // Of a dead program nothing is left but `up`.
        assert!(rule.contains("up{job="), "{rule}");
    }
}

/// The block of settings that begins so.
fn block(text: &str, key: &str) -> Value {
    let begin = format!("```yaml\n{key}:");
    let (_, rest) = text.split_once(&begin).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let all: Value = serde_yaml::from_str(&format!("{key}:{block}")).unwrap();
    all[key].clone()
}

/// The sample is of this figure and has these labels.
fn has(sample: &str, name: &str, labels: &[(String, String)]) -> bool {
    let Some(rest) = name.strip_prefix("strategy_agent_") else {
        return false;
    };
    sample.split('{').next() == Some(rest)
        && labels
            .iter()
            .all(|(label, value)| sample.contains(&format!("{label}=\"{value}\"")))
}

fn is_of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The figures a rule asks for.
fn selectors(rule: &str) -> Vec<Asked> {
    let mut found = Vec::new();
    let words = rule.split(|letter: char| !is_of_name(letter));
    let mut from = 0;
    for word in words {
        let end = from + word.len();
        let rest = &rule[end..];
        from = (end + 1).min(rule.len());
        if word == "up" || word.starts_with("strategy_agent_") {
            let labels = rest
                .strip_prefix('{')
                .and_then(|labels| labels.split_once('}'))
                .map_or("", |(labels, _)| labels);
            found.push((word.to_owned(), labels.split(',').filter_map(label).collect()));
        }
    }
    found
}

/// `name="value"` or `name=~"value"`.
fn label(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    let value = value.trim_start_matches('~').trim_matches('"');
    Some((name.trim().to_owned(), value.to_owned()))
}

/// The labels in `by (…)`, `on (…)` and `group_left (…)`.
fn grouped(rule: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for word in ["by (", "on (", "group_left ("] {
        for rest in rule.split(word).skip(1) {
            let (labels, _) = rest.split_once(')').unwrap();
            found.extend(labels.split(',').map(|label| label.trim().to_owned()));
        }
    }
    found
}

#[test]
fn a_rule_is_read_with_its_labels() {
    let rule = "sum by (a, b) (x{c=\"d\"}) * on (e) strategy_agent_f{g=\"h\",i=~\"j|k\"} or up{job=\"l\"}";
    let own = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs.map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    assert_eq!(
        selectors(rule),
        [
            ("strategy_agent_f".to_owned(), own(&[("g", "h"), ("i", "j|k")])),
            ("up".to_owned(), own(&[("job", "l")])),
        ]
    );
    assert_eq!(grouped(rule), ["a", "b", "e"].map(str::to_owned).into());
}
