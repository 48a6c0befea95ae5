//! An authority of a test, and the certificate of a server on loopback that it has signed.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The files of both. Dropping it removes them.
pub(crate) struct Certificates(TempDir);

impl Certificates {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("barbus-tls-").tempdir().expect("a temporary directory");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
        std::fs::write(folder.path().join("names"), "subjectAltName=IP:127.0.0.1\n").expect("ours");
        for line in [
            &format!("req -x509 {key} -keyout ca.key -out ca.pem -days 2 -subj /CN=authority"),
            &format!("req {key} -keyout server.key -out server.csr -subj /CN=server"),
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem",
        ] {
            openssl(line, folder.path());
        }
        Self(folder)
    }

    /// The certificate of the authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.0.path().join("ca.pem")
    }

    /// The certificate of the server.
    pub(crate) fn server(&self) -> PathBuf {
        self.0.path().join("server.pem")
    }

    /// The key of the server.
    pub(crate) fn server_key(&self) -> PathBuf {
        self.0.path().join("server.key")
    }
}

fn openssl(line: &str, folder: &Path) {
    let output = Command::new("openssl").args(line.split(' ')).current_dir(folder).output();
    let output = output.expect("openssl is installed (the package openssl)");
    assert!(output.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&output.stderr));
}
