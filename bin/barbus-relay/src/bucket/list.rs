//! `barbus archive list`: the days of a place, by its manifest.

use clap::Args;

use super::output::{ReportFormat, bytes, count, print};
use super::place::{Place, PlaceUrl, ServiceFlags};
use super::versions;

/// List the days in a bucket, and which bus pushes to it.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// The bucket and the prefix, or a folder.
    place: PlaceUrl,
    /// Format of the list; JSON is the whole manifest.
    #[arg(long, value_enum, default_value_t)]
    format: ReportFormat,
    #[command(flatten)]
    service: ServiceFlags,
}

impl ListArgs {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let place = Place::open(&self.place, &self.service, false)?;
        let manifest = versions::existing(&place).await?;
        let mut lines = vec![
            format!(
                "{}: {}, {} (manifest {} of {})",
                place.name,
                count(manifest.days.len(), "day"),
                bytes(manifest.bytes()),
                manifest.number,
                manifest.at
            ),
            format!("pushed by {}", manifest.owner),
        ];
        if !manifest.days.is_empty() {
            lines.push(format!("{:<10}  {:>10}  {:>10}  {:>7}  {}", "day", "rows", "size", "version", "pushed at"));
        }
        lines.extend(manifest.days.iter().map(|(date, day)| {
            format!("{date}  {:>10}  {:>10}  {:>7}  {:.0}", day.rows, bytes(day.bytes), day.version, day.pushed_at)
        }));
        Ok(print(self.format, &manifest, &lines)?)
    }
}
