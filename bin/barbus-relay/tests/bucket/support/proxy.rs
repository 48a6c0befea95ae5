//! A network between a push and the service that stalls at a wanted moment.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Bytes of a request that still pass where the network stalls.
const PASSED: usize = 1_500;

/// A proxy on a port of its own.
pub(crate) struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The text of a request in which the network stalls.
    stalls_in: Option<String>,
    stalled: bool,
}

impl Proxy {
    /// A proxy of the service at this port. It ends with the process.
    pub(crate) fn to(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = Self { port: listener.local_addr().expect("it is bound").port(), state: Arc::default() };
        let state = Arc::clone(&proxy.state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)) else { continue };
                let state = Arc::clone(&state);
                std::thread::spawn(move || carry(client, server, &state));
            }
        });
        proxy
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stalls in the next requests that have this text, and in all that follows on their
    /// connections.
    pub(crate) fn stall_in(&self, text: &str) {
        *self.state.lock().expect("nobody panics with it") = State { stalls_in: Some(text.to_owned()), stalled: false };
    }

    /// Whether a request has stalled.
    pub(crate) fn has_stalled(&self) -> bool {
        self.state.lock().expect("nobody panics with it").stalled
    }

    /// Lets new requests pass.
    pub(crate) fn pass(&self) {
        self.state.lock().expect("nobody panics with it").stalls_in = None;
    }
}

fn carry(client: TcpStream, server: TcpStream, state: &Mutex<State>) {
    let (mut from_server, mut to_client) =
        (server.try_clone().expect("a socket can be duplicated"), client.try_clone().expect("likewise"));
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    let (mut client, mut server) = (client, server);
    let mut piece = [0; 65_536];
    while let Ok(read @ 1..) = client.read(&mut piece) {
        let piece = &piece[..read];
        let stalls = {
            let mut state = state.lock().expect("nobody panics with it");
            let text = state.stalls_in.as_deref().unwrap_or("\0none");
            let found = String::from_utf8_lossy(piece).contains(text);
            state.stalled |= found;
            found
        };
        if stalls {
            let _ = server.write_all(&piece[..read.min(PASSED)]);
            // Until the client gives up, or is killed.
            client.set_read_timeout(Some(Duration::from_secs(300))).expect("a socket");
            let mut rest = [0; 65_536];
            while let Ok(1..) = client.read(&mut rest) {}
            let _ = server.shutdown(Shutdown::Both);
            return;
        }
        if server.write_all(piece).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
