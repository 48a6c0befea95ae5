//! Where days are kept: a bucket of a service, or a folder.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use super::failure::{Failure, Kind};

/// The first and the longest pause between the attempts of one request.
const PAUSES: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];
/// Attempts of one request after the first one.
const RETRIES: usize = 4;

/// How the service is reached. Credentials come from the environment.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Service")]
pub(super) struct ServiceFlags {
    /// Address of a service that is compatible with S3, such as https://minio.example:9000;
    /// default: AWS_ENDPOINT_URL, or Amazon.
    #[arg(long, value_name = "URL")]
    endpoint: Option<Url>,
    /// Region; default: AWS_REGION, or us-east-1.
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// Allow an address without TLS, on a network that is trusted.
    #[arg(long)]
    allow_http: bool,
    /// Seconds that one request may take; it transfers at most 8 MB.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = clap::value_parser!(u64).range(1..=3600))]
    request_timeout: u64,
}

/// A URL of a bucket, or a path of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlaceUrl {
    name: String,
    kind: UrlKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum UrlKind {
    Folder(PathBuf),
    Service(Url),
}

impl FromStr for PlaceUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!("{text:?} {why}: give s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or a folder")
        };
        if text.is_empty() {
            return Err(wrong("names no place"));
        }
        if !text.contains("://") {
            let path = std::path::absolute(text).map_err(|error| format!("{text}: {error}"))?;
            return Ok(Self { name: path.display().to_string(), kind: UrlKind::Folder(path) });
        }
        let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL ({error})")))?;
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has more than a bucket and a prefix (credentials come from the environment)"));
        }
        if url.scheme() == "file" {
            let path = url.to_file_path().map_err(|()| wrong("is no path of this machine"))?;
            return Ok(Self { name: path.display().to_string(), kind: UrlKind::Folder(path) });
        }
        match ObjectStoreScheme::parse(&url) {
            Ok((
                ObjectStoreScheme::AmazonS3 | ObjectStoreScheme::GoogleCloudStorage | ObjectStoreScheme::MicrosoftAzure,
                _,
            )) => Ok(Self { name: text.trim_end_matches('/').to_owned(), kind: UrlKind::Service(url) }),
            _ => Err(wrong("is of no service that is known")),
        }
    }
}

impl PlaceUrl {
    /// The URL or the path, without a slash at its end.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// An open place.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    /// Its URL or path, for messages.
    pub(super) name: String,
}

impl Place {
    /// Opens a place. Nothing is asked yet of a service; a missing folder is made if `create`.
    pub(super) fn open(url: &PlaceUrl, flags: &ServiceFlags, create: bool) -> Result<Self, Failure> {
        let name = url.name.clone();
        let store = match &url.kind {
            UrlKind::Folder(path) => open_folder(path, create)?,
            UrlKind::Service(service) => {
                if let Some(endpoint) =
                    flags.endpoint.as_ref().filter(|url| url.scheme() == "http" && !flags.allow_http)
                {
                    let what = format!(
                        "{endpoint}: it is not encrypted: give https, or --allow-http if you trust the network"
                    );
                    return Err(Failure::new(Kind::Refused, what));
                }
                open_service(service, flags).map_err(|error| Failure::new(Kind::Refused, format!("{name}: {error}")))?
            }
        };
        Ok(Self { store, name })
    }

    /// The place of an object, for messages.
    pub(super) fn of(&self, object: &Path) -> String {
        format!("{}/{object}", self.name)
    }
}

fn open_folder(path: &PathBuf, create: bool) -> Result<Arc<dyn ObjectStore>, Failure> {
    let failed = |what: String| Failure::new(Kind::Unfit, format!("{}: {what}", path.display()));
    if create {
        std::fs::create_dir_all(path).map_err(|error| failed(format!("cannot create: {error}")))?;
    } else if !path.is_dir() {
        return Err(failed("there is no such folder: push to it first".into()));
    }
    let store = LocalFileSystem::new_with_prefix(path).map_err(|error| failed(error.to_string()))?;
    Ok(Arc::new(store))
}

fn open_service(url: &Url, flags: &ServiceFlags) -> object_store::Result<Arc<dyn ObjectStore>> {
    let [init_backoff, max_backoff] = PAUSES;
    let timeout = Duration::from_secs(flags.request_timeout);
    let retry = RetryConfig {
        backoff: BackoffConfig { init_backoff, max_backoff, base: 2.0 },
        max_retries: RETRIES,
        retry_timeout: timeout * (RETRIES as u32 + 1) + max_backoff * RETRIES as u32,
    };
    let timeout = format!("{} seconds", flags.request_timeout);
    let mut client = vec![(ClientConfigKey::Timeout, timeout)];
    if flags.allow_http {
        client.push((ClientConfigKey::AllowHttp, "true".to_owned()));
    }
    let (scheme, prefix) = ObjectStoreScheme::parse(url).map_err(object_store::Error::from)?;
    let endpoint = flags.endpoint.as_ref().map(|endpoint| endpoint.as_str().trim_end_matches('/').to_owned());
    let store: Arc<dyn ObjectStore> = match scheme {
        ObjectStoreScheme::GoogleCloudStorage => {
            let mut builder = GoogleCloudStorageBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            for (key, value) in client {
                builder = builder.with_config(GoogleConfigKey::Client(key), value);
            }
            Arc::new(builder.build()?)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let mut builder = MicrosoftAzureBuilder::from_env().with_url(url.as_str()).with_retry(retry);
            for (key, value) in client {
                builder = builder.with_config(AzureConfigKey::Client(key), value);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            Arc::new(builder.build()?)
        }
        _ => {
            let mut builder = AmazonS3Builder::from_env().with_url(url.as_str()).with_retry(retry);
            for (key, value) in client {
                builder = builder.with_config(AmazonS3ConfigKey::Client(key), value);
            }
            if let Some(endpoint) = endpoint {
                builder = builder.with_endpoint(endpoint);
            }
            if let Some(region) = &flags.region {
                builder = builder.with_region(region);
            }
            Arc::new(builder.build()?)
        }
    };
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_bucket_or_a_folder() {
        let name = |text: &str| text.parse::<PlaceUrl>().map(|url| url.name);
        assert_eq!(name("s3://bars/ashare/"), Ok("s3://bars/ashare".into()));
        assert_eq!(name("file:///srv/bars"), Ok("/srv/bars".into()));
        assert_eq!(name("/srv/bars"), Ok("/srv/bars".into()));
        for wrong in ["", "ftp://host/bars", "s3://", "s3://key:secret@bars/x", "s3://bars/x?y=1", "memory:///x"] {
            let error = name(wrong).unwrap_err();
            assert!(error.contains("give s3://BUCKET/PREFIX"), "{error}");
        }
    }
}
