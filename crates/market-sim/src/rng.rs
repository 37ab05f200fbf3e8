//! Stateless randomness: a number for every (seed, purpose, index).
//!
//! The tape and the book ask here wherever a value must be known without generating what comes before
//! it. Rows inside a minute come from a seeded generator instead ([`crate::tape`]).

/// One purpose of randomness, so that two uses of one index stay independent.
pub(crate) type Purpose = u64;

/// A number that depends on all three arguments and nothing else.
pub(crate) fn mix(seed: u64, purpose: Purpose, index: i64) -> u64 {
    let index = index.cast_unsigned();
    scramble(scramble(seed ^ purpose.wrapping_mul(0xd6e8_feb8_6659_fd93)) ^ index)
}

/// The finalizer of `SplitMix64`.
fn scramble(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Uniform in 0..1.
pub(crate) fn unit(hash: u64) -> f64 {
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

/// About normal with mean 0 and deviation 1; never beyond ±3.47.
pub(crate) fn normal(hash: u64) -> f64 {
    let sum = (hash & 0xffff) + ((hash >> 16) & 0xffff) + ((hash >> 32) & 0xffff) + (hash >> 48);
    (sum as f64 / 65_535.0 - 2.0) * 3.0_f64.sqrt()
}

/// Uniform in 0..`bound`, for small bounds; 0 for a bound of 0.
pub(crate) fn below(hash: u64, bound: u64) -> u64 {
    ((hash >> 32) * bound) >> 32
}

/// The nearest integer; saturates.
#[expect(
    clippy::cast_possible_truncation,
    reason = "float to integer casts saturate, and callers pass numbers of cents, rows and milliseconds"
)]
pub(crate) fn round(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_as_promised() {
        let count = 20_000_i64;
        let (mut sum, mut normals, mut squares) = (0.0, 0.0, 0.0);
        for index in 0..count {
            let hash = mix(7, 1, index);
            sum += unit(hash);
            normals += normal(hash);
            squares += normal(hash).powi(2);
            assert!(below(hash, 10) < 10);
        }
        let count = count as f64;
        assert!((sum / count - 0.5).abs() < 0.02);
        assert!((normals / count).abs() < 0.03);
        assert!((squares / count - 1.0).abs() < 0.05);
        assert_ne!(mix(7, 1, 1), mix(7, 2, 1));
        assert_ne!(mix(7, 1, 1), mix(8, 1, 1));
    }
}
