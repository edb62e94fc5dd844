//! Version 0.2.0 of the contract: the newest, whose types the host computes with.

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "generated"
)]
mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "policy",
        with: {
            "thermocline:policy/tables.layer-table": super::super::handles::LayerTableHandle,
            "thermocline:policy/tables.upload-queue": super::super::handles::UploadQueueHandle,
        },
    });
}

#[allow(unreachable_pub, reason = "the older versions' generated modules re-export them")]
pub use self::generated::thermocline::policy::{log, types};
pub(super) use self::generated::{Policy as Exports, PolicyPre as Pre};
