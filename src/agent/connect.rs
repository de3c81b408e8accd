//! `agent connect`: standard input and output joined to the agent's socket, for SSH servers that refuse
//! `direct-streamlocal`.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread;

use crate::api::paths::ClusterDir;

/// The first line on standard output once the agent is connected: whatever a login shell printed before it is noise.
pub const CONNECT_MAGIC: &str = "zeek-cluster-agent-connect/1\n";

/// Why standard input and output could not be joined to the socket.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nobody listens on the socket, or it may not be opened.
    #[error("no agent answers on {}", socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// One of the two ends broke.
    #[error("the connection to the agent broke")]
    Broken(#[source] io::Error),
}

/// Joins standard input and output to the socket of the agent of `dir`, after [`CONNECT_MAGIC`]. Returns when the agent
/// closed; the end of standard input is handed on to the agent as the end of what is sent, and answers still come.
///
/// # Errors
/// [`ConnectError::Connect`] when no agent listens there, [`ConnectError::Broken`] when standard output or the
/// connection breaks. That the agent closes is the ordinary end.
pub fn connect(dir: &ClusterDir) -> Result<(), ConnectError> {
    let socket = dir.agent_socket();
    let stream = UnixStream::connect(&socket).map_err(|source| ConnectError::Connect { socket, source })?;
    join(stream, io::stdin(), io::stdout()).map_err(ConnectError::Broken)
}

fn join(stream: UnixStream, input: impl Read + Send + 'static, mut output: impl Write) -> io::Result<()> {
    output.write_all(CONNECT_MAGIC.as_bytes())?;
    output.flush()?;
    let sending = stream.try_clone()?;
    // Not joined: it may wait for input that never comes, and ends with the process.
    thread::Builder::new().name("connect-send".into()).spawn(move || send(input, sending))?;
    copy_flushing(stream, output)
}

fn send(input: impl Read, mut stream: UnixStream) {
    // The agent closing first is the ordinary end, and the other direction reports it.
    let _ = copy_flushing(input, &mut stream);
    let _ = stream.shutdown(Shutdown::Write);
}

/// `io::copy` would let standard output wait for a line end or a full buffer.
fn copy_flushing(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut buffer = [0; 16 << 10];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(&buffer[..n]).and_then(|()| to.flush())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions_are_joined_and_the_end_of_input_is_handed_on() {
        let (ours, mut agent) = UnixStream::pair().unwrap();
        let answering = thread::spawn(move || {
            let mut asked = String::new();
            agent.read_to_string(&mut asked).unwrap();
            agent.write_all(asked.to_uppercase().as_bytes()).unwrap();
        });
        let mut output = Vec::new();
        join(ours, &b"question"[..], &mut output).unwrap();
        answering.join().unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), format!("{CONNECT_MAGIC}QUESTION"));
    }
}
