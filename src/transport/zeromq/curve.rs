//! CURVE: who gets which key, and the ZAP handler that admits the cluster's client key and no other (`zeromq.md` 5).

use bytes::Bytes;

use super::options::{Keys, StartError};
use super::socket::{Context, Copies, Errno, KeyOption, Kind, Opt, Socket, z85_decode};

/// Where libzmq asks about each client. Source: RFC 27.
const ZAP_ENDPOINT: &str = "inproc://zeromq.zap.01";

/// Checks that all keys are Z85 of 40 characters.
pub(super) fn validate(keys: &Keys) -> Result<(), StartError> {
    let named = [
        ("server public key", Some(&keys.server_public)),
        ("server secret key", keys.server_secret.as_ref()),
        ("client public key", Some(&keys.client_public)),
        ("client secret key", Some(&keys.client_secret)),
    ];
    for (key, value) in named {
        if value.is_some_and(|value| z85_decode(value).is_none()) {
            return Err(StartError::Key { key });
        }
    }
    Ok(())
}

/// Makes a connecting socket a CURVE client.
pub(super) fn client(socket: &Socket, keys: &Keys) -> Result<(), Errno> {
    socket.set_key(KeyOption::Server, &keys.server_public)?;
    socket.set_key(KeyOption::Public, &keys.client_public)?;
    socket.set_key(KeyOption::Secret, &keys.client_secret)
}

/// Makes a listening socket a CURVE server.
pub(super) fn server(socket: &Socket, secret: &str) -> Result<(), Errno> {
    socket.set(Opt::CurveServer, 1)?;
    socket.set_key(KeyOption::Secret, secret)
}

/// The domain of sockets without keys, whose clients are only numbered.
const ZAP_DOMAIN: &str = "zeek-cluster";

/// Makes a listening socket without keys ask about its clients too.
pub(super) fn number_clients(socket: &Socket) -> Result<(), Errno> {
    socket.set_zap_domain(ZAP_DOMAIN)
}

/// Answers libzmq's question, for every client of a context's listening sockets, whether it may come in, and numbers those
/// that may: [`Source`](super::socket::Source).
pub(super) struct Zap {
    socket: Socket,
    /// The client key; none where there are no keys.
    admitted: Option<[u8; 32]>,
    connections: u64,
}

impl Zap {
    /// Must be there before the first listening socket of the context.
    pub(super) fn bind(context: &Context, keys: Option<&Keys>) -> Result<Zap, StartError> {
        let admitted = match keys {
            None => None,
            Some(keys) => Some(z85_decode(&keys.client_public).ok_or(StartError::Key { key: "client public key" })?),
        };
        let bind = || {
            let socket = context.socket(Kind::Rep)?;
            socket.set(Opt::Linger, 0)?;
            socket.bind(ZAP_ENDPOINT)?;
            Ok(socket)
        };
        let socket = bind().map_err(|errno: Errno| StartError::Bind {
            socket: "ZAP",
            endpoint: ZAP_ENDPOINT.to_owned(),
            cause: errno.to_string(),
        })?;
        Ok(Zap { socket, admitted, connections: 0 })
    }

    pub(super) fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Answers one question, if there is one: the address of a client that was refused.
    pub(super) fn answer(&mut self) -> Answer {
        let Ok(request) = self.socket.receive(8, &mut Copies::default()) else { return Answer::NothingAsked };
        let admitted = admits(&request.parts, self.admitted.as_ref());
        self.connections += u64::from(admitted);
        let number = self.connections.to_string();
        let id = request.parts.get(1).cloned().unwrap_or_default();
        let (status, text, user) =
            if admitted { ("200", "OK", &number[..]) } else { ("400", "Invalid ZAP request", "") };
        let reply = [
            Bytes::from_static(b"1.0"),
            id,
            Bytes::from_static(status.as_bytes()),
            Bytes::from_static(text.as_bytes()),
            Bytes::copy_from_slice(user.as_bytes()),
            Bytes::new(),
        ];
        if let Err(errno) = self.socket.send(reply) {
            tracing::debug!(error = %errno, "the asking side of a ZAP request has gone");
        }
        if admitted {
            return Answer::Admitted;
        }
        let address = request.parts.get(3).map(|part| String::from_utf8_lossy(part).into_owned());
        Answer::Refused { address: address.unwrap_or_default() }
    }
}

/// What [`Zap::answer`] did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    NothingAsked,
    Admitted,
    Refused { address: String },
}

/// Parts: version, request id, domain, address, identity, mechanism, credentials. Source: RFC 27, `zeromq.md` 5.4.
fn admits(parts: &[Bytes], admitted: Option<&[u8; 32]>) -> bool {
    match (admitted, parts) {
        (Some(key), [_, _, _, _, _, mechanism, credentials, ..]) => {
            mechanism == &b"CURVE"[..] && credentials == &key[..]
        }
        (None, [_, _, _, _, _, mechanism, ..]) => mechanism == &b"NULL"[..],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::zeromq::socket::keypair;

    #[test]
    fn only_the_very_client_key_over_curve_is_admitted() {
        let key = [7u8; 32];
        let request = |mechanism: &'static str, key: &[u8]| {
            let mut parts: Vec<Bytes> = ["1.0", "1", "", "192.0.2.1", "", mechanism].map(Bytes::from).to_vec();
            parts.push(Bytes::copy_from_slice(key));
            parts
        };
        assert!(admits(&request("CURVE", &key), Some(&key)));
        assert!(!admits(&request("CURVE", &[8; 32]), Some(&key)));
        assert!(!admits(&request("CURVE", &key[..31]), Some(&key)));
        assert!(!admits(&request("PLAIN", &key), Some(&key)));
        assert!(!admits(&request("NULL", &[])[..6], Some(&key)));
        assert!(!admits(&request("CURVE", &key)[..6], Some(&key)));
        assert!(!admits(&[], Some(&key)));
        assert!(admits(&request("NULL", &[])[..6], None));
        assert!(!admits(&request("PLAIN", &key), None));
    }

    #[test]
    fn a_key_of_39_characters_is_refused_by_name() {
        let (public, secret) = keypair();
        let keys = Keys {
            server_public: public.clone(),
            server_secret: Some(secret.clone()),
            client_public: public[1..].to_owned(),
            client_secret: secret,
        };
        let error = validate(&keys).expect_err("39 characters");
        assert_eq!(error.to_string(), "the CURVE client public key is not a Z85 key of 40 characters");
    }
}
