//! What was planted is found, on fewer seeds than the table in `docs/analysis.md`: a bound of 0.93 leaves room for
//! the chance of few seeds.

#[path = "../../examples/planted_truth/planted.rs"]
mod planted;

use planted::{Background, Recorded, Tally};

use crate::fixtures::recorded_levels;

fn recorded() -> Recorded {
    let (bids, asks) = recorded_levels();
    Recorded::new(&bids, &asks)
}

fn check(name: &str, tally: Tally, recall: f64, precision: f64) {
    assert!(tally.planted > 0 && tally.recall() >= recall, "{name}: {tally:?}");
    assert!(tally.precision() >= precision, "{name}: {tally:?}");
}

#[test]
fn planted_walls_and_zones_are_found_and_hardly_anything_else() {
    let recorded = recorded();
    for background in [Background::Drawn, Background::Recorded, Background::Varied] {
        let score = planted::books(&recorded, background, 20);
        check("walls", score.walls, 0.95, 0.95);
        check("density bands", score.dense, 0.95, 0.95);
        check("vacuums", score.vacuums, 0.95, 0.93);
    }
}

#[test]
fn a_drawn_background_has_no_walls_but_the_planted_ones() {
    let walls = planted::books(&recorded(), Background::Drawn, 20).walls;
    assert_eq!(walls.found, walls.recovered, "{walls:?}");
}

#[test]
fn walls_that_do_not_stay_are_told_from_those_that_do() {
    check("fleeting walls", planted::lives(&recorded(), 20), 0.9, 0.95);
}

#[test]
fn hills_of_the_profile_are_found() {
    check("volume nodes", planted::nodes(40), 0.9, 0.9);
}
