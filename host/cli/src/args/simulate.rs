//! `thermocline simulate`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::builder::{OsStringValueParser, TypedValueParser};
use thermocline::policy::{BadPin, PolicyFile, RESIDENT_SET};
use thermocline_simulator::Room;
use thermocline_simulator::trace::Kind;

use crate::policy::shipped::{SHIPPED, shipped};

/// The policy that the others are compared with.
const TODAY: &str = "resident-set";

/// A policy that takes part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entrant {
    /// One that comes with the host or this command: its name and its component.
    Shipped(&'static str, &'static [u8]),
    /// A component's file.
    File(PolicyFile),
}

impl Entrant {
    /// The policy of today's practice, which always takes part.
    pub const TODAY: Entrant = Entrant::Shipped(TODAY, RESIDENT_SET);

    /// Those that come with this command.
    pub fn all_shipped() -> impl Iterator<Item = Entrant> {
        SHIPPED.iter().map(|shipped| Entrant::Shipped(shipped.name, shipped.component))
    }

    fn from_os(text: OsString) -> Result<Self, BadPin> {
        match text.to_str() {
            Some(TODAY) => Ok(Entrant::TODAY),
            Some(name) if let Some(shipped) = shipped(name) => Ok(Entrant::Shipped(shipped.name, shipped.component)),
            _ => PolicyFile::from_os(text).map(Entrant::File),
        }
    }
}

fn entrant() -> impl TypedValueParser<Value = Entrant> {
    OsStringValueParser::new().try_map(Entrant::from_os)
}

/// What policies are worth: failovers on a trace of page accesses
///
/// A trace is played on a simulated pageserver. Every period each policy makes a heatmap, which a
/// standby follows: it downloads what the heatmap lists, in that order, until its budget is full.
/// Then the pageserver fails, at many times of the trace, and the page reads of the next 10 s, minute
/// and 10 minutes are counted: which share of them finds the layers it needs on the standby?
///
/// Beside the policies stand `nothing` (a cold standby), `resident-set` (today's practice), and
/// `clairvoyant`: the limit, for a standby that knows the reads to come.
///
/// A trace is a CSV file, plain or compressed by zstd, with the columns
/// t_ms,op,db,rel,fork,block,nblocks. `thermocline trace --help` tells how to make one from a running
/// Postgres.
#[derive(Clone, Debug, clap::Args)]
#[command(verbatim_doc_comment)]
#[allow(missing_docs, reason = "clap shows the docs of each field to users")]
pub struct SimulateArgs {
    /// The trace
    #[arg(long, value_name = "FILE", required_unless_present = "generate", conflicts_with = "generate")]
    pub trace: Option<PathBuf>,
    /// Instead of a trace, one made from the seed: zipf, moving (a hot set), scan, append (with reads of the recent) or
    /// sleepy (tenants that sleep in turns)
    #[arg(long, value_name = "KIND")]
    pub generate: Option<Kind>,
    /// The database's layers: an index_part.json, or a file with the name of a layer a line [default: laid over the
    /// pages of the trace]
    #[arg(long, value_name = "FILE")]
    pub layers: Option<PathBuf>,
    /// A policy that takes part: resident-set, decay, budget, or a component's file; may be repeated [default: the three]
    #[arg(long, value_name = "NAME|FILE[@sha256:DIGEST]", value_parser = entrant())]
    pub policy: Vec<Entrant>,
    /// Configuration of a policy that takes part, by the policy's name; may be repeated
    #[arg(long, value_name = "NAME=JSON")]
    pub policy_config: Vec<NamedConfig>,
    /// What the standby may hold, as shares of the bytes that are resident on the attached pageserver
    #[arg(long, value_name = "SHARE,...", value_delimiter = ',', default_values_t = [0.1, 0.25, 0.5, 1.0])]
    pub budget: Vec<f64>,
    /// Everything that is drawn comes from it: the same seed gives the same result, byte for byte
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How often a heatmap is made
    #[arg(long, value_name = "TIME", default_value = "1m", value_parser = humantime::parse_duration)]
    pub period: Duration,
    /// What the standby downloads a second
    #[arg(long, value_name = "SIZE", default_value = "32MiB", value_parser = size)]
    pub bandwidth: u64,
    /// At how many times of the trace the pageserver fails
    #[arg(long, value_name = "N", default_value_t = 40)]
    pub failovers: u32,
    /// The attached pageserver's disk: a size, or a share of all layers at the beginning, as 50%
    #[arg(long, value_name = "SIZE|SHARE%", default_value = "100%", value_parser = room)]
    pub disk: Room,
    /// Size of an image layer, and of a compacted delta layer [default: a 512th of the database or a little less, 128KiB
    /// to 128MiB]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub image_size: Option<u64>,
    /// Changes that make a delta layer [default: twice the size of an image]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub checkpoint_distance: Option<u64>,
    /// Changes are made a delta layer after so long, however few
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub checkpoint_timeout: Duration,
    /// What a page written adds to the write-ahead log, and to a delta layer
    #[arg(long, value_name = "SIZE", default_value = "256B", value_parser = size)]
    pub change_size: u64,
    /// So many L0 layers are compacted
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub compaction_threshold: usize,
    /// So many compacted delta layers over an image make a new image
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub image_creation_threshold: usize,
    /// Print JSON: one object with `trace`, `seed` and `rows`, one for each policy and budget
    #[arg(long, conflicts_with = "html")]
    pub json: bool,
    /// Write a page with plots, which needs nothing but a browser
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// A policy's name and its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedConfig {
    /// Which policy.
    pub name: String,
    /// JSON.
    pub config: String,
}

