//! Which layers a read of a page needs.

use std::collections::HashMap;

use crate::dense::{Dense, id};
use crate::store::LayerId;

id! {
    /// A set of layers that some page needs.
    pub(crate) NeedId
}

impl NeedId {
    /// No layer: the page is not there yet, or only in memory.
    pub(crate) const NOTHING: NeedId = NeedId(0);
}

/// Every set of layers that some page needs or needed: one number for equal sets, so that pages are counted by what
/// they need and not one by one.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    sets: Dense<NeedId, Box<[LayerId]>>,
    numbers: HashMap<Box<[LayerId]>, NeedId>,
}

impl Needs {
    pub(crate) fn new() -> Self {
        let mut needs = Needs { sets: Dense::default(), numbers: HashMap::new() };
        needs.number(Vec::new());
        needs
    }

    /// The number of a set: layers in any order, none twice.
    pub(crate) fn number(&mut self, mut layers: Vec<LayerId>) -> NeedId {
        layers.sort_unstable();
        let layers = layers.into_boxed_slice();
        if let Some(number) = self.numbers.get(&layers) {
            return *number;
        }
        let number = self.sets.push(layers.clone());
        self.numbers.insert(layers, number);
        number
    }

    /// The layers of a set.
    pub(crate) fn layers(&self, need: NeedId) -> &[LayerId] {
        &self.sets[need]
    }

    pub(crate) fn count(&self) -> usize {
        self.sets.len()
    }
}
