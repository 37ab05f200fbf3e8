//! The language of what is written for people in a recommendation.

/// Language of the conversation with the model and of the rules' reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Chinese.
    Zh,
    /// English.
    En,
}
