//! NATS core and JetStream, for a minute's burst: the text protocol over a TCP socket.

use std::any::Any;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail, ensure};
use barbus_bench_link::{BURST, Burst, BurstBar, BurstReceiver, BurstSender, BurstSource, StrategyMinute, until};

const SERVER: &str = "nats-server";
const SUBJECT: &str = "bars";
const STREAM: &str = "BARS";
/// Where the answers to this client's requests and the messages of its consumer arrive.
const ANSWERS: &str = "_INBOX.answers";

pub(crate) fn bursts() -> [Box<dyn Burst>; 2] {
    [Box::new(Nats { is_stream: false }), Box::new(Nats { is_stream: true })]
}

struct Nats {
    /// Whether to use JetStream.
    is_stream: bool,
}

impl Burst for Nats {
    fn name(&self) -> &'static str {
        if self.is_stream { "NATS JetStream" } else { "NATS core" }
    }

    fn settings(&self) -> String {
        let output = Command::new(SERVER).arg("--version").output();
        let version = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let how = match self.is_stream {
            true => "a stream in memory, each bar acknowledged to the producer, a push consumer without acks each",
            false => "PUB, SUB",
        };
        format!(
            "{}, TCP on loopback; {how}; a message for each bar, a minute in one write",
            version.unwrap_or_default()
        )
    }

    fn missing(&self) -> Option<String> {
        let found = Command::new(SERVER).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        found.is_err().then(|| format!("no {SERVER} is installed"))
    }

    fn server(&self, directory: &Path) -> anyhow::Result<Option<Box<dyn Any>>> {
        // A free port: the listener that finds it is closed again.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        std::fs::write(directory.join("nats.port"), port.to_string())?;
        let mut command = Command::new(SERVER);
        command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
        if self.is_stream {
            command.arg("-js").arg("-sd").arg(directory.join("jetstream"));
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Server(child);
        let mut client = until(|| Client::connect(directory))?;
        if self.is_stream {
            let config =
                format!(r#"{{"name":"{STREAM}","subjects":["{SUBJECT}"],"storage":"memory","num_replicas":1}}"#);
            // JetStream starts after the server listens.
            until(|| client.request(&format!("$JS.API.STREAM.CREATE.{STREAM}"), &config))?;
        }
        Ok(Some(Box::new(server)))
    }

    fn sender(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstSender>> {
        let mut client = Client::connect(directory)?;
        if self.is_stream {
            client.send(format!("SUB {ANSWERS}.acks 2\r\n").as_bytes())?;
        }
        Ok(Box::new(NatsSender {
            client,
            source: BurstSource::default(),
            is_stream: self.is_stream,
            bytes: Vec::new(),
        }))
    }

    fn receiver(&self, directory: &Path) -> anyhow::Result<Box<dyn BurstReceiver>> {
        let mut client = Client::connect(directory)?;
        if self.is_stream {
            let deliver = format!("_INBOX.bars.{}", std::process::id());
            client.send(format!("SUB {deliver} 3\r\n").as_bytes())?;
            let config = format!(
                r#"{{"stream_name":"{STREAM}","config":{{"deliver_subject":"{deliver}","deliver_policy":"all","ack_policy":"none"}}}}"#
            );
            client.request(&format!("$JS.API.CONSUMER.CREATE.{STREAM}"), &config)?;
        } else {
            client.send(format!("SUB {SUBJECT} 3\r\n").as_bytes())?;
        }
        // The answer shows that the server has the subscription.
        client.ping()?;
        Ok(Box::new(NatsReceiver { client, strategy: StrategyMinute::default() }))
    }
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Client {
    input: BufReader<TcpStream>,
    output: TcpStream,
    payload: Vec<u8>,
}

impl Client {
    fn connect(directory: &Path) -> anyhow::Result<Self> {
        let port = std::fs::read_to_string(directory.join("nats.port"))?;
        let output = TcpStream::connect(format!("127.0.0.1:{port}"))?;
        output.set_nodelay(true)?;
        let input = BufReader::with_capacity(64 * 1024, output.try_clone()?);
        let mut client = Self { input, output, payload: Vec::new() };
        let mut info = String::new();
        client.input.read_line(&mut info)?;
        ensure!(info.starts_with("INFO "), "not a NATS server: {info:?}");
        client.send(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\n")?;
        client.ping()?;
        Ok(client)
    }

    fn send(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(self.output.write_all(bytes)?)
    }

    /// Waits until the server has processed what was sent.
    fn ping(&mut self) -> anyhow::Result<()> {
        self.send(b"PING\r\n")?;
        let mut line = String::new();
        self.input.read_line(&mut line)?;
        ensure!(line.trim_end() == "PONG", "unexpected answer of the server: {line:?}");
        Ok(())
    }

    /// Sends a request of JetStream, and fails with the server's error.
    fn request(&mut self, subject: &str, json: &str) -> anyhow::Result<()> {
        self.send(
            format!(
                "SUB {ANSWERS}.{0} 1\r\nPUB {subject} {ANSWERS}.{0} {1}\r\n{json}\r\n",
                std::process::id(),
                json.len()
            )
            .as_bytes(),
        )?;
        let answer = String::from_utf8_lossy(self.message()?).into_owned();
        self.send(b"UNSUB 1\r\n")?;
        ensure!(!answer.contains("\"error\""), "{subject}: {answer}");
        Ok(())
    }

    /// The payload of the next message.
    fn message(&mut self) -> anyhow::Result<&[u8]> {
        let mut line = String::new();
        loop {
            line.clear();
            ensure!(self.input.read_line(&mut line)? > 0, "the server has hung up");
            match line.split_once(' ').map_or(line.trim_end(), |(verb, _)| verb) {
                "MSG" => break,
                "PING" => self.send(b"PONG\r\n")?,
                "PONG" | "INFO" | "+OK" => {}
                _ => bail!("unexpected line of the server: {line:?}"),
            }
        }
        let length: usize = line.split_whitespace().last().context("a message without a length")?.parse()?;
        self.payload.resize(length + 2, 0);
        self.input.read_exact(&mut self.payload)?;
        Ok(&self.payload[..length])
    }
}

struct NatsSender {
    client: Client,
    source: BurstSource,
    is_stream: bool,
    bytes: Vec<u8>,
}

impl BurstSender for NatsSender {
    fn send(&mut self, minute: u64) -> anyhow::Result<()> {
        self.bytes.clear();
        let reply = if self.is_stream { format!("{ANSWERS}.acks ") } else { String::new() };
        for bar in self.source.bars(minute) {
            write!(self.bytes, "PUB {SUBJECT} {reply}{}\r\n", BurstBar::BYTES)?;
            self.bytes.extend_from_slice(&bar.bytes());
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.client.output.write_all(&self.bytes)?;
        if self.is_stream {
            for _ in 0..BURST {
                let answer = self.client.message()?;
                ensure!(!answer.windows(7).any(|bytes| bytes == b"\"error\""), "a bar was not stored");
            }
        }
        Ok(())
    }
}

struct NatsReceiver {
    client: Client,
    strategy: StrategyMinute,
}

impl BurstReceiver for NatsReceiver {
    fn receive(&mut self, minute: u64) -> anyhow::Result<()> {
        self.strategy.receive(minute, || BurstBar::from_bytes(self.client.message()?))
    }
}
