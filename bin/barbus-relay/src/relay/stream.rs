//! The stream of the messages: made if there is none, and checked if there is one.

use std::time::Duration;

use async_nats::jetstream::context::{
    CreateStreamErrorKind, GetStreamError, GetStreamErrorKind, RequestError, RequestErrorKind,
};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{ErrorCode, message::StreamMessage, stream::LastRawMessageErrorKind};

use super::connect::Connection;
use super::failure::{Outcome, fatal, retry};
use super::options::{Keep, OutArgs};
use super::subjects::all_of;

/// What a new stream keeps.
const DEFAULT_KEEP: Keep = Keep::Age(Duration::from_secs(7 * 86_400));
/// How long the server recognizes a message that is published twice.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);

/// The stream of `name`, which must exist.
pub(crate) async fn get(connection: &Connection, name: &str) -> Outcome<Stream> {
    match connection.jetstream.get_stream(name).await {
        Ok(stream) => Ok(stream),
        Err(error) => {
            if is_missing(&error.kind()) {
                return fatal(format!("stream {name}: the server has no such stream: start barbus-relay out first"));
            }
            explain(connection, name, &error)
        }
    }
}

/// The stream for the messages of `prefix`. It is made if there is none; one that exists gets the
/// subjects if it lacks them.
pub(crate) async fn get_or_make(connection: &Connection, args: &OutArgs, prefix: &str) -> Outcome<Stream> {
    let name = args.place.stream.as_str();
    match connection.jetstream.get_stream(name).await {
        Ok(stream) => {
            check(name, &stream.cached_info().config, args)?;
            add_subjects(connection, stream, prefix).await
        }
        Err(error) => {
            if !is_missing(&error.kind()) {
                return explain(connection, name, &error);
            }
            make(connection, args, prefix).await
        }
    }
}

async fn make(connection: &Connection, args: &OutArgs, prefix: &str) -> Outcome<Stream> {
    let name = args.place.stream.as_str();
    let (max_age, max_bytes) = match args.keep.unwrap_or(DEFAULT_KEEP) {
        Keep::Age(age) => (age, -1),
        Keep::Bytes(bytes) => (Duration::ZERO, i64::try_from(bytes).unwrap_or(i64::MAX)),
    };
    let config = Config {
        name: name.to_owned(),
        description: Some("bars of barbus".to_owned()),
        subjects: vec![all_of(prefix)],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        max_age,
        max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        num_replicas: args.replicas.unwrap_or(1).into(),
        duplicate_window: if max_age.is_zero() { DUPLICATE_WINDOW } else { DUPLICATE_WINDOW.min(max_age) },
        ..Config::default()
    };
    match connection.jetstream.create_stream(config).await {
        Ok(stream) => {
            tracing::info!(stream = name, "the stream was made");
            Ok(stream)
        }
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(why) if why.error_code() == ErrorCode::STREAM_NAME_EXIST => {
                retry(format!("stream {name}: another relay has just made it"))
            }
            CreateStreamErrorKind::JetStream(why) => fatal(format!(
                "stream {name}: the server does not make it: {why}: change --keep, --replicas or --prefix"
            )),
            kind => retry(connection.explain(format!("stream {name}: it cannot be made: {kind}"))),
        },
    }
}

/// Refuses a stream whose limits are other than those that were asked for, or lose messages.
fn check(name: &str, config: &Config, args: &OutArgs) -> Outcome<()> {
    let mut differences = Vec::new();
    let mut differ = |what: &str, is: String, asked: String| {
        if is != asked {
            differences.push(format!("{what} is {is}, not {asked}"));
        }
    };
    match args.keep {
        Some(Keep::Age(age)) => {
            differ("max_age", format!("{}s", config.max_age.as_secs()), format!("{}s", age.as_secs()));
        }
        Some(Keep::Bytes(bytes)) => differ("max_bytes", config.max_bytes.to_string(), bytes.to_string()),
        None => {}
    }
    if let Some(replicas) = args.replicas {
        differ("num_replicas", config.num_replicas.to_string(), replicas.to_string());
    }
    differ("retention", format!("{:?}", config.retention).to_lowercase(), "limits".to_owned());
    if config.max_messages_per_subject > 0 {
        differ("max_msgs_per_subject", config.max_messages_per_subject.to_string(), "-1".to_owned());
    }
    if config.no_ack {
        differ("no_ack", "true".to_owned(), "false".to_owned());
    }
    if differences.is_empty() {
        return Ok(());
    }
    let differences = differences.join("; ");
    fatal(format!(
        "stream {name}: it has other limits: {differences}: change them with nats stream edit, or the options"
    ))
}

