//! Accounts of an operator: keys, and the tokens that vouch for them.
//!
//! The form is that of <https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/jwt>:
//! an operator signs accounts, an account signs users, and a user signs what the server asks.

use data_encoding::BASE64URL_NOPAD;
use nkeys::KeyPair;
use serde_json::{Value, json};

/// An operator with the account of the server and one account for relays.
pub(crate) struct Operator {
    operator: KeyPair,
    system: KeyPair,
    relays: KeyPair,
}

impl Operator {
    pub(crate) fn new() -> Self {
        let (operator, system, relays) = (KeyPair::new_operator(), KeyPair::new_account(), KeyPair::new_account());
        Self { operator, system, relays }
    }

    /// The settings of a server that trusts it.
    pub(crate) fn settings(&self) -> String {
        let everything = |storage: i64| {
            json!({
                "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1,
                "leaf": -1, "mem_storage": storage, "disk_storage": storage, "streams": -1, "consumer": -1,
            })
        };
        let account = |key: &KeyPair, name: &str, storage: i64| {
            let claims = json!({ "type": "account", "version": 2, "limits": everything(storage) });
            format!("{}: {}", key.public_key(), token(&self.operator, key, name, claims, None))
        };
        let operator = json!({ "type": "operator", "version": 2, "system_account": self.system.public_key() });
        format!(
            "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload: {{\n{}\n{}\n}}\n",
            token(&self.operator, &self.operator, "desk", operator, None),
            self.system.public_key(),
            account(&self.system, "system", 0),
            account(&self.relays, "relays", -1),
        )
    }

    /// The credentials file of a user with these rights, which end at `expires`, in seconds of Unix
    /// time.
    pub(crate) fn credentials(&self, publish: &[&str], subscribe: &[&str], expires: Option<i64>) -> String {
        let user = KeyPair::new_user();
        let claims = json!({
            "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1,
            "pub": { "allow": publish }, "sub": { "allow": subscribe },
        });
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            token(&self.relays, &user, "relay", claims, expires),
            user.seed().expect("the key was made here"),
        )
    }
}

/// What `issuer` states about `subject`.
fn token(issuer: &KeyPair, subject: &KeyPair, name: &str, claims: Value, expires: Option<i64>) -> String {
    let mut payload = json!({
        "jti": name, "iat": 1_700_000_000, "iss": issuer.public_key(), "sub": subject.public_key(), "name": name,
        "nats": claims,
    });
    if let Some(expires) = expires {
        payload["exp"] = expires.into();
    }
    let header = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let signed = format!("{}.{}", part(&header), part(&payload));
    let signature = issuer.sign(signed.as_bytes()).expect("the key was made here");
    format!("{signed}.{}", BASE64URL_NOPAD.encode(&signature))
}
