//! Section `app`: what this installation is called.

use super::reader::Section;
use super::render::Rendered;

/// Name and kind of the installation; shown in logs, decides nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppConfig {
    /// Name of the installation.
    pub name: String,
    /// Kind of the installation, for instance `development`.
    pub environment: String,
}

impl AppConfig {
    /// Reads the section except `log_level`, which belongs to the logging section.
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            name: section.required_text("name", "strategy-agent"),
            environment: section.required_text("environment", "development"),
        }
    }

    pub(super) fn render(&self) -> Rendered {
        Rendered::default()
            .set("name", self.name.as_str())
            .set("environment", self.environment.as_str())
    }
}
