//! The policies that hosts run: the built-in one, and some that fail or rank as no policy should.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG, Policy};
use thermocline_policy::Selection;

use super::chance::one_of;
use crate::by_hand::ByHand;

/// What a policy is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mood {
    /// The built-in one.
    BuiltIn,
    /// It always traps, and the built-in one answers.
    Traps,
    /// It traps every other second, and in the others it lists the first layer only.
    Moody,
    /// It refuses to select, and ranks the same few rows first whatever is due.
    RanksTheSame,
}

const MOODS: [Mood; 4] = [Mood::BuiltIn, Mood::Traps, Mood::Moody, Mood::RanksTheSame];

impl Mood {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        if rng.bool() { Mood::BuiltIn } else { one_of(rng, &MOODS).unwrap_or(Mood::BuiltIn) }
    }

    /// Whether it answers itself: one that fails is asked anew at every turn.
    pub(super) const fn is_trusted(self) -> bool {
        matches!(self, Mood::BuiltIn)
    }

    /// Whether an unchanged tenant's heatmap stays the same.
    pub(super) const fn is_steady(self) -> bool {
        !matches!(self, Mood::Moody)
    }

    fn component(self) -> Option<ByHand> {
        match self {
            Mood::BuiltIn => None,
            Mood::Traps => Some(ByHand::new().before_select("unreachable").before_ranking("unreachable")),
            Mood::Moody => {
                let odd = "(if (i32.and (i32.wrap_i64 (local.get $now)) (i32.const 1)) (then unreachable))";
                Some(ByHand::new().before_select(odd).selects(&Selection::hot(vec![0])))
            }
            Mood::RanksTheSame => Some(ByHand::new().refuses_to_select(b"not my business").ranks(&[0, 1])),
        }
    }
}

/// Policies ready to run: compiled once for all runs of a process.
#[derive(Clone, Debug)]
pub struct Policies(BTreeMap<Mood, Arc<Judge>>);

impl Policies {
    /// Compiles them.
    ///
    /// # Errors
    /// If the machine cannot run them.
    pub fn new() -> anyhow::Result<Self> {
        // Real time has no say in what happens: on a machine under load a call may take long.
        let engine = Engine::new(Limits { time: Duration::from_mins(10), ..Limits::default() })?;
        let mut judges = BTreeMap::new();
        for mood in MOODS {
            let judge = match mood.component() {
                None => Judge::built_in(&engine, NO_CONFIG)?,
                Some(component) => Judge::new(Arc::new(Policy::load(&engine, &component.build()?, NO_CONFIG)?)),
            };
            judges.insert(mood, Arc::new(judge));
        }
        Ok(Policies(judges))
    }

    pub(super) fn judge(&self, mood: Mood) -> anyhow::Result<Arc<Judge>> {
        self.0.get(&mood).cloned().ok_or_else(|| anyhow::anyhow!("no policy is {mood:?}"))
    }
}
