//! The nearest known word to one that is not known.

/// Longer words are not compared: a suggestion for them helps nobody.
const MAX_CHARS: usize = 64;

/// The candidate with the fewest edits to `written`, when that is at most a third of its length (at least one edit).
/// Case counts for nothing. Of equally near ones the first wins.
pub(crate) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if written.chars().count() > MAX_CHARS {
        return None;
    }
    let written = written.to_lowercase();
    let limit = (written.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&written, &candidate.to_lowercase()), candidate))
        .filter(|(edits, _)| *edits <= limit)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words: optimal string alignment.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().take(2 * MAX_CHARS).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replace.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(rows[i - 2][j - 2] + 1);
            }
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(written: &str, candidates: &[&'static str], expected: Option<&str>) {
        assert_eq!(nearest(written, candidates.iter().copied()), expected, "{written}");
    }

    #[test]
    fn typos_find_their_word_and_strangers_do_not() {
        check("hsot", &["count", "host", "port"], Some("host"));
        check("interfce", &["interface", "ip"], Some("interface"));
        check("Cluster::retry_intervall", &["Cluster::retry_interval"], Some("Cluster::retry_interval"));
        check("zzz", &["host", "port"], None);
        check("", &["a"], Some("a"));
        check(&"x".repeat(100), &["x"], None);
    }
}
