//! TLS of a door: its certificate, and whose client certificates it verifies.

use std::path::Path;
use std::sync::Arc;

use rustls::RootCertStore;
pub use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::error::LoadError;

/// Reads PEM files into the configuration of a server.
///
/// `client_ca`: certificates of the authorities whose client certificates count. A client without a certificate is
/// served too and has no names; one with a certificate that they did not sign is refused.
///
/// # Errors
/// One sentence that names the file.
pub fn server_config(
    certificate: &Path,
    key: &Path,
    client_ca: Option<&Path>,
) -> Result<Arc<ServerConfig>, LoadError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| LoadError(format!("TLS cannot be used here: {error}")))?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(path)? {
                roots.add(authority).map_err(|error| unusable(path, "a certificate authority", &error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .allow_unauthenticated()
                .build()
                .map_err(|error| unusable(path, "a certificate authority", &error))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, "a private key", &error))?;
    let mut config = builder
        .with_single_cert(certificates(certificate)?, private)
        .map_err(|error| unusable(certificate, "a certificate of that key", &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, LoadError> {
    let refuse = |error: &dyn std::fmt::Display| unusable(path, "a certificate", error);
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(|error| refuse(&error))?.collect();
    let read = read.map_err(|error| refuse(&error))?;
    if read.is_empty() { Err(refuse(&"it holds none")) } else { Ok(read) }
}

fn unusable(path: &Path, what: &str, why: &dyn std::fmt::Display) -> LoadError {
    LoadError(format!("{} cannot be used as {what}: {why}", path.display()))
}

/// DNS names and URIs (SPIFFE ids are such) that a certificate was signed for; empty for one that cannot be read.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(certificate) else { return Vec::new() };
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = alternatives.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        _ => None,
    });
    names.collect()
}