/// Adds the subjects of `prefix` if the stream lacks them: it may have those of other buses.
async fn add_subjects(connection: &Connection, stream: Stream, prefix: &str) -> Outcome<Stream> {
    let wanted = all_of(prefix);
    let config = &stream.cached_info().config;
    if covers(&config.subjects, &wanted) {
        return Ok(stream);
    }
    let mut config = config.clone();
    let name = config.name.clone();
    config.subjects.push(wanted.clone());
    if let Err(error) = connection.jetstream.update_stream(config).await {
        return fatal(connection.explain(format!(
            "stream {name}: it has no subject {wanted}, and cannot get it: {error}: add it with nats stream edit"
        )));
    }
    tracing::info!(stream = name, subject = wanted, "the stream got the subjects of the bus");
    // Another relay may have changed the stream at the same moment.
    let stream = get(connection, &name).await?;
    match covers(&stream.cached_info().config.subjects, &wanted) {
        true => Ok(stream),
        false => retry(format!("stream {name}: another relay has changed its subjects")),
    }
}

/// Whether one of `subjects` has all that `wanted` has, which ends with `.>`.
fn covers(subjects: &[String], wanted: &str) -> bool {
    subjects.iter().any(|subject| {
        let (mut ours, mut theirs) = (wanted.split('.'), subject.split('.'));
        loop {
            match (ours.next(), theirs.next()) {
                (_, Some(">")) => return true,
                (Some(our), Some(their)) if our == their || (their == "*" && our != ">") => {}
                _ => return false,
            }
        }
    })
}

/// Whether the stream has messages of this prefix only.
pub(crate) fn is_exclusive(info: &Info, prefix: &str) -> bool {
    info.config.subjects == [all_of(prefix)]
}

/// The last message on a subject, which may have wildcards.
pub(crate) async fn last_message(
    connection: &Connection,
    stream: &Stream,
    subject: &str,
) -> Outcome<Option<StreamMessage>> {
    match stream.get_last_raw_message_by_subject(subject).await {
        Ok(message) => Ok(Some(message)),
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => Ok(None),
        Err(error) => match error.kind() {
            LastRawMessageErrorKind::JetStream(why) if why.error_code() == ErrorCode::NO_MESSAGE_FOUND => Ok(None),
            _ => retry(connection.explain(format!("the last message of the stream cannot be read: {error}"))),
        },
    }
}

fn is_missing(kind: &GetStreamErrorKind) -> bool {
    matches!(kind, GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND)
}

/// The failure to get a stream for another reason than that it does not exist.
fn explain<T>(connection: &Connection, name: &str, error: &GetStreamError) -> Outcome<T> {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<RequestError>());
    let has_none = match error.kind() {
        GetStreamErrorKind::JetStream(why) => {
            [ErrorCode::JETSTREAM_NOT_ENABLED, ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT].contains(&why.error_code())
        }
        _ => source.is_some_and(|source| source.kind() == RequestErrorKind::NoResponders),
    };
    if has_none {
        return Err(connection.fatal_at_first(format!(
            "stream {name}: the server or this account has no JetStream: start nats-server with -js, and enable \
             JetStream for the account"
        )));
    }
    retry(connection.explain(format!("stream {name}: the server does not answer for JetStream ({error})")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_cover_a_prefix() {
        let covers = |subject: &str| covers(&["x".to_owned(), subject.to_owned()], "barbus.a.>");
        for subject in ["barbus.a.>", "barbus.>", ">", "*.a.>", "barbus.*.>"] {
            assert!(covers(subject), "{subject}");
        }
        for subject in ["barbus.b.>", "barbus.a", "barbus.a.*", "barbus.a.bars", "barbus.*"] {
            assert!(!covers(subject), "{subject}");
        }
    }
}
