//! Every Redis key, in one place.

/// Builds the keys of one installation: an optional prefix in front of the fixed names.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    prefix: String,
}

impl Keys {
    /// Keys with `prefix` in front; empty for the plain layout.
    pub fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// LIST of order books, newest first.
    pub fn depth(&self) -> String {
        self.named("depth_snapshot_5000")
    }

    /// LIST of minutes, newest first.
    pub fn window(&self) -> String {
        self.named("trades_window")
    }

    /// STRING that names the last change of the window.
    pub fn window_mark(&self) -> String {
        self.named("trades_window_mark")
    }

    /// LIST of elements found in the window that are not minutes of this program, newest first.
    pub fn window_set_aside(&self) -> String {
        self.named("trades_window_set_aside")
    }

    /// LIST of the latest changes of the window, newest first: `<epoch> <sequence> <minute>`.
    pub fn window_changes(&self) -> String {
        self.named("trades_window_changes")
    }

    /// STRING that names the collector which owns the keys; expires.
    pub fn lease(&self) -> String {
        self.named("data_collector_lease")
    }

    /// STRING with the collector's state; expires.
    pub fn collector_status(&self) -> String {
        self.named("data_collector_status")
    }

    /// STRING with the analyzer's state; expires.
    pub fn analyzer_status(&self) -> String {
        self.named("analyzer_status")
    }

    /// STRING with what the model cost today; expires.
    pub fn model_spending(&self) -> String {
        self.named("analyzer_model_spending")
    }

    /// STRING with one analysis; `at` is Unix seconds with fraction; expires.
    pub fn analysis_result(&self, at: &str) -> String {
        self.named(&format!("analysis_results:{at}"))
    }

    /// STRING: the bucket width of the window's minutes.
    pub fn window_width(&self) -> String {
        self.named("trades_window_width")
    }

    /// LIST of recommendation lines, newest first.
    pub fn recommendations(&self) -> String {
        self.named("trading_recommendations")
    }

    /// The lists, which are most of what this installation keeps.
    pub(super) fn lists(&self) -> [String; 5] {
        [
            self.depth(),
            self.window(),
            self.window_changes(),
            self.window_set_aside(),
            self.recommendations(),
        ]
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}
