//! Compiled code that is kept: sealed when it is made, and believed as long as the seal holds.

use sha2::{Digest as _, Sha256};
use wasmtime::component::Component;

use super::engine::Engine;
use crate::Digest;

/// What it is, and the version of what follows.
const MAGIC: &[u8; 8] = b"tlpolcy1";
const SEAL_BYTES: usize = 32;

/// Compiled code under a seal.
pub(super) fn seal(engine: &Engine, of: Digest, compiled: &Component) -> Option<Vec<u8>> {
    let code = compiled.serialize().ok()?;
    Some([MAGIC, &seal_of(engine, of, &code)[..], &code].concat())
}

/// What was sealed. `None` if the seal is broken, or is for another component or engine. The code is run as it is, so
/// `sealed` MUST come out of a place that only this process's user can write.
pub(super) fn unseal(engine: &Engine, of: Digest, sealed: &[u8]) -> Option<Component> {
    let (found, code) = sealed.strip_prefix(MAGIC)?.split_at_checked(SEAL_BYTES)?;
    if found != seal_of(engine, of, code) {
        return None;
    }
    #[allow(unsafe_code, reason = "the engine believes compiled code, and there is no other way to hand it back")]
    // SAFETY: `code` is what `Component::serialize` gave an engine of this version with these settings, byte for byte: the
    // seal covers all of it, the component that it is of, and the engine's compatibility hash. That nobody else wrote both
    // code and seal is what this function asks of its callers; `PolicyStore` reads such files only where their owner is
    // this process's user and no one else may write them, or the folders they are in.
    let component = unsafe { Component::deserialize(engine.wasmtime(), code) };
    component.ok()
}

/// Binds code to what it was made of, and for which engine.
fn seal_of(engine: &Engine, of: Digest, code: &[u8]) -> [u8; SEAL_BYTES] {
    let hasher = Sha256::new().chain_update(MAGIC).chain_update(of.as_bytes()).chain_update(engine.compiled_for());
    hasher.chain_update(code).finalize().into()
}
