//! Certificates for tests of TLS, made anew. Also used by the tests in `src/`.

use std::fs;
use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

/// A certificate and its key.
pub struct Identity {
    pub certificate: X509,
    pub key: PKey<Private>,
}

/// Somebody who signs.
pub struct Authority(pub Identity);

impl Authority {
    pub fn new(name: &str) -> Authority {
        Authority(make(name, None))
    }

    /// A certificate for 127.0.0.1 and localhost, good for servers and clients.
    pub fn sign(&self, name: &str) -> Identity {
        make(name, Some(&self.0))
    }
}

impl Identity {
    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write(&self, folder: &Path, name: &str) -> (String, String) {
        let path = |ending: &str| folder.join(format!("{name}.{ending}"));
        let (certificate, key) = (path("pem"), path("key"));
        fs::write(&certificate, self.certificate.to_pem().expect("PEM")).expect("the certificate is written");
        fs::write(&key, self.key.private_key_to_pem_pkcs8().expect("PEM")).expect("the key is written");
        (certificate.display().to_string(), key.display().to_string())
    }
}

fn make(name: &str, issuer: Option<&Identity>) -> Identity {
    build(name, issuer).expect("OpenSSL works")
}

fn build(name: &str, issuer: Option<&Identity>) -> Result<Identity, openssl::error::ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut subject = X509NameBuilder::new()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    let subject = subject.build();
    let mut serial = BigNum::new()?;
    serial.rand(120, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&subject)?;
    builder.set_issuer_name(issuer.map_or(&*subject, |issuer| issuer.certificate.subject_name()))?;
    builder.set_not_before(&*Asn1Time::from_unix(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(2)?)?;
    builder.set_pubkey(&key)?;
    match issuer {
        None => {
            builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
            builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        }
        Some(issuer) => {
            builder.append_extension(BasicConstraints::new().build()?)?;
            builder.append_extension(ExtendedKeyUsage::new().server_auth().client_auth().build()?)?;
            let names = SubjectAlternativeName::new()
                .ip("127.0.0.1")
                .dns("localhost")
                .build(&builder.x509v3_context(Some(&issuer.certificate), None))?;
            builder.append_extension(names)?;
        }
    }
    builder.sign(issuer.map_or(&key, |issuer| &issuer.key), MessageDigest::sha256())?;
    Ok(Identity { certificate: builder.build(), key })
}
