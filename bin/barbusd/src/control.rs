//! Serves the requests of a control connection: the state of the bus, closing the day, and
//! withdrawing bars.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use barbus::protocol::{Answer, DayClose, Pong, Request, Withdrawal};
use barbus::{Bus, Date, Selection};
use barbus_writer::Withdrawn;

use crate::access::Rights;
use crate::json_lines;
use crate::peer::{End, has_hung_up};
use crate::peer_reader::{PeerReader, await_message};
use crate::shared_writer::SharedWriter;

/// How long a client may take to read an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers requests, one line of JSON each, until the peer sends no more.
///
/// A request that fails gets an answer with the reason. One that is not a request ends the
/// connection.
pub(crate) fn serve_requests(
    reader: &mut PeerReader<'_>,
    mut socket: &UnixStream,
    writer: &SharedWriter,
    rights: &Rights,
) -> Result<(), End> {
    // A client that asks and does not read must not keep its place.
    socket.set_write_timeout(Some(WRITE_TIMEOUT))?;
    loop {
        await_message(reader);
        let Some(line) = json_lines::read(reader).map_err(End::Rejected)? else { return Ok(()) };
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let request = serde_json::from_slice(&line);
        match request.map_err(|error| End::Rejected(format!("not a request: {error}")))? {
            Request::Stat {} => {
                let mut stat = writer.stat().ok_or(End::Disconnected)?;
                stat.set_readers(barbus::readers(writer.bus()).ok().as_deref());
                json_lines::write(&mut socket, &stat)?;
            }
            Request::Ping {} => {
                writer.is_free().ok_or(End::Disconnected)?;
                json_lines::write(&mut socket, &Pong { pid: std::process::id() })?;
            }
            // The client has given up and said so: what it asked for must not happen hours later,
            // when a stopped daemon goes on.
            Request::Withdraw { .. } | Request::CloseDay { .. } if has_hung_up(socket) => {
                tracing::info!("request dropped: its client had given up before the daemon came to it");
                return Err(End::Disconnected);
            }
            Request::Withdraw { day, symbols, from, to, bars } => {
                let selection = Selection { day, symbols, from, to, bars };
                match if_allowed(rights, || withdraw(writer, &selection))? {
                    Ok(withdrawal) => json_lines::write(&mut socket, &withdrawal)?,
                    Err(error) => json_lines::write(&mut socket, &Answer::Error { error })?,
                }
            }
            Request::CloseDay { date } => match if_allowed(rights, || close_day(writer, date))? {
                Ok(close) => json_lines::write(&mut socket, &close)?,
                Err(error) => json_lines::write(&mut socket, &Answer::Error { error })?,
            },
        }
    }
}

/// Does what changes a day, if the peer may.
fn if_allowed<T>(
    rights: &Rights,
    work: impl FnOnce() -> Result<Result<T, String>, End>,
) -> Result<Result<T, String>, End> {
    rights.may_close_day().map_or_else(|why| Ok(Err(why)), |()| work())
}

/// Closes the open day, or finds one that is closed, and waits for its file.
fn close_day(writer: &SharedWriter, asked: Option<Date>) -> Result<Result<DayClose, String>, End> {
    let closed = match writer.close_day(asked).ok_or(End::Disconnected)? {
        Ok(closed) => closed,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = writer.flush_waiter().flush() {
        return Ok(Err(format!("{error}; its bars are kept, and the daemon retries")));
    }
    let day = closed.or(asked);
    let path = day.map(|day| archive_file(writer.bus(), day)).filter(|path| path.exists());
    match (asked, &path) {
        (Some(day), None) => Ok(Err(format!("{day}: the bus has no bar of that day"))),
        _ => Ok(Ok(DayClose { closed: day, archived: true, path: path.map(|path| path.display().to_string()) })),
    }
}

/// Withdraws bars of a day, and waits until they are out of the archive.
fn withdraw(writer: &SharedWriter, selection: &Selection) -> Result<Result<Withdrawal, String>, End> {
    let day = selection.day;
    let waiter = match writer.begin_withdrawal(day).ok_or(End::Disconnected)? {
        Ok(waiter) => waiter,
        Err(error) => return Ok(Err(error)),
    };
    let withdrawn = waiter.withdraw(selection);
    let open = writer.end_withdrawal(day).ok_or(End::Disconnected)?;
    Ok(match (withdrawn, open) {
        (Ok(Withdrawn { bars, file }), Ok(open)) => {
            Ok(Withdrawal { withdrawn: bars, file: file.map(|path| path.display().to_string()), open })
        }
        (Err(error), _) | (_, Err(error)) => Err(error.to_string()),
    })
}

fn archive_file(bus: &Bus, day: Date) -> PathBuf {
    bus.archive().join(format!("{day}.parquet"))
}
