//! `thermocline heatmap show|verify|diff|draw`.

mod diff;
mod draw;
mod show;
mod verify;

use anyhow::Context;
use thermocline::heatmap::{Heatmap, Sum};
use thermocline::remote::S3Options;

use crate::location;
use crate::output::{bytes, count};

pub(crate) use diff::diff;
pub(crate) use draw::draw;
pub(crate) use show::show;
pub(crate) use verify::verify;

/// A heatmap as it was read.
struct Document {
    file: String,
    bytes: Vec<u8>,
}

impl Document {
    async fn read(file: &str, options: &S3Options) -> anyhow::Result<Self> {
        let bytes = location::read(file, options).await.with_context(|| file.to_owned())?;
        Ok(Document { file: file.into(), bytes })
    }

    fn decode(&self) -> anyhow::Result<Heatmap> {
        Heatmap::decode(&self.bytes).with_context(|| self.file.clone())
    }
}

fn sum(sum: &Sum) -> String {
    format!("{}, {}", count(sum.layers, "layer"), bytes(sum.bytes))
}
