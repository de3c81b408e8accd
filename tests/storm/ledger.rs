//! What became of the records: each that was sent is looked for in every file of its logger.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::read::MultiGzDecoder;

use super::LOGGERS;
use super::faults::Deed;
use super::sender::{Batch, Sent, text};
use crate::support::Machines;

/// A record that was sent so shortly before its logger ended may not have been taken from the socket.
const IN_FLIGHT: Duration = Duration::from_secs(2);

/// The count of everything.
pub struct Ledger {
    loggers: Vec<Account>,
    /// Lines that are no record, each with its file.
    torn: Vec<String>,
    /// Files that should not be there.
    strays: Vec<PathBuf>,
}

/// One logger's records.
struct Account {
    logger: String,
    sent: u64,
    batches: usize,
    broken: usize,
    written: u64,
    twice: u64,
    /// Batches that are missing in whole or in part: how many of their records, and when the logger ended that explains it.
    lost: Vec<(Batch, u64, Option<Instant>)>,
}

impl Ledger {
    /// Reads all log files of the machines.
    pub fn read(machines: &Machines, sent: &[Sent], deeds: &[Deed]) -> Ledger {
        let mut seen: HashMap<(String, u64), u64> = HashMap::new();
        let mut ledger = Ledger { loggers: Vec::new(), torn: Vec::new(), strays: Vec::new() };
        for index in 0..machines.count() {
            for path in files(&machines.sight(index).join("campus/logs")) {
                ledger.read_file(&path, &mut seen);
            }
        }
        ledger.loggers = sent.iter().map(|sent| account(sent, &seen, deeds)).collect();
        ledger
    }

    fn read_file(&mut self, path: &Path, seen: &mut HashMap<(String, u64), u64>) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with('.')
            || name.ends_with(".tmp")
            || path.components().any(|part| part.as_os_str() == "current")
        {
            self.strays.push(path.to_owned());
        }
        if !name.starts_with("storm.") {
            return;
        }
        let Ok(file) = File::open(path) else { return };
        let text: Box<dyn Read> = match name.ends_with(".gz") {
            true => Box::new(MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        for line in BufReader::new(text).split(b'\n') {
            match line.map(|line| String::from_utf8_lossy(&line).into_owned()) {
                Ok(line) if line.starts_with('#') => {}
                Ok(line) => match record(&line) {
                    Some(record) => *seen.entry(record).or_default() += 1,
                    None => self.torn.push(format!("{}: {line:?}", path.display())),
                },
                Err(error) => {
                    self.torn.push(format!("{}: {error}", path.display()));
                    return;
                }
            }
        }
    }

    /// Everything that must not be.
    pub fn wrong(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self.torn.iter().take(10).map(|line| format!("torn line in {line}")).collect();
        wrong.extend(self.strays.iter().take(10).map(|path| format!("left behind: {}", path.display())));
        for account in &self.loggers {
            if account.twice > 0 {
                wrong.push(format!("{}: {} records stand twice", account.logger, account.twice));
            }
            let unexplained: Vec<_> = account.lost.iter().filter(|(_, _, end)| end.is_none()).collect();
            let records: u64 = unexplained.iter().map(|(_, missing, _)| missing).sum();
            if let Some((first, _, _)) = unexplained.first() {
                let (logger, batches) = (&account.logger, unexplained.len());
                wrong.push(format!("{logger}: {records} records of {batches} batches are lost, first {}", first.first));
            }
        }
        wrong
    }
}

/// The logger and the number in a line, where it is a whole record.
fn record(line: &str) -> Option<(String, u64)> {
    let mut parts = line.split('\t');
    let (logger, number, rest) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    (parts.next().is_none() && rest == text(number)).then(|| (logger.to_owned(), number))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push(path),
        }
    }
    found
}

fn account(sent: &Sent, seen: &HashMap<(String, u64), u64>, deeds: &[Deed]) -> Account {
    let times = |number: u64| seen.get(&(sent.logger.clone(), number)).copied().unwrap_or(0);
    let mut account = Account {
        logger: sent.logger.clone(),
        sent: sent.batches.iter().map(|batch| batch.count).sum(),
        batches: sent.batches.len(),
        broken: sent.broken,
        written: 0,
        twice: 0,
        lost: Vec::new(),
    };
    for batch in &sent.batches {
        let numbers = || batch.first..batch.first + batch.count;
        let missing = numbers().filter(|number| times(*number) == 0).count() as u64;
        account.written += batch.count - missing;
        account.twice += numbers().filter(|number| times(*number) > 1).count() as u64;
        if missing > 0 {
            account.lost.push((*batch, missing, end_of(&sent.logger, batch.at, deeds)));
        }
    }
    account
}

/// The end of a logger that a batch may have been in flight at: it came soon after, or just before, while the kernel still took
/// octets for the process that ends; or the logger was held up in between and took nothing. What a logger has not taken from
/// its socket when it is stopped is lost as well: the protocol has no acknowledgements.
fn end_of(logger: &str, sent: Instant, deeds: &[Deed]) -> Option<Instant> {
    let machine = Machines::name(usize::from(logger == LOGGERS[1]));
    let ends = |what: &str| ["kill", "stop", "restart"].iter().any(|word| what.starts_with(word));
    let mut ended = deeds.iter().filter(|deed| deed.whom == logger && ends(&deed.what));
    let end = ended.find(|deed| deed.to + IN_FLIGHT >= sent)?;
    let holds = |deed: &&Deed| match deed.what.as_str() {
        "full disk" | "partition" => deed.whom == machine,
        what => deed.whom == logger && (what.starts_with("pause") || what.starts_with("no descriptors")),
    };
    // One hold may follow another before everything was taken.
    let before = deeds.iter().rev().filter(holds).filter(|deed| deed.from <= end.from);
    let since =
        before.fold(end.from, |since, deed| if deed.to + IN_FLIGHT >= since { since.min(deed.from) } else { since });
    (sent + IN_FLIGHT >= since).then_some(end.from)
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for account in &self.loggers {
            let mut ends: HashMap<Instant, (usize, u64)> = HashMap::new();
            for (_, missing, end) in &account.lost {
                if let Some(end) = end {
                    let (batches, records) = ends.entry(*end).or_default();
                    (*batches, *records) = (*batches + 1, *records + missing);
                }
            }
            let in_flight: u64 = ends.values().map(|(_, records)| records).sum();
            let most = ends.values().map(|(batches, _)| *batches).max().unwrap_or(0);
            let lost: u64 = account.lost.iter().map(|(_, missing, _)| missing).sum();
            writeln!(
                f,
                "{}: sent {} records in {} batches over {} connections, written {}, twice {}, lost {lost}: {in_flight} in \
                 flight at {} ends (at most {most} batches at one), {} unexplained",
                account.logger,
                account.sent,
                account.batches,
                account.broken + 1,
                account.written,
                account.twice,
                ends.len(),
                lost - in_flight,
            )?;
        }
        writeln!(f, "torn lines: {}, files left behind: {}", self.torn.len(), self.strays.len())
    }
}
