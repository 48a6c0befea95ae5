//! What can go wrong with a bucket, in the words of an operator, with the next step.

use std::error::Error as StdError;
use std::fmt;

use object_store::Error as StoreError;
use object_store::client::{HttpError, HttpErrorKind};

/// What a failure means for a program that may try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The service cannot be reached, or has no room: the same may succeed later.
    Passing,
    /// The service refuses this account, or there is no such bucket.
    Refused,
    /// There is no such object.
    Missing,
    /// There is such an object already.
    Exists,
    /// Another bus pushes to this place.
    Owned,
    /// A file of this machine or an object is not as it must be.
    Unfit,
}

/// A failure with its message: `what: why`, and the next step.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub(super) kind: Kind,
    message: String,
}

impl Failure {
    pub(super) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An error of the service while it was asked to `action`, a verb phrase.
    pub(super) fn of_service(place: &str, action: &str, error: StoreError) -> Self {
        let (kind, why) = explain(&error);
        Self { kind, message: format!("{place}: cannot {action}: {why}") }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.message)
    }
}

impl StdError for Failure {}

impl From<barbus::Error> for Failure {
    fn from(error: barbus::Error) -> Self {
        Self::new(Kind::Unfit, error.to_string())
    }
}

impl From<barbus_archive::ArchiveError> for Failure {
    fn from(error: barbus_archive::ArchiveError) -> Self {
        Self::new(Kind::Unfit, error.to_string())
    }
}

/// The codes of S3 that have a next step of their own.
const CODES: [(&str, Kind, &str); 9] = [
    ("NoSuchBucket", Kind::Refused, "there is no such bucket: create it first"),
    ("InvalidAccessKeyId", Kind::Refused, "the service does not know the access key: check AWS_ACCESS_KEY_ID"),
    ("SignatureDoesNotMatch", Kind::Refused, "the secret key is wrong: check AWS_SECRET_ACCESS_KEY"),
    (
        "RequestTimeTooSkewed",
        Kind::Refused,
        "the clock of this machine differs too much from that of the service: set it by NTP",
    ),
    ("RequestExpired", Kind::Refused, "the clock of this machine is behind that of the service: set it by NTP"),
    ("ExpiredToken", Kind::Refused, "the session's credentials have expired: get new ones"),
    ("InvalidToken", Kind::Refused, "AWS_SESSION_TOKEN is wrong: get new credentials"),
    (
        "AccessDenied",
        Kind::Refused,
        "the account has no permission: reading needs s3:ListBucket and s3:GetObject, pushing s3:PutObject and \
         s3:DeleteObject as well",
    ),
    ("SlowDown", Kind::Passing, "the service asks for fewer requests: try again later"),
];

fn explain(error: &StoreError) -> (Kind, String) {
    let text = chain(error);
    if let Some((_, kind, why)) = CODES.iter().find(|(code, ..)| text.contains(&format!("<Code>{code}</Code>"))) {
        return (*kind, (*why).to_owned());
    }
    if text.contains("169.254.169.254") || text.contains("metadata.google.internal") {
        let what = "no credentials are set: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (gs://: \
                    GOOGLE_APPLICATION_CREDENTIALS, az://: AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY)";
        return (Kind::Refused, what.to_owned());
    }
    if text.contains("URL scheme is not allowed") {
        return (Kind::Refused, "its address is not encrypted: give https, or --allow-http".to_owned());
    }
    if text.contains("status code: 5") {
        let [code, message] = ["Code", "Message"].map(|name| element(&text, name).unwrap_or("no reason"));
        let what = format!("the service failed ({code}: {message}): see its log, and whether its disks have room");
        return (Kind::Passing, what);
    }
    if text.contains("status code: 404") && !matches!(error, StoreError::NotFound { .. }) {
        let what = "the service does not find it (404): check the name of the bucket and --endpoint";
        return (Kind::Passing, what.to_owned());
    }
    match error {
        StoreError::NotFound { .. } => (Kind::Missing, "there is no such object".into()),
        StoreError::AlreadyExists { .. } | StoreError::Precondition { .. } => {
            (Kind::Exists, "it exists already".into())
        }
        StoreError::PermissionDenied { .. } => (Kind::Refused, format!("access denied: {}", last(error))),
        StoreError::Unauthenticated { .. } => {
            (Kind::Refused, format!("the credentials are not accepted: check them: {}", last(error)))
        }
        StoreError::NotImplemented { .. } | StoreError::NotSupported { .. } | StoreError::InvalidPath { .. } => {
            (Kind::Refused, error.to_string())
        }
        _ => match http_kind(error) {
            Some(HttpErrorKind::Connect) if text.contains("certificate") => {
                let what =
                    "no TLS connection: check --endpoint, or trust the authority of the service (SSL_CERT_FILE): ";
                (Kind::Refused, format!("{what}{}", last(error)))
            }
            Some(HttpErrorKind::Connect) => {
                (Kind::Passing, format!("no connection: check the network and --endpoint: {}", last(error)))
            }
            Some(HttpErrorKind::Timeout) => {
                (Kind::Passing, "no answer in time: the service is slow or hung (--request-timeout)".into())
            }
            Some(_) => (Kind::Passing, format!("the connection broke: {}", last(error))),
            None => (Kind::Passing, in_one_line(&error.to_string())),
        },
    }
}

/// The text of an element of an answer of S3.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(found, _)| found)
}

/// The texts of an error and of all that caused it.
fn chain(error: &StoreError) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn causes<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn StdError + 'static)| (*error).source())
}

/// The text of the first cause.
fn last(error: &StoreError) -> String {
    in_one_line(&causes(error).last().map(ToString::to_string).unwrap_or_default())
}

fn in_one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn http_kind(error: &StoreError) -> Option<HttpErrorKind> {
    causes(error).find_map(|cause| Some(cause.downcast_ref::<HttpError>()?.kind()))
}
