//! Takes heatmaps to a bucket.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::generator::Generator;
use super::outcome::Attempt;
use super::past::Past;
use super::turn::Turn;
use crate::jobs::Trigger;
use crate::pageserver::Shard;
use crate::random::Random;
use crate::remote::Remote;

/// Uploads heatmaps to a bucket.
#[derive(Clone, Debug)]
pub struct Uploader {
    pub(super) generator: Generator,
    pub(super) remote: Arc<dyn Remote>,
    /// For the waits between tries.
    pub(super) random: Arc<Random>,
    pub(super) dry_run: bool,
}

impl Uploader {
    /// Uploads what `generator` makes to `remote`.
    pub fn new(generator: Generator, remote: Arc<dyn Remote>) -> Self {
        Uploader { generator, remote, random: Arc::new(Random::from_os()), dry_run: false }
    }

    /// The same, with a source of chance of the caller's.
    pub(crate) fn by_chance(self, random: Random) -> Self {
        Uploader { random: Arc::new(random), ..self }
    }

    pub(crate) fn random(&self) -> &Random {
        &self.random
    }

    pub(crate) const fn generator(&self) -> &Generator {
        &self.generator
    }

    pub(crate) fn remote(&self) -> &dyn Remote {
        self.remote.as_ref()
    }

    /// The same, but nothing is written anywhere: it says what it would do.
    #[must_use]
    pub fn dry_run(self) -> Self {
        Uploader { dry_run: true, ..self }
    }

    /// Uploads one shard's heatmap, if it has to be. By schedule, shards that are stale or have no period are left out,
    /// and small tenants of which only access times moved. A command is for any attached and active shard, also a stale
    /// one, because a migration flushes its last heatmap that way. Dropping the future ends it; a put that is under way
    /// may then still be carried out.
    ///
    /// Nothing is known of earlier uploads: the bucket is read, and every layer walked. A [`Host`](crate::Host)
    /// remembers.
    pub async fn upload(&self, shard: &Shard, trigger: Trigger) -> Attempt {
        let never = CancellationToken::new();
        Turn::new(self, shard.id, trigger, Past::default(), &never).run().await.0
    }
}
