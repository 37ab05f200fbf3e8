//! Which answers are accepted.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn given() -> Given {
    Given::for_test()
}

fn good() -> Value {
    json!({"action": "BUY", "price_range": [110_130.01, 110_140.0], "confidence": 0.72,
           "reasoning": "the wall at 110136 held twice", "risk_level": "MEDIUM"})
}

/// A good answer with one field replaced, or removed when `value` is null.
fn with(field: &str, value: Value) -> String {
    let mut answer = good();
    let fields = answer.as_object_mut().unwrap();
    fields.remove(field);
    if !value.is_null() {
        fields.insert(field.to_owned(), value);
    }
    answer.to_string()
}

#[test]
fn a_good_answer_is_taken_as_it_is() {
    let answer = judge(&good().to_string(), &given()).unwrap();
    assert_eq!(answer.action, Action::Buy);
    assert_eq!(answer.range.low.get(), dec!(110130.01));
    assert_eq!(answer.range.high.get(), dec!(110140));
    assert!((answer.confidence - 0.72).abs() < 1e-12);
    assert_eq!(answer.risk, RiskLevel::Medium);
}

#[test]
fn odd_spellings_are_accepted() {
    let answers = [
        format!("```json\n{}\n```", good()),
        format!("\u{feff}Sure! Here it is:\n{}\nGood luck.", good()),
        json!({ "recommendation": good() }).to_string(),
        with("action", json!(" buy ")),
        with("action", json!("买入")),
        with("risk_level", json!("medium")),
        with("risk_level", json!("中")),
        with("confidence", json!("0.72")),
        with("confidence", json!("72%")),
        with("confidence", json!(0)),
        with("confidence", json!(1)),
        with("price_range", json!(["110130.01", "110140"])),
        with("price_range", json!(["$110,130.01", "110,140"])),
        with("price_range", json!({"low": 110_130, "high": 110_140})),
        with("price_range", json!([110_136, 110_136])),
        with("extra", json!({"nested": [1, 2]})),
        with("reasoning", json!("line one\nline two \u{1b}[31m")),
        good().to_string().replace("action", "Action"),
        format!("{}\n\n{}", good(), good()),
    ];
    for text in answers {
        judge(&text, &given()).unwrap_or_else(|error| panic!("{error}: {text}"));
    }
}

