//! The names by which browsers may reach the server.
//!
//! A page of another site can make its own name point to this machine and then read what the server
//! answers. The browser sends that name in the header `Host`, so unknown names are refused.

use std::net::IpAddr;

/// The names by which the server may be called.
pub(super) struct Hosts {
    /// Whether only this machine can reach the server. Elsewhere the token protects it: a browser
    /// sends the cookie to the right name only.
    is_local: bool,
    allowed: Vec<String>,
}

impl Hosts {
    pub(super) fn new(ip: IpAddr, allowed: &[String]) -> Self {
        Self { is_local: ip.is_loopback(), allowed: allowed.iter().map(|name| name.to_ascii_lowercase()).collect() }
    }

    /// Whether a request with this header is answered.
    pub(super) fn allow(&self, host: Option<&str>) -> bool {
        if !self.is_local {
            return true;
        }
        let Some(host) = host else { return false };
        let name = without_port(host).to_ascii_lowercase();
        let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback()) || self.allowed.contains(&name)
    }
}

/// `[::1]:9184` and `localhost:9184` without the port.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn on_this_machine_only_its_own_names_are_answered() {
        let hosts = Hosts::new("127.0.0.1".parse().unwrap(), &["Bars.example".to_owned()]);
        for known in
            ["127.0.0.1:9184", "localhost", "LOCALHOST:80", "[::1]:9184", "[::1]", "127.0.0.2", "bars.example:443"]
        {
            assert!(hosts.allow(Some(known)), "{known}");
        }
        for unknown in
            ["evil.example", "evil.example:9184", "10.0.0.1", "localhost.evil.example", "", "127.0.0.1.evil.example"]
        {
            assert!(!hosts.allow(Some(unknown)), "{unknown}");
        }
        assert!(!hosts.allow(None));
    }

    #[test]
    fn elsewhere_the_token_decides() {
        assert!(Hosts::new("0.0.0.0".parse().unwrap(), &[]).allow(Some("bars.example")));
    }
}
