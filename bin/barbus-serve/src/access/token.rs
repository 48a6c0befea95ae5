//! The token, from a file that only its owner may read.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, bail};
use subtle::ConstantTimeEq;

/// A shorter token could be guessed.
const LEAST_BYTES: usize = 16;
/// The cookie that carries it is no longer.
const MOST_BYTES: usize = 512;

/// What a request must carry.
pub(super) struct Token(String);

impl Token {
    /// Reads the file. White space around the token is not part of it.
    ///
    /// # Errors
    /// The file cannot be read, other users may read or write it, or its token is too short, too
    /// long, or has other characters than letters, digits and `-._~+/=`.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let mut file = File::open(path).with_context(|| format!("{name}: cannot read the token"))?;
        // The open file is examined, so that it cannot be exchanged in between.
        let mode = file.metadata().with_context(|| format!("{name}: cannot read its mode"))?.permissions().mode();
        if mode & 0o077 != 0 {
            bail!("{name}: other users may use the file, its mode is {:03o}: chmod 600 {name}", mode & 0o777);
        }
        let mut text = String::new();
        let most = 4 * MOST_BYTES as u64;
        Read::by_ref(&mut file).take(most).read_to_string(&mut text).with_context(|| format!("{name}: no text"))?;
        let token = text.trim();
        if !(LEAST_BYTES..=MOST_BYTES).contains(&token.len()) {
            let make = format!("make one with: openssl rand -hex 32 > {name}");
            bail!("{name}: a token has {LEAST_BYTES} to {MOST_BYTES} characters, this one {}: {make}", token.len());
        }
        if !token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)) {
            bail!("{name}: a token has letters, digits and -._~+/= only");
        }
        Ok(Self(token.to_owned()))
    }

    /// Whether this is the token. The time that it takes tells nothing of how much of it is right.
    pub(super) fn is(&self, sent: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(sent).into()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    fn read(text: &str, mode: u32) -> anyhow::Result<Token> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        Token::read(&path)
    }

    #[test]
    fn only_the_owner_may_read_the_file() {
        let token = read("0123456789abcdef\n", 0o600).unwrap();
        assert!(token.is(b"0123456789abcdef"));
        assert!(!token.is(b"0123456789abcdeF") && !token.is(b"") && !token.is(b"0123456789abcdef0"));
        for mode in [0o640, 0o604, 0o666, 0o610] {
            let error = read("0123456789abcdef", mode).err().expect("it is refused").to_string();
            assert!(error.contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn a_token_is_long_and_fits_into_a_header() {
        let error = |text: &str| read(text, 0o600).err().expect("it is refused").to_string();
        assert!(error("short").contains("this one 5"));
        assert!(error(&"x".repeat(513)).contains("16 to 512"));
        assert!(error("0123456789 abcdef").contains("letters, digits"));
        assert!(error("0123456789abcdef; Path=/").contains("letters, digits"));
    }
}