#[test]
fn broken_incomplete_and_absurd_answers_are_refused() {
    let wrong = |field, expected| ReplyError::Wrong { field, expected };
    let range = || wrong("price_range", "[low, high] with two positive numbers");
    let confidence = || wrong("confidence", "a number from 0 to 1");
    let cases = [
        ("  \n\t ".to_owned(), ReplyError::Blank),
        ("I would buy here, do not sell.".to_owned(), ReplyError::NoObject),
        (
            "<｜DSML｜tool_calls><｜DSML｜invoke name=\"x\">".to_owned(),
            ReplyError::ToolMarkup,
        ),
        (good().to_string()[..90].to_owned(), ReplyError::NoObject),
        (with("action", Value::Null), ReplyError::NoObject),
        (
            with("action", json!("not buy")),
            wrong("action", "BUY, SELL or HOLD"),
        ),
        (
            with("action", json!(["BUY"])),
            wrong("action", "BUY, SELL or HOLD"),
        ),
        (
            with("risk_level", json!("EXTREME")),
            wrong("risk_level", "LOW, MEDIUM or HIGH"),
        ),
        (with("risk_level", Value::Null), ReplyError::Missing("risk_level")),
        (with("reasoning", json!("  ")), wrong("reasoning", "a text")),
        (with("reasoning", Value::Null), ReplyError::Missing("reasoning")),
        (with("confidence", json!(1.01)), confidence()),
        (with("confidence", json!(72)), confidence()),
        (with("confidence", json!(-0.1)), confidence()),
        (with("confidence", json!("high")), confidence()),
        (with("confidence", json!("101%")), confidence()),
        (with("price_range", json!([0, 0])), range()),
        (with("price_range", json!([110_136])), range()),
        (with("price_range", json!([110_136, "NaN"])), range()),
        (with("price_range", json!(["110.130,01", "110.140,00"])), range()),
        (with("price_range", json!([-1, 110_136])), range()),
        (with("price_range", json!("110130-110140")), range()),
        (
            with("price_range", Value::Null),
            ReplyError::Missing("price_range"),
        ),
        (
            with("price_range", json!([110_140, 110_130])),
            ReplyError::Reversed {
                low: dec!(110140),
                high: dec!(110130),
            },
        ),
        (
            with("price_range", json!([100_000, 110_136])),
            ReplyError::FarFromMarket {
                low: dec!(100000),
                high: dec!(110136),
                mid: dec!(110150),
            },
        ),
        (
            with("price_range", json!([109_000, 110_200])),
            ReplyError::TooWide {
                low: dec!(109000),
                high: dec!(110200),
            },
        ),
        (
            with("price_range", json!([110_140, 110_199])),
            ReplyError::TouchesNothing {
                low: dec!(110140),
                high: dec!(110199),
            },
        ),
        (
            good()
                .to_string()
                .replace("\"action\"", "\"action\":\"SELL\",\"action\""),
            ReplyError::Twice("action".to_owned()),
        ),
        (
            format!("{} {}", good(), with("action", json!("SELL"))),
            ReplyError::Ambiguous,
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(judge(&text, &given()), Err(expected), "{text}");
    }
}

#[test]
fn ranges_where_no_order_of_the_action_belongs_are_refused() {
    let cases = [
        (
            with("price_range", json!([110_160, 110_205])),
            ReplyError::CrossesMarket {
                action: Action::Buy,
                bid: dec!(110149.99),
                ask: dec!(110150.01),
            },
        ),
        (
            with("price_range", json!([110_016, 110_025])),
            ReplyError::InVacuum {
                low: dec!(110016),
                high: dec!(110025),
            },
        ),
        (
            with("price_range", json!([110_105, 110_115])),
            ReplyError::OnlyFleeting {
                low: dec!(110105),
                high: dec!(110115),
            },
        ),
        (
            with("price_range", json!([110_145, 110_205])),
            ReplyError::WrongSide {
                action: Action::Buy,
                low: dec!(110145),
                high: dec!(110205),
            },
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(judge(&text, &given()), Err(expected), "{text}");
    }
}

/// The answers of a corpus with their names: each follows a line `### name`.
fn corpus(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let answers = text.split("### ").skip(1);
    answers.map(|answer| answer.split_once('\n').unwrap())
}

#[test]
fn every_odd_but_good_answer_of_the_corpus_is_accepted() {
    let good = include_str!("../../../../../tests/fixtures/answers/good.txt");
    for (name, text) in corpus(good) {
        judge(text, &given()).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    assert!(corpus(good).count() >= 20);
}

#[test]
fn no_broken_answer_of_the_corpus_is_accepted() {
    let broken = include_str!("../../../../../tests/fixtures/answers/broken.txt");
    for (name, text) in corpus(broken) {
        if let Ok(answer) = judge(text, &given()) {
            panic!("{name}: {answer:?}");
        }
    }
    assert!(corpus(broken).count() >= 60);
}

#[test]
fn a_long_reasoning_is_cut() {
    let answer = judge(&with("reasoning", json!("字".repeat(5000))), &given()).unwrap();
    assert_eq!(answer.reasoning.chars().count(), MAX_REASONING);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC{0,200}|[{}\\[\\]\",:a-z0-9.\\\\ -]{0,200}") {
        let _outcome = judge(&text, &given());
    }

    #[test]
    fn what_is_accepted_is_in_range(
        low in -1e6_f64..1e6, width in -2000.0_f64..2000.0, confidence in -2.0_f64..3.0,
        near in any::<bool>(),
    ) {
        let low = if near { 110_000.0 + low / 5000.0 } else { low };
        let mut answer = good();
        answer["price_range"] = json!([low, low + width]);
        answer["confidence"] = json!(confidence);
        if let Ok(answer) = judge(&answer.to_string(), &given()) {
            let (low, high) = (answer.range.low.get(), answer.range.high.get());
            prop_assert!(low <= high && low > dec!(106000) && high < dec!(114000));
            prop_assert!((0.0..=1.0).contains(&answer.confidence));
            prop_assert!(given().touches(low, high) && low < dec!(110150.01));
            prop_assert!(!(low >= dec!(110015) && high < dec!(110026)));
        }
    }
}