impl std::str::FromStr for NamedConfig {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, config)) if !name.is_empty() => Ok(NamedConfig { name: name.into(), config: config.into() }),
            _ => Err(format!("`{text}` is no configuration: expected NAME=JSON, as in decay={{\"half_life_s\":300}}")),
        }
    }
}

/// `4096`, `512KiB`, `1.5GiB`, `1GB`.
fn size(text: &str) -> Result<u64, String> {
    let size: ByteSize =
        text.parse().map_err(|_| format!("`{text}` is no size: expected a number and a unit, as in 512KiB, 32MiB, 1GB"))?;
    Ok(size.as_u64())
}

/// A size, or a share in percent.
fn room(text: &str) -> Result<Room, String> {
    match text.strip_suffix('%') {
        None => size(text).map(Room::Bytes),
        Some(percent) => {
            let percent: f64 = percent.parse().map_err(|_| format!("`{text}` is no share: expected one as in 50%"))?;
            Ok(Room::Share(percent / 100.0))
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("4096", Some(4096))]
    #[case("256B", Some(256))]
    #[case("32 MiB", Some(32 << 20))]
    #[case("1gb", Some(1_000_000_000))]
    #[case("1.5MiB", Some(3 << 19))]
    #[case("MiB", None)]
    #[case("-1", None)]
    #[case("1 furlong", None)]
    fn sizes(#[case] text: &str, #[case] bytes: Option<u64>) {
        assert_eq!(size(text).ok(), bytes);
    }

    #[rstest]
    #[case("50%", Some(Room::Share(0.5)))]
    #[case("1GiB", Some(Room::Bytes(1 << 30)))]
    #[case("%", None)]
    #[case("half", None)]
    fn rooms(#[case] text: &str, #[case] expected: Option<Room>) {
        assert_eq!(room(text).ok(), expected);
    }

    #[rstest]
    #[case(r#"decay={"half_life_s":300}"#, Some(("decay", r#"{"half_life_s":300}"#)))]
    #[case("a=b=c", Some(("a", "b=c")))]
    #[case("decay", None)]
    #[case("={}", None)]
    fn named_configurations(#[case] text: &str, #[case] expected: Option<(&str, &str)>) {
        let read: Option<NamedConfig> = text.parse().ok();
        assert_eq!(read.as_ref().map(|named| (named.name.as_str(), named.config.as_str())), expected);
    }
}
