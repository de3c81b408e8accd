//! Help texts, manual pages and completion scripts, all made from the one tree of commands.

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::{self, PROGRAM};
use super::exit;
use super::from_zeekctl;

/// No command of that name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("there is no command `{0}`")]
pub struct UnknownCommand(String);

/// The completion script of a shell.
pub fn completion_script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::tree(), PROGRAM, &mut script);
    match shell {
        Shell::Bash => with_reachable_branches(script),
        _ => script,
    }
}

/// clap_complete 4.6 takes the hyphen of the program's name for a subcommand in the labels of the bash script's branches,
/// not where it chooses a branch, so that none of them would ever be reached.
fn with_reachable_branches(script: Vec<u8>) -> Vec<u8> {
    let (label, chosen) = ("zeek__subcmd__cluster", "zeek__cluster");
    String::from_utf8_lossy(&script).replace(label, chosen).into_bytes()
}

/// The long help of a command; of the program when no name is given.
pub fn help(names: &[String]) -> Result<String, UnknownCommand> {
    Ok(find(names)?.render_long_help().to_string())
}

/// The manual page of a command in roff; of the program when no name is given.
pub fn page(names: &[String]) -> Result<Vec<u8>, UnknownCommand> {
    Ok(roff(find(names)?))
}

/// Every manual page by its file name, such as `zeek-cluster-layout-check.1`, and those of topics; hidden commands have none.
pub fn pages() -> Vec<(String, Vec<u8>)> {
    let mut pages = Vec::new();
    collect(built(), &mut pages);
    pages.push(("zeek-cluster-from-zeekctl.7".to_owned(), from_zeekctl::page()));
    pages
}

/// The tree with every name in full (`zeek-cluster layout check`) and the global options in every command.
fn built() -> Command {
    let mut root = args::tree();
    root.build();
    root
}

fn find(names: &[String]) -> Result<Command, UnknownCommand> {
    let mut command = built();
    for name in names {
        let next = command.find_subcommand(name).cloned();
        command = next.ok_or_else(|| UnknownCommand(names.join(" ")))?;
    }
    Ok(command)
}

fn collect(command: Command, pages: &mut Vec<(String, Vec<u8>)>) {
    let subcommands: Vec<Command> = command.get_subcommands().filter(|sub| !sub.is_hide_set()).cloned().collect();
    pages.push((format!("{}.1", page_name(&command)), roff(command)));
    for sub in subcommands {
        collect(sub, pages);
    }
}

fn page_name(command: &Command) -> String {
    command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned()
}

fn roff(command: Command) -> Vec<u8> {
    let name = page_name(&command);
    let is_root = name == PROGRAM;
    let command = match is_root {
        true => command.after_long_help(exit::table()),
        false => command.version(env!("CARGO_PKG_VERSION")),
    };
    let source = format!("{PROGRAM} {}", env!("CARGO_PKG_VERSION"));
    let man = Man::new(command.name(name)).source(source).manual("Zeek clusters");
    let mut page = Vec::new();
    man.render(&mut page).expect("writing to memory does not fail");
    page
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn the_tree_of_commands_is_sound() {
        args::tree().debug_assert();
    }

    #[test]
    fn every_command_has_a_page_and_a_first_line_that_fits() {
        fn check(command: &Command) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(
                !about.is_empty() && about.len() < 80 && !about.ends_with('.'),
                "{}: {about:?}",
                command.get_name()
            );
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{}: {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&args::tree());
        assert!(pages().iter().any(|(name, _)| name == "zeek-cluster-layout-check.1"));
    }

    /// Every committed file that is made from the tree of commands, with what it has to hold.
    fn generated() -> Vec<(PathBuf, Vec<u8>)> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let scripts =
            [(Shell::Bash, "zeek-cluster.bash"), (Shell::Zsh, "_zeek-cluster"), (Shell::Fish, "zeek-cluster.fish")];
        let scripts = scripts.map(|(shell, name)| (root.join("completions").join(name), completion_script(shell)));
        let pages = pages().into_iter().map(|(name, page)| (root.join("man").join(name), page));
        let help = (root.join("tests/golden/help.txt"), whole_help().into_bytes());
        scripts.into_iter().chain(pages).chain([help]).collect()
    }

    /// The long help of every command, one after the other, independent of the terminal and the environment.
    fn whole_help() -> String {
        fn collect(command: &Command, text: &mut String) {
            let help = command.clone().term_width(100).render_long_help().to_string();
            let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
            text.push_str(&format!("==== {}\n\n{}\n\n", page_name(command), lines.join("\n")));
            command.get_subcommands().filter(|sub| !sub.is_hide_set()).for_each(|sub| collect(sub, text));
        }
        let mut text = String::new();
        collect(&built().mut_args(|arg| arg.hide_env_values(true)), &mut text);
        text
    }

    /// `UPDATE=1 cargo test --lib cli::` writes them anew.
    #[test]
    fn completions_manual_pages_and_help_are_as_committed() {
        let update = std::env::var_os("UPDATE").is_some();
        let mut stale = Vec::new();
        let generated = generated();
        for (path, content) in &generated {
            if update {
                let folder = path.parent().expect("below the root");
                std::fs::create_dir_all(folder).and_then(|()| std::fs::write(path, content)).expect("writable");
            } else if std::fs::read(path).ok().as_ref() != Some(content) {
                stale.push(path.display().to_string());
            }
        }
        let man = Path::new(env!("CARGO_MANIFEST_DIR")).join("man");
        for entry in std::fs::read_dir(man).expect("man/ is there") {
            let path = entry.expect("readable").path();
            if !generated.iter().any(|(known, _)| *known == path) {
                stale.push(format!("{} (of no command)", path.display()));
            }
        }
        assert!(stale.is_empty(), "run UPDATE=1 cargo test --lib cli:: to renew {stale:#?}");
    }

    #[test]
    fn help_of_an_unknown_command_names_it() {
        let names = ["layout".to_owned(), "chekc".to_owned()];
        assert_eq!(help(&names), Err(UnknownCommand("layout chekc".into())));
    }
}
