//! Advice without a model: fixed rules over the report.

use crate::model::advice::{AbstainReason, Action, Advice, PriceRange, Quote};
use crate::model::report::MarketReport;
use crate::num::BucketWidth;

/// What the rules advise, in the same shape as a model's answer.
///
/// # Errors
/// [`AbstainReason::StaleData`] or [`AbstainReason::IncompleteData`] when the data do not allow advice.
pub fn advise(_report: &MarketReport, _tick: BucketWidth) -> Result<Advice, AbstainReason> {
    Err(AbstainReason::IncompleteData)
}

/// The orders worth placing for an action inside a price range, heaviest first.
///
/// Used for the rules' own advice and for an accepted answer of a model.
pub fn quotes_for(
    _report: &MarketReport,
    _action: Action,
    _range: &PriceRange,
    _tick: BucketWidth,
) -> Vec<Quote> {
    Vec::new()
}
