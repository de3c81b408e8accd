//! Packs a diagnosis into one archive, bounded in size. The agents have already removed secrets.

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Serialize;

use super::diag::{DiagReport, DiagRow};

/// The most that an archive holds, bytes before they are compressed; what is beyond is named in it.
const MAX_BYTES: u64 = 64 << 20;

/// Why there is no archive.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// It cannot be put together or written.
    #[error("cannot write the archive")]
    Io(#[from] io::Error),
    /// A report cannot be written as JSON.
    #[error("cannot write the report")]
    Json(#[from] serde_json::Error),
}

/// Writes a `.tar.gz` with a folder for each host and below it one for each node.
///
/// # Errors
/// [`BundleError::Io`] when `out` refuses it, [`BundleError::Json`] for what JSON cannot hold.
pub fn bundle(report: &DiagReport, version: &str, out: impl Write) -> Result<(), BundleError> {
    let mut archive = Archive {
        tar: tar::Builder::new(GzEncoder::new(out, Compression::default())),
        left: MAX_BYTES,
        left_out: Vec::new(),
    };
    let mut about = format!("diag of zeek-cluster {version}: a folder for each host, below it one for each node.\n");
    about.push_str("Keys, and what is written as a password, token or secret, are left out as [redacted].\n");
    for silent in &report.silent {
        about.push_str(&format!("no answer: {}\n", silent.error.what));
    }
    for name in &report.unknown {
        about.push_str(&format!("not part of the deployed release: {name}\n"));
    }
    archive.add("README.txt", about.as_bytes())?;
    for (host, diag) in &report.hosts {
        archive.json(&format!("{host}/status.json"), &diag.agent)?;
        archive.lines(&format!("{host}/events.jsonl"), &diag.events)?;
        archive.add(&format!("{host}/agent.log"), diag.agent_log.as_bytes())?;
    }
    for row in &report.rows {
        archive.node(row)?;
    }
    archive.finish()
}

struct Archive<W: Write> {
    tar: tar::Builder<GzEncoder<W>>,
    left: u64,
    left_out: Vec<String>,
}

impl<W: Write> Archive<W> {
    fn node(&mut self, row: &DiagRow) -> Result<(), BundleError> {
        let folder = format!("{}/{}", row.host, row.name);
        self.json(&format!("{folder}/diag.json"), row)?;
        self.lines(&format!("{folder}/events.jsonl"), &row.diag.events)?;
        self.add(&format!("{folder}/stderr.log"), row.diag.stderr.as_bytes())?;
        self.add(&format!("{folder}/stdout.log"), row.diag.stdout.as_bytes())?;
        if let Some(config) = &row.diag.config {
            self.add(&format!("{folder}/config.yaml"), config.as_bytes())?;
        }
        if let Some(backtrace) = row.diag.core.as_ref().and_then(|core| core.backtrace.as_ref()) {
            self.add(&format!("{folder}/backtrace.txt"), backtrace.as_bytes())?;
        }
        row.diag.crashes.iter().try_for_each(|crash| {
            self.add(&format!("{folder}/crash/{}/stderr.log", crash.time), crash.stderr.as_bytes())
        })
    }

    fn json(&mut self, path: &str, value: &impl Serialize) -> Result<(), BundleError> {
        let mut text = serde_json::to_vec_pretty(value)?;
        text.push(b'\n');
        self.add(path, &text)
    }

    fn lines<T: Serialize>(&mut self, path: &str, values: &[T]) -> Result<(), BundleError> {
        let mut text = Vec::new();
        for value in values {
            serde_json::to_writer(&mut text, value)?;
            text.push(b'\n');
        }
        self.add(path, &text)
    }

    fn add(&mut self, path: &str, content: &[u8]) -> Result<(), BundleError> {
        let size = content.len() as u64;
        match self.left.checked_sub(size) {
            Some(left) => self.left = left,
            None => {
                self.left_out.push(format!("{path} ({size} bytes)"));
                return Ok(());
            }
        }
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o600);
        Ok(self.tar.append_data(&mut header, path, content)?)
    }

    fn finish(mut self) -> Result<(), BundleError> {
        if !self.left_out.is_empty() {
            self.left = u64::MAX;
            let text = self.left_out.join("\n");
            self.add("LEFT-OUT.txt", text.as_bytes())?;
        }
        self.tar.into_inner()?.finish()?.flush()?;
        Ok(())
    }
}
