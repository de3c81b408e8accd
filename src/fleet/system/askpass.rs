//! The questions of `ssh` (passphrases, passwords, PINs, what a server asks), handed to this process, which asks the
//! operator: one at a time, however many hosts there are, and once for a key of many hosts.
//!
//! `ssh` starts a program for each question (SSH_ASKPASS, ssh(1)). That program is this one again: it hands the question
//! over through a socket in the private folder, prints the answer, and is gone.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::process::Command;
use tokio::task::AbortHandle;

use super::super::fault::Progress;
use super::super::settings::{Secret, Settings};

/// Where the program that `ssh` starts finds the socket of the one that started `ssh`.
const VARIABLE: &str = "ZEEK_CLUSTER_ASKPASS";

/// No question and no answer is longer.
const LIMIT: u64 = 16 << 10;

/// Set by `ssh` to `none` for a note that needs no answer, such as "touch your key".
const HINT: &str = "SSH_ASKPASS_PROMPT";

/// Answers the questions of one `ssh` until dropped.
pub(super) struct Answering(AbortHandle);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Makes `ssh` bring its questions here. None where nobody can be asked.
pub(super) fn bring_here(
    command: &mut Command,
    folder: &Path,
    settings: &Arc<Settings>,
    progress: &Arc<Progress>,
) -> io::Result<Option<Answering>> {
    let (Some(_), Some(asker)) = (&settings.prompt, &settings.asker) else { return Ok(None) };
    let socket = folder.join("ask");
    let listener = UnixListener::bind(&socket)?;
    command.env("SSH_ASKPASS", asker).env("SSH_ASKPASS_REQUIRE", "force").env(VARIABLE, &socket);
    let (settings, progress) = (settings.clone(), progress.clone());
    let answering = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // It may have been ended meanwhile.
            let _ = answer(stream, &settings, &progress).await;
        }
    });
    Ok(Some(Answering(answering.abort_handle())))
}

/// One question. `ssh` asks one at a time.
async fn answer(
    mut stream: tokio::net::UnixStream,
    settings: &Arc<Settings>,
    progress: &Arc<Progress>,
) -> io::Result<()> {
    let mut asked = String::new();
    (&mut stream).take(LIMIT).read_to_string(&mut asked).await?;
    let Some((hint, text)) = asked.split_once('\n') else { return Ok(()) };
    let (settings, progress, text) = (settings.clone(), progress.clone(), tame(text));
    if hint == "none" {
        settings.prompt.iter().for_each(|prompt| prompt.tell(&text));
        return Ok(());
    }
    // The operator takes time, and this thread has other hosts.
    let asking = move || progress.paused(|| ask(&settings, &text));
    let answered = tokio::task::spawn_blocking(asking).await.ok().flatten();
    if let Some(Secret(answer)) = answered {
        stream.write_all(format!("={answer}").as_bytes()).await?;
    }
    stream.shutdown().await
}

fn ask(settings: &Settings, text: &str) -> Option<Secret> {
    match key_of(text) {
        Some(key) => settings.passphrase(&key, None),
        None => settings.prompt.as_ref()?.ask(text, false),
    }
}

/// The key whose passphrase is asked for.
fn key_of(text: &str) -> Option<PathBuf> {
    let (_, rest) = text.split_once("Enter passphrase for key '")?;
    rest.rsplit_once('\'').map(|(path, _)| PathBuf::from(path))
}

/// A server words its questions as it likes.
fn tame(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

/// For the start of the program: where `ssh` started it for a question, hands the question over, prints the answer and
/// tells the exit status; none where it was started otherwise.
pub fn answer_question() -> Option<u8> {
    let socket = std::env::var_os(VARIABLE)?;
    let mut words = std::env::args_os().skip(1);
    let (question, None) = (words.next()?, words.next()) else { return None };
    let answered = hand_over(Path::new(&socket), &question);
    Some(u8::from(!matches!(answered, Ok(true))))
}

fn hand_over(socket: &Path, question: &OsStr) -> io::Result<bool> {
    let hint = std::env::var(HINT).unwrap_or_default();
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(format!("{hint}\n{}", question.to_string_lossy()).as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = Vec::new();
    stream.take(LIMIT).read_to_end(&mut answer)?;
    let Some(answer) = answer.strip_prefix(b"=") else { return Ok(false) };
    let mut out = io::stdout();
    out.write_all(answer)?;
    out.write_all(b"\n")?;
    out.flush()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_for_a_passphrase_names_its_key() {
        assert_eq!(key_of("Enter passphrase for key '/home/ana/.ssh/id': "), Some("/home/ana/.ssh/id".into()));
        assert_eq!(key_of("Enter passphrase for key '/it's/id': "), Some("/it's/id".into()));
        assert_eq!(key_of("root@sensor-1's password: "), None);
        assert_eq!(tame("a\x1b[2Jb\n"), "a[2Jb");
    }
}
