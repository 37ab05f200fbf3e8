//! What the documents promise about the configuration is what the programs do.

use end_to_end_tests::Program;

use crate::config::root;

/// The first fenced YAML block of a document.
fn yaml_block(document: &str) -> String {
    let text = std::fs::read_to_string(root().join(document)).unwrap();
    let (_, rest) = text.split_once("```yaml\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

async fn effective(config: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("config.yaml"), config).unwrap();
    let mut program = Program::start(
        "analyzer",
        directory.path(),
        &["--config", "config.yaml", "--check-config"],
    );
    assert_eq!(program.wait().await.0.code(), Some(0), "{}", program.stderr());
    program.stdout()
}

#[tokio::test]
async fn the_documented_defaults_are_the_defaults() {
    let documented: serde_json::Value =
        serde_yaml::from_str(&effective(&yaml_block("docs/api.md")).await).unwrap();
    let defaults: serde_json::Value = serde_yaml::from_str(&effective("{}").await).unwrap();
    assert_eq!(documented, defaults);
}

/// Paths of all settings of a document.
fn keys(value: &serde_json::Value, path: &str, found: &mut Vec<String>) {
    match value.as_object() {
        Some(object) => {
            for (key, inner) in object {
                keys(inner, &format!("{path}.{key}"), found);
            }
        }
        None => found.push(path.to_owned()),
    }
}

#[tokio::test]
async fn every_setting_is_documented() {
    let all = |text: &str| {
        let mut found = Vec::new();
        keys(&serde_yaml::from_str(text).unwrap(), "", &mut found);
        found.sort_unstable();
        found
    };
    assert_eq!(all(&yaml_block("docs/api.md")), all(&effective("{}").await));
}

#[tokio::test]
async fn what_check_config_prints_is_a_valid_configuration_again() {
    let first = effective("app: { name: \"x\" }\nbinance: { symbol: \"ETHFDUSD\" }").await;
    assert_eq!(effective(&first).await, first);
}

/// The messages of the warnings and errors in a source file, without those of its tests.
fn messages(source: &str) -> Vec<String> {
    let code = source.split("#[cfg(test)]").next().unwrap();
    let calls = ["tracing::warn!(", "tracing::error!("].map(|call| code.split(call).skip(1));
    // The message is the last argument.
    let message = |call: &str| {
        let quotes: Vec<usize> = call.match_indices('"').map(|(place, _)| place).collect();
        let is_last = |place: &&usize| call[**place + 1..].trim_start().starts_with(')');
        let end = quotes.iter().position(|place| is_last(&place)).unwrap();
        call[quotes[end - 1] + 1..quotes[end]].to_owned()
    };
    calls.into_iter().flatten().map(message).collect()
}

/// The manual is to have every line that somebody may be woken by.
#[test]
fn every_warning_of_the_programs_stands_in_the_manual() {
    let manual = std::fs::read_to_string(root().join("docs/operations.md")).unwrap();
    let (mut found, mut lacking) = (0, Vec::new());
    let mut directories: Vec<_> = ["analyzer", "core", "data-collector"]
        .map(|name| root().join("crates").join(name).join("src"))
        .into();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            for message in messages(&std::fs::read_to_string(&path).unwrap()) {
                found += 1;
                // What is filled in stands as `…`, and a text of which nothing is fixed is documented as a reason.
                let fixed = message.split('{').next().unwrap();
                let fixed = if fixed.is_empty() {
                    message.rsplit('}').next().unwrap()
                } else {
                    fixed
                };
                if !manual.contains(fixed) {
                    lacking.push(format!("{}: {message}", path.display()));
                }
            }
        }
    }
    assert!(found > 60, "{found} messages");
    assert!(lacking.is_empty(), "{lacking:#?}");
}
