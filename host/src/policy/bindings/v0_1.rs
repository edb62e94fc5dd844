//! Version 0.1.0 of the contract. Records are those of the newest version: a version that only adds may not change them,
//! and the compiler of wasmtime checks both against what the component says.

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
        path: "../wit/0.1.0",
        world: "policy",
        with: {
            "thermocline:policy/tables.layer-table": super::super::handles::LayerTableHandle,
            "thermocline:policy/tables.upload-queue": super::super::handles::UploadQueueHandle,
            "thermocline:policy/types": super::super::v0_2::types,
        },
    });
}

pub(super) use self::generated::{Policy as Exports, PolicyPre as Pre};
