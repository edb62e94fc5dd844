//! What a component file is, found out without running or compiling it.

use wasmparser::{ComponentTypeRef, Encoding, Parser, Payload, TypeBounds, Validator};

use super::contract::Contract;
use super::engine::FEATURES;
use super::error::PolicyErrorKind;
use super::quote::quoted;
use super::work::{self, MAX_WORK};

/// Bytes of an error that are shown.
const SHOWN_BYTES: usize = 256;

/// The outside of a component: what it asks for and what it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The version of the contract that it was built for.
    pub contract: Contract,
    /// Names of its imports.
    pub imports: Vec<String>,
    /// Names of its exports.
    pub exports: Vec<String>,
}

impl Shape {
    /// Reads the whole file: what passes here is well formed to its last byte, so that the compiler never
    /// sees anything else.
    pub(super) fn read(bytes: &[u8], limit_bytes: usize) -> Result<Self, PolicyErrorKind> {
        if bytes.len() > limit_bytes {
            return Err(PolicyErrorKind::TooLarge { bytes: bytes.len(), limit: limit_bytes });
        }
        if !bytes.starts_with(b"\0asm") {
            return Err(PolicyErrorKind::NotWasm);
        }
        if Parser::is_core_wasm(bytes) {
            return Err(PolicyErrorKind::CoreModule);
        }
        Validator::new_with_features(FEATURES).validate_all(bytes).map_err(invalid)?;
        let work = work::of_component(bytes).map_err(invalid)?;
        if work > MAX_WORK {
            return Err(PolicyErrorKind::TooComplex { work, limit: MAX_WORK });
        }
        Self::read_again(bytes, limit_bytes)
    }

    /// The same, of a file that was read before, to its last byte, and is known to be the same.
    pub(super) fn read_again(bytes: &[u8], limit_bytes: usize) -> Result<Self, PolicyErrorKind> {
        if bytes.len() > limit_bytes {
            return Err(PolicyErrorKind::TooLarge { bytes: bytes.len(), limit: limit_bytes });
        }
        let (imports, exports) = Self::walk(bytes).map_err(invalid)?;
        let contract = Contract::of_imports(imports.iter().map(String::as_str))?;
        Ok(Shape { contract, imports, exports })
    }

    /// Names of imports and exports.
    fn walk(bytes: &[u8]) -> Result<(Vec<String>, Vec<String>), wasmparser::BinaryReaderError> {
        let (mut imports, mut exports) = (Vec::new(), Vec::new());
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::Version { encoding: Encoding::Module | Encoding::Component, .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        let import = import?;
                        // The world's name for a type of an interface that is imported beside it.
                        if !matches!(import.ty, ComponentTypeRef::Type(TypeBounds::Eq(_))) {
                            imports.push(import.name.name.to_owned());
                        }
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        exports.push(export?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok((imports, exports))
    }
}

#[allow(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn invalid(error: wasmparser::BinaryReaderError) -> PolicyErrorKind {
    PolicyErrorKind::Invalid(quoted(&error.to_string(), SHOWN_BYTES))
}
