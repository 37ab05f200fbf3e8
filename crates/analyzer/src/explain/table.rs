//! A report as a text for a person.

use std::fmt::{self, Write as _};

use rust_decimal::Decimal;
use strategy_core::analysis::rules;
use strategy_core::language::Language;
use strategy_core::model::report::{
    BookSide, FlowSide, Level, MarketReport, Number, PriceZone, ResonanceZone, ValueAreaRule, VolumeNode,
};
use strategy_core::num::BucketWidth;

use super::evidence;

/// What stands in place of what trades say where no minutes of them were given.
const NO_FLOW: &str = "no minutes of trades: there is no flow";

/// The whole report. Volumes are in base units, prices in quote currency.
pub(super) fn text(report: &MarketReport, is_market_named: bool, tick: BucketWidth) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    let _written = write(&mut text, report, is_market_named, tick);
    text
}

fn write(to: &mut String, report: &MarketReport, is_market_named: bool, tick: BucketWidth) -> fmt::Result {
    let data = &report.data_honesty;
    writeln!(
        to,
        "{} as of {}",
        if is_market_named {
            report.symbol.as_str()
        } else {
            "market not stated,"
        },
        report.timestamp.format("%Y-%m-%d %H:%M:%S UTC")
    )?;
    writeln!(
        to,
        "from {} snapshots and {} minutes, {} of them incomplete; prices in quote currency, volumes in base units",
        data.snapshots_used, data.minutes_used, data.incomplete_minutes
    )?;
    context(to, report)?;
    levels(
        to,
        "RESISTANCE, strongest first",
        &report.resistance_levels,
        report,
    )?;
    levels(to, "SUPPORT, strongest first", &report.support_levels, report)?;
    zones(
        to,
        "DENSITY ZONES: much rests over many buckets",
        &report.density_zones,
    )?;
    zones(to, "VACUUMS: hardly anything rests", &report.vacuum_ranges)?;
    traded(to, report)?;
    resonance(to, report)?;
    unknown(to, report)?;
    advice(to, report, tick)
}

fn heading(to: &mut String, words: &str) -> fmt::Result {
    writeln!(to, "\n{words}")
}

/// True if no minute of trades is in the report.
fn is_without_flow(report: &MarketReport) -> bool {
    report.data_honesty.minutes_used == 0
}

fn nothing(to: &mut String) -> fmt::Result {
    writeln!(to, "  none")
}

/// An optional amount, `-` where there is none.
fn maybe(value: Option<Number>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.get().to_string())
}

