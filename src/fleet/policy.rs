//! What ssh_config allows of the protocol: algorithms, methods, addresses, lengths of keys. What it does not mention is as
//! libssh2 and this crate have it.

use std::net::SocketAddr;

use super::known_hosts;

/// Settings of `ssh` that narrow a login; each none where nothing but the default is configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Policy {
    /// `KexAlgorithms`.
    pub kex: Option<String>,
    /// `HostKeyAlgorithms`.
    pub host_keys: Option<String>,
    /// `Ciphers`.
    pub ciphers: Option<String>,
    /// `MACs`.
    pub macs: Option<String>,
    /// `PubkeyAcceptedAlgorithms`.
    pub public_keys: Option<String>,
    /// Methods of logging in that are switched off.
    pub refused_methods: Vec<String>,
    /// `AddressFamily`, where it is one: `inet` or `inet6`.
    pub address_family: Option<String>,
    /// `RequiredRSASize`, in bits.
    pub rsa_bits: Option<usize>,
    /// `PKCS11Provider`, whose keys only the installed `ssh` can use.
    pub card: Option<String>,
}

impl Policy {
    /// Whether this method of logging in may be used.
    pub fn allows(&self, method: &str) -> bool {
        !self.refused_methods.iter().any(|refused| refused == method)
    }

    /// Whether this address may be dialled.
    pub fn takes(&self, address: &SocketAddr) -> bool {
        match self.address_family.as_deref() {
            Some("inet") => address.is_ipv4(),
            Some("inet6") => address.is_ipv6(),
            _ => true,
        }
    }

    /// Whether a server may prove itself by this algorithm.
    pub fn takes_host_key(&self, algorithm: &str) -> bool {
        self.host_keys.as_deref().is_none_or(|list| has(list, algorithm))
    }

    /// Algorithms to sign with an RSA key by, best first.
    pub fn rsa_signatures(&self) -> Option<String> {
        let list = self.public_keys.as_deref()?;
        let left: Vec<&str> = list.split(',').filter(|algorithm| algorithm.starts_with("rsa-sha2-")).collect();
        // Without any, RSA keys are not offered.
        let left: Vec<&str> = left.into_iter().filter(|algorithm| !algorithm.contains("-cert-")).collect();
        (!left.is_empty()).then(|| left.join(","))
    }

    /// Why a key of the operator (its public half) may not be offered; none where it may.
    pub fn refuses_key(&self, key: &[u8]) -> Option<String> {
        let kind = known_hosts::key_type(key)?;
        let is_taken = |list: &str| match kind {
            "ssh-rsa" => ["rsa-sha2-512", "rsa-sha2-256"].iter().any(|algorithm| has(list, algorithm)),
            kind => has(list, kind),
        };
        if !self.public_keys.as_deref().is_none_or(is_taken) {
            return Some(format!("PubkeyAcceptedAlgorithms of ssh_config leaves out {kind}"));
        }
        self.is_too_short(key).map(|bits| format!("{bits} bits, RequiredRSASize of ssh_config wants more"))
    }

    /// The length of an RSA key in bits, where that is not enough.
    pub fn is_too_short(&self, key: &[u8]) -> Option<usize> {
        let required = self.rsa_bits?;
        rsa_bits(key).filter(|&bits| bits < required)
    }
}

fn has(list: &str, algorithm: &str) -> bool {
    list.split(',').any(|listed| listed == algorithm)
}

/// The length of the modulus of an RSA key (RFC 4253, section 6.6: type, exponent, modulus).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let (kind, rest) = known_hosts::take_string(key)?;
    let (_exponent, rest) = known_hosts::take_string(rest)?;
    let (modulus, _) = known_hosts::take_string(rest)?;
    let digits = modulus.iter().position(|&byte| byte != 0).map_or(&[][..], |start| &modulus[start..]);
    let first = digits.first()?;
    (kind == b"ssh-rsa").then(|| digits.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::super::testing::keygen;
    use super::*;

    #[test]
    fn the_length_of_rsa_keys_is_their_modulus() {
        let dir = tempfile::tempdir().unwrap();
        for bits in [1024_usize, 2048] {
            let path = dir.path().join(bits.to_string());
            keygen(&path, &["-t", "rsa", "-b", &bits.to_string(), "-N", ""]);
            let line = std::fs::read_to_string(path.with_extension("pub")).unwrap();
            let key = STANDARD.decode(line.split_whitespace().nth(1).unwrap()).unwrap();
            assert_eq!(rsa_bits(&key), Some(bits));
            let policy = Policy { rsa_bits: Some(2048), ..Policy::default() };
            assert_eq!(policy.is_too_short(&key).is_some(), bits < 2048);
            let policy = Policy { public_keys: Some("ssh-ed25519,rsa-sha2-512".into()), ..Policy::default() };
            assert_eq!((policy.refuses_key(&key), policy.rsa_signatures()), (None, Some("rsa-sha2-512".into())));
            let policy = Policy { public_keys: Some("ssh-ed25519".into()), ..Policy::default() };
            assert!(policy.refuses_key(&key).unwrap().ends_with("leaves out ssh-rsa"));
        }
        assert_eq!(rsa_bits(b"x"), None);
    }
}
