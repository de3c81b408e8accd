//! Commands that an operator is told to type: with the layout that they typed themselves, or they would ask another cluster.

use crate::cli::args;

/// How this program is named in what it says.
const PROGRAM: &str = "zeek-cluster ";

/// Completes commands in what is said.
#[derive(Clone, Debug, Default)]
pub struct Wording {
    /// Such as `-l campus.yaml `; empty when the next command finds the layout without it.
    option: String,
}

impl Wording {
    /// `option` is the `--layout` that the next command needs, empty when it needs none.
    pub fn new(option: &str) -> Wording {
        let option = option.trim();
        Wording { option: if option.is_empty() { String::new() } else { format!("{option} ") } }
    }

    /// The text with the layout in every command that it names.
    pub fn complete(&self, text: &str) -> String {
        if self.option.is_empty() || !text.contains(PROGRAM) {
            return text.to_owned();
        }
        let tree = args::tree();
        let is_command = |rest: &str| {
            let word: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            word != "help" && tree.find_subcommand(&word).is_some()
        };
        let mut pieces = text.split(PROGRAM);
        let mut complete = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let is_whole = !complete.ends_with(|c: char| c.is_alphanumeric() || "/-_.".contains(c));
            complete.push_str(PROGRAM);
            if is_whole && is_command(piece) {
                complete.push_str(&self.option);
            }
            complete.push_str(piece);
        }
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_that_is_named_has_the_layout_and_nothing_else_has() {
        let check = |text: &str, expected: &str| assert_eq!(Wording::new(" -l e.yaml").complete(text), expected);
        check("zeek-cluster deploy", "zeek-cluster -l e.yaml deploy");
        check(
            "`zeek-cluster stop`, or zeek-cluster peers",
            "`zeek-cluster -l e.yaml stop`, or zeek-cluster -l e.yaml peers",
        );
        check("(now: zeek-cluster restart w)", "(now: zeek-cluster -l e.yaml restart w)");
        for text in
            ["zeek-cluster -l e.yaml deploy", "zeek-cluster help x", "the zeek-cluster here", "/bin/zeek-cluster stop"]
        {
            check(text, text);
        }
        assert_eq!(Wording::default().complete("zeek-cluster deploy"), "zeek-cluster deploy");
    }
}
