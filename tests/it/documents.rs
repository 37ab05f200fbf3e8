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
