//! Requests, one line of JSON each, and their answers.

use std::os::unix::net::UnixStream;

use barbus::protocol::{Answer, DayClose, Request};
use barbus::{Bus, Date};
use jiff::Timestamp;

use crate::ingest::connection::{End, Reader};
use crate::shared_writer::Daemon;
use crate::json_lines as lines;

/// Answers requests until the peer has no more. One that cannot be done is answered with the reason; one that cannot be read ends the connection.
pub(crate) fn answer(reader: &mut Reader<'_>, mut stream: &UnixStream, daemon: &Daemon) -> Result<(), End> {
    while let Some(line) = lines::read(reader).map_err(End::Refused)? {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let request = serde_json::from_slice(&line);
        match request.map_err(|error| End::Refused(format!("not a request: {error}")))? {
            Request::Stat {} => {
                let mut stat = daemon.stat(Timestamp::now()).ok_or(End::Gone)?;
                stat.set_readers(barbus::readers(&daemon.bus).ok().as_deref());
                lines::write(&mut stream, &stat)?;
            }
            Request::CloseDay { date } => match close_day(daemon, date)? {
                Ok(close) => lines::write(&mut stream, &close)?,
                Err(error) => lines::write(&mut stream, &Answer::Error { error })?,
            },
        }
    }
    Ok(())
}

/// Closes the open day, or waits for one that is closed, until its file is there.
fn close_day(daemon: &Daemon, asked: Option<Date>) -> Result<Result<DayClose, String>, End> {
    let closed = match daemon.close_day(asked).ok_or(End::Gone)? {
        Ok(closed) => closed,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = daemon.waiter.flush() {
        return Ok(Err(format!("{error}; its bars are kept, and it is tried again by itself")));
    }
    let day = closed.or(asked);
    let path = day.map(|day| archive_file(&daemon.bus, day)).filter(|path| path.exists());
    match (asked, &path) {
        (Some(day), None) => Ok(Err(format!("{day}: no bar of that day ever came"))),
        _ => Ok(Ok(DayClose { closed: day, archived: true, path: path.map(|path| path.display().to_string()) })),
    }
}

fn archive_file(bus: &Bus, day: Date) -> std::path::PathBuf {
    bus.archive().join(format!("{day}.parquet"))
}
