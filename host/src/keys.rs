//! Where a tenant's objects lie in a bucket, below its prefix.

use crate::layer::{TenantShardId, TimelineId};

/// How the names of index parts begin; `-{generation:08x}` follows, except on those from before generations.
pub(crate) const INDEX_PART: &str = "index_part.json";

/// How the names of tenant manifests begin; `-{generation:08x}.json` follows.
pub(crate) const TENANT_MANIFEST: &str = "tenant-manifest";

/// The name of a heatmap, in the bucket and in a tenant's folder.
pub(crate) const HEATMAP: &str = "heatmap-v1.json";

/// The heatmap of a shard. It carries no generation: who writes it must look at what is there.
pub fn heatmap(shard: TenantShardId) -> String {
    format!("tenants/{shard}/{HEATMAP}")
}

/// The folder of a shard's timelines, with `/` at its end.
pub(crate) fn timelines(shard: TenantShardId) -> String {
    format!("tenants/{shard}/timelines/")
}

/// How the keys of a timeline's index parts begin.
pub(crate) fn index_parts(shard: TenantShardId, timeline: TimelineId) -> String {
    format!("tenants/{shard}/timelines/{timeline}/{INDEX_PART}")
}

/// How the keys of a shard's manifests begin.
pub(crate) fn tenant_manifests(shard: TenantShardId) -> String {
    format!("tenants/{shard}/{TENANT_MANIFEST}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_original() {
        let shard: TenantShardId = "0a330000000000000000000000000003-0102".parse().unwrap();
        let timeline: TimelineId = "31313131313131313131313131313131".parse().unwrap();
        assert_eq!(heatmap(shard), "tenants/0a330000000000000000000000000003-0102/heatmap-v1.json");
        assert_eq!(timelines(shard), "tenants/0a330000000000000000000000000003-0102/timelines/");
        assert_eq!(
            index_parts(shard, timeline),
            "tenants/0a330000000000000000000000000003-0102/timelines/31313131313131313131313131313131/index_part.json"
        );
        assert_eq!(
            tenant_manifests(TenantShardId::unsharded(shard.tenant)),
            "tenants/0a330000000000000000000000000003/tenant-manifest"
        );
    }
}
