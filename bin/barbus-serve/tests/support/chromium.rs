//! A headless Chromium, driven over its DevTools protocol.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tungstenite::{Message, WebSocket};

use super::{PATIENCE, http, until};

/// A browser with one page. Dropping it ends it.
pub(crate) struct Chromium {
    child: Child,
    _profile: TempDir,
    socket: WebSocket<TcpStream>,
    next: u64,
    /// What the page complained of: exceptions, errors of the console, reports of its policy.
    pub(crate) complaints: Vec<String>,
}

impl Chromium {
    /// Starts a browser of this size.
    pub(crate) fn start(width: u32, height: u32) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--window-size={width},{height}"))
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let listening = lines.find_map(|line| Some(line.strip_prefix("DevTools listening on ws://")?.to_owned()));
        let address = listening.expect("Chromium listens").split('/').next().unwrap().parse().unwrap();
        // It must not block on a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let url = until("a page of Chromium", || {
            let pages = http::get(address, "/json/list", &[]).json();
            let page = pages.as_array()?.iter().find(|page| page["type"] == "page")?;
            Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
        });
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = tungstenite::client(url, stream).unwrap();
        let mut browser = Self { child, _profile: profile, socket, next: 0, complaints: Vec::new() };
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        browser.call("Emulation.setDeviceMetricsOverride", size);
        let dark = json!([{"name": "prefers-color-scheme", "value": "dark"}]);
        browser.call("Emulation.setEmulatedMedia", json!({"features": dark}));
        browser
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// Calls a method and returns its result. Complaints that arrive meanwhile are kept.
    #[track_caller]
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let text = json!({"id": id, "method": method, "params": parameters}).to_string();
        self.socket.send(Message::text(text)).unwrap();
        loop {
            let Message::Text(text) = self.socket.read().unwrap() else { continue };
            let mut message: Value = serde_json::from_str(&text).unwrap();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].take();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        let complaint = match event["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => parameters["exceptionDetails"].to_string(),
            "Runtime.consoleAPICalled" if ["error", "warning"].iter().any(|kind| parameters["type"] == **kind) => {
                parameters["args"].to_string()
            }
            "Log.entryAdded" if parameters["entry"]["level"] != "info" && parameters["entry"]["level"] != "verbose" => {
                parameters["entry"].to_string()
            }
            "Page.javascriptDialogOpening" => format!("a dialog: {parameters}"),
            _ => return,
        };
        self.complaints.push(complaint);
    }

    /// The value of an expression, after its promise if it is one.
    #[track_caller]
    pub(crate) fn eval(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let mut result = self.call("Runtime.evaluate", parameters);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].take()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub(crate) fn until(&mut self, expression: &str) {
        until(expression, || (self.eval(expression) == true).then_some(()));
    }

    /// The text of the element that a selector finds; empty if it finds none.
    pub(crate) fn text(&mut self, selector: &str) -> String {
        let found = self.eval(&format!("document.querySelector({})?.textContent ?? ''", json!(selector)));
        found.as_str().unwrap().to_owned()
    }

    /// Presses a key on the page.
    pub(crate) fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            self.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "text": text}));
        }
    }

    /// Keeps a picture of the page if `BARBUS_SCREENSHOTS` names a folder.
    pub(crate) fn keep_picture(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("BARBUS_SCREENSHOTS") else { return };
        let picture = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let bytes = from_base64(picture["data"].as_str().unwrap());
        std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), bytes).unwrap();
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let values: Vec<u32> =
        text.bytes().filter_map(|byte| Some(LETTERS.iter().position(|letter| *letter == byte)? as u32)).collect();
    let bytes = values.chunks(4).flat_map(|four| {
        let word = four.iter().enumerate().fold(0, |word, (at, value)| word | value << (18 - 6 * at));
        word.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}
