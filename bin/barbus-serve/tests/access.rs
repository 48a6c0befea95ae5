//! Addresses, tokens, names of the server, and the login.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::http::request;
use crate::support::market::Market;
use crate::support::server::{Server, refused};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fn token_file(market: &Market, mode: u32) -> PathBuf {
    let path = market.path().join("token");
    std::fs::write(&path, format!("{TOKEN}\n")).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let market = Market::stocks();
    let path = market.path();
    let bus = path.to_str().unwrap();
    for address in ["0.0.0.0:0", "[::]:0"] {
        let output = refused(&[bus, "--listen", address]);
        assert_eq!(output.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&output.stderr).contains("give --token-file"), "{output:?}");
    }
    let open = token_file(&market, 0o644);
    let output = refused(&[bus, "--listen", "0.0.0.0:0", "--token-file", open.to_str().unwrap()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("chmod 600"), "{output:?}");
}

#[test]
fn without_the_token_nothing_is_answered() {
    let market = Market::stocks();
    let token = token_file(&market, 0o600);
    let path = market.path();
    let server =
        Server::with(&[path.to_str().unwrap(), "--token-file", token.to_str().unwrap(), "--listen", "0.0.0.0:0"]);
    let bearer = format!("Bearer {TOKEN}");
    for path in ["/metrics", "/healthz", "/readyz", "/api/buses", "/api/bars", "/api/stat", "/api/watch"] {
        for wrong in [vec![], vec![("Authorization", "Bearer wrong")], vec![("Cookie", "barbus_token=wrong")]] {
            let answer = server.get_with(path, &wrong);
            assert_eq!(answer.status, 401, "{path}");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
            assert!(answer.json()["error"].as_str().unwrap().contains("a token is needed"));
        }
        assert_ne!(server.get_with(path, &[("Authorization", &bearer)]).status, 401, "{path}");
    }
    assert_eq!(server.get("/live").status, 401);
}

#[test]
fn a_browser_logs_in_with_a_form() {
    let market = Market::stocks();
    let token = token_file(&market, 0o600);
    let path = market.path();
    let server = Server::with(&[path.to_str().unwrap(), "--token-file", token.to_str().unwrap()]);
    let page = server.get("/");
    assert_eq!((page.status, page.header("location")), (303, Some("/login")));
    assert_eq!(server.get("/login").status, 200);
    assert_eq!(server.get("/assets/login.js").status, 200);

    let log_in = |body: &str, headers: &[(&str, &str)]| request(server.address, "POST", "/login", headers, body);
    let wrong = log_in("token=wrong", &[]);
    assert_eq!((wrong.header("location"), wrong.header("set-cookie")), (Some("/login?wrong"), None));
    let right = log_in(&format!("token={TOKEN}"), &[]);
    let cookie = right.header("set-cookie").unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(server.get_with("/api/buses", &[("Cookie", &format!("other=1; {cookie}"))]).status, 200);
    let behind_tls = log_in(&format!("token={TOKEN}"), &[("X-Forwarded-Proto", "https")]);
    assert!(behind_tls.header("set-cookie").unwrap().ends_with("; Secure"));
    assert_eq!(log_in(&format!("token={}", "x".repeat(10_000)), &[]).status, 413);
}

#[test]
fn another_site_cannot_give_the_server_its_name() {
    let market = Market::stocks();
    let path = market.path();
    let server = Server::with(&[path.to_str().unwrap(), "--allow-host", "bars.example"]);
    for (host, status) in [
        ("evil.example", 421),
        ("evil.example:9184", 421),
        ("localhost:9184", 200),
        ("[::1]", 200),
        ("bars.example", 200),
    ] {
        for path in ["/", "/api/buses", "/assets/main.js"] {
            assert_eq!(server.get_with(path, &[("Host", host)]).status, status, "{host}{path}");
        }
    }
}

#[test]
fn every_answer_has_the_policy() {
    let market = Market::stocks();
    let server = Server::start(&market.path());
    for path in ["/", "/assets/main.js", "/api/buses", "/metrics", "/nothing"] {
        let answer = server.get(path);
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("script-src 'self';") && policy.starts_with("default-src 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
    }
}
