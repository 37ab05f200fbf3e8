//! Answers with a status other than success, and successes that are none.

use market_sim::model::{ModelReply, Phase};

use super::{Case, Said, case, once};

pub(super) fn errors() -> Vec<Case> {
    let error = |status| ModelReply::error(status, "no");
    vec![
        case("400", Phase::Any, error(400), Said::Rules("request_rejected"), 1),
        case(
            "401",
            Phase::Any,
            ModelReply::unauthorized(),
            Said::Rules("unauthorized"),
            1,
        ),
        case(
            "402",
            Phase::Any,
            ModelReply::no_balance(),
            Said::Rules("no_balance"),
            1,
        ),
        case("403", Phase::Any, error(403), Said::Rules("unauthorized"), 1),
        case("404", Phase::Any, error(404), Said::Rules("request_rejected"), 1),
        case("413", Phase::Any, error(413), Said::Rules("request_rejected"), 1),
        case(
            "422 in plain text",
            Phase::Any,
            ModelReply::unprocessable_text(),
            Said::Rules("request_rejected"),
            1,
        ),
        once(
            "429 once",
            Phase::Any,
            ModelReply::rate_limited(None),
            Said::Model,
            3,
        ),
        once(
            "429 with a short wait",
            Phase::Any,
            ModelReply::rate_limited(Some(1)),
            Said::Model,
            3,
        ),
        case(
            "429, always",
            Phase::Any,
            ModelReply::rate_limited(None),
            Said::Rules("rate_limited"),
            3,
        ),
        case(
            "429 with an hour to wait",
            Phase::Any,
            ModelReply::rate_limited(Some(3600)),
            Said::Rules("rate_limited"),
            1,
        ),
        once("500 once", Phase::Any, error(500), Said::Model, 3),
        case(
            "500, always",
            Phase::Any,
            error(500),
            Said::Rules("overloaded"),
            3,
        ),
        case(
            "502 in markup, always",
            Phase::Any,
            ModelReply::bad_gateway_html(),
            Said::Rules("overloaded"),
            3,
        ),
        once("503 in the last round", Phase::Final, error(503), Said::Model, 3),
    ]
}

pub(super) fn successes_that_are_none() -> Vec<Case> {
    vec![
        case(
            "200 with an error",
            Phase::Any,
            ModelReply::body(r#"{"error":{"message":"busy"}}"#),
            Said::Rules("unreadable"),
            3,
        ),
        case(
            "200 with markup",
            Phase::Any,
            ModelReply::body("<html>"),
            Said::Rules("unreadable"),
            3,
        ),
        case(
            "200 with an array",
            Phase::Any,
            ModelReply::body("[]"),
            Said::Rules("unreadable"),
            3,
        ),
        case(
            "200 with no choices",
            Phase::Any,
            ModelReply::body(r#"{"choices":[]}"#),
            Said::Rules("unreadable"),
            3,
        ),
        case(
            "a body without end",
            Phase::Any,
            ModelReply::body("x".repeat(2_000_000)),
            Said::Rules("unreachable"),
            3,
        ),
    ]
}