fn maybe_real(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn context(to: &mut String, report: &MarketReport) -> fmt::Result {
    let found = &report.context;
    heading(to, "CONTEXT")?;
    writeln!(
        to,
        "  best bid {}, best ask {}, spread {}, mid {}, microprice {}",
        maybe(found.best_bid),
        maybe(found.best_ask),
        maybe(found.spread),
        maybe(found.mid),
        maybe_real(found.microprice)
    )?;
    writeln!(
        to,
        "  imbalance of the book (1 only bids, -1 only asks): within 0.1 % {}, 0.5 % {}, 1 % {}",
        maybe_real(found.imbalance_0_1),
        maybe_real(found.imbalance_0_5),
        maybe_real(found.imbalance_1_0)
    )?;
    write!(
        to,
        "  resting within 1 %: bids {}, asks {}",
        found.bid_volume_1_0.get(),
        found.ask_volume_1_0.get()
    )?;
    if is_without_flow(report) {
        return writeln!(to, "\n  {NO_FLOW}");
    }
    writeln!(
        to,
        "; mean span of a minute {} % of mid",
        maybe_real(found.minute_range_percent)
    )?;
    for delta in &report.flow_deltas {
        writeln!(
            to,
            "  last {} minutes: delta {} of {} traded{}",
            delta.minutes,
            delta.delta.get(),
            delta.volume.get(),
            if delta.complete {
                ""
            } else {
                " (not all minutes known)"
            }
        )?;
    }
    Ok(())
}

fn levels(to: &mut String, title: &str, levels: &[Level], report: &MarketReport) -> fmt::Result {
    heading(to, title)?;
    if levels.is_empty() {
        return nothing(to);
    }
    writeln!(
        to,
        "  {:>12} {:>9} {:>14} {:>10}",
        "price", "strength", "volume", "distance"
    )?;
    for level in levels {
        let distance = report.context.mid.map_or_else(
            || "-".to_owned(),
            |mid| format!("{:+.3} %", (level.price.to_f64() / mid.to_f64() - 1.0) * 100.0),
        );
        writeln!(
            to,
            "  {:>12} {:>9.4} {:>14} {distance:>10}",
            level.price.get().to_string(),
            level.strength,
            level.volume_at_level.get().to_string(),
        )?;
        for (place, piece) in level.evidence.iter().enumerate() {
            let lead = match place {
                0 => format!("why {}:", evidence::kind(level)),
                _ => "and".to_owned(),
            };
            writeln!(to, "      {lead} {}", evidence::piece(piece))?;
        }
        writeln!(to, "      life: {}", evidence::life(level))?;
        if is_without_flow(report) {
            writeln!(to, "      tests: {NO_FLOW}")?;
        } else {
            writeln!(to, "      tests: {}", evidence::tests(&level.confirmation))?;
        }
    }
    Ok(())
}

fn zones(to: &mut String, title: &str, zones: &[PriceZone]) -> fmt::Result {
    heading(to, title)?;
    if zones.is_empty() {
        return nothing(to);
    }
    writeln!(
        to,
        "  {:>4} {:>12} {:>12} {:>14} {:>9}",
        "side", "low", "high", "volume", "strength"
    )?;
    for zone in zones {
        let side = match zone.side {
            BookSide::Bid => "bid",
            BookSide::Ask => "ask",
        };
        writeln!(
            to,
            "  {side:>4} {:>12} {:>12} {:>14} {:>9.4}",
            text_of(zone.low),
            text_of(zone.high),
            text_of(zone.volume),
            zone.strength
        )?;
        for (place, piece) in zone.evidence.iter().enumerate() {
            let lead = if place == 0 { "why:" } else { "and" };
            writeln!(to, "      {lead} {}", evidence::piece(piece))?;
        }
    }
    Ok(())
}

fn text_of(number: Number) -> String {
    number.get().to_string()
}

fn traded(to: &mut String, report: &MarketReport) -> fmt::Result {
    heading(to, "TRADED VOLUME")?;
    if is_without_flow(report) {
        return writeln!(
            to,
            "  {NO_FLOW}, so neither point of control, value area, nodes nor stacked imbalances"
        );
    }
    let Some(area) = &report.value_area else {
        return writeln!(to, "  no trades");
    };
    let rule = match area.rule {
        ValueAreaRule::TwoRow => "two-row rule",
        ValueAreaRule::OneRow => "one-row rule",
    };
    let share = if area.total_volume.get() > Decimal::ZERO {
        area.volume.to_f64() / area.total_volume.to_f64() * 100.0
    } else {
        0.0
    };
    writeln!(
        to,
        "  point of control {}; value area {} to {} ({rule}) with {} of {} ({share:.1} %)",
        area.poc.get(),
        area.low.get(),
        area.high.get(),
        area.volume.get(),
        area.total_volume.get()
    )?;
    for piece in &area.evidence {
        writeln!(to, "      why: {}", evidence::piece(piece))?;
    }
    if let Some(tests) = &report.poc_confirmation {
        writeln!(to, "  tests of the point of control: {}", evidence::tests(tests))?;
    }
    nodes(to, "high-volume nodes", &report.high_volume_nodes)?;
    nodes(to, "low-volume nodes", &report.low_volume_nodes)?;
    for stack in &report.stacked_imbalances {
        writeln!(
            to,
            "  stacked imbalance {} to {}: {} rows, takers {} {} against {} in the bar of {}, at least {} a row",
            stack.low.get(),
            stack.high.get(),
            stack.rows,
            match stack.side {
                FlowSide::Buy => "bought",
                FlowSide::Sell => "sold",
            },
            stack.volume.get(),
            stack.opposing_volume.get(),
            stack.bar_start.format("%H:%M"),
            stack.row_minimum.get()
        )?;
    }
    Ok(())
}

fn nodes(to: &mut String, name: &str, nodes: &[VolumeNode]) -> fmt::Result {
    if nodes.is_empty() {
        return writeln!(to, "  {name}: none");
    }
    writeln!(to, "  {name}:")?;
    for node in nodes {
        writeln!(
            to,
            "  {:>12} volume {:>12}, delta {:>12}, prominence {:.4}",
            text_of(node.price),
            text_of(node.volume),
            text_of(node.delta),
            node.prominence
        )?;
        for piece in &node.evidence {
            writeln!(to, "      why: {}", evidence::piece(piece))?;
        }
    }
    Ok(())
}

fn resonance(to: &mut String, report: &MarketReport) -> fmt::Result {
    heading(to, "RESONANCE: resting quantity and trades say the same")?;
    let zones: &[ResonanceZone] = &report.resonance;
    if is_without_flow(report) {
        writeln!(to, "  {NO_FLOW} to say the same as the book")?;
    }
    if zones.is_empty() {
        return nothing(to);
    }
    for zone in zones {
        writeln!(
            to,
            "  {} {} ({} to {}), score {:.4} = 1 - product of (1 - weight), the heaviest of each kind",
            match zone.side {
                BookSide::Bid => "support at",
                BookSide::Ask => "resistance at",
            },
            zone.center.get(),
            zone.low.get(),
            zone.high.get(),
            zone.score
        )?;
        for piece in &zone.evidence {
            writeln!(
                to,
                "      {:.4} {}",
                piece.weight,
                evidence::piece(&piece.evidence)
            )?;
        }
    }
    Ok(())
}

fn unknown(to: &mut String, report: &MarketReport) -> fmt::Result {
    heading(to, "NOT KNOWN")?;
    let data = &report.data_honesty;
    if data.book_truncated {
        writeln!(
            to,
            "  what rests beyond the levels of the snapshot: the exchange cut it there"
        )?;
    }
    for note in &*data.notes {
        writeln!(to, "  {note}")?;
    }
    if data.notes.is_empty() && !data.book_truncated {
        return writeln!(to, "  nothing that was asked for");
    }
    Ok(())
}

fn advice(to: &mut String, report: &MarketReport, tick: BucketWidth) -> fmt::Result {
    heading(to, "WHAT THE RULES SAY")?;
    match rules::advise(report, tick) {
        Err(reason) => writeln!(to, "  no advice: {reason}"),
        Ok(found) => {
            let advice = found.into_advice(Language::En);
            writeln!(
                to,
                "  {:?}, confidence {}, risk {:?}",
                advice.action, advice.confidence, advice.risk_level
            )?;
            writeln!(to, "  {}", advice.reasoning)?;
            for quote in &advice.quotes {
                writeln!(
                    to,
                    "  quote {:?} {} with {:.1} % of the amount",
                    quote.side,
                    quote.price.get(),
                    quote.weight * 100.0
                )?;
            }
            Ok(())
        }
    }
}
