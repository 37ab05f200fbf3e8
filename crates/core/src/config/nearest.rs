//! The valid key a mistyped one was most likely meant to be. Pure.

/// Longest key that is compared; anything longer is no typing mistake.
const MAX_LENGTH: usize = 64;

/// The candidate with the least edit distance; of equals the first.
pub(super) fn nearest<'a>(wrong: &str, candidates: &[&'a str]) -> Option<&'a str> {
    if wrong.len() > MAX_LENGTH {
        return candidates.first().copied();
    }
    let wrong = wrong.to_ascii_lowercase();
    candidates
        .iter()
        .copied()
        .min_by_key(|candidate| distance(&wrong, candidate))
}

/// Levenshtein distance in characters.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, left_char) in left.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, right_char) in right.iter().enumerate() {
            let substituted = previous[column] + usize::from(left_char != *right_char);
            let shortest = substituted.min(previous[column + 1] + 1).min(current[column] + 1);
            current.push(shortest);
        }
        previous = current;
    }
    previous.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typing_mistake_finds_its_key() {
        let keys = ["host", "port", "password", "password_file"];
        assert_eq!(nearest("hots", &keys), Some("host"));
        assert_eq!(nearest("pasword", &keys), Some("password"));
        assert_eq!(nearest("passwordfile", &keys), Some("password_file"));
        assert_eq!(nearest("x", &[]), None);
    }

    #[test]
    fn distance_counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
