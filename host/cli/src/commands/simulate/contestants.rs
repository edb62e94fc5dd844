//! Who takes part.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::{Map, Value};
use thermocline::policy::{Engine, Judge, Limits, NO_CONFIG, Policy};
use thermocline_simulator::{CLAIRVOYANT, Contestant, Decider, NOTHING, Settings};

use crate::args::{Entrant, SimulateArgs};
use crate::location::read_component;

/// A policy with this setting is told of the budget that it is simulated under, unless its configuration sets it.
const BUDGET_SETTING: &str = "budget_share";

/// Today's practice first, then those that were named, or all that ship with the command.
pub(super) fn load(args: &SimulateArgs, settings: &Settings) -> anyhow::Result<Vec<Contestant>> {
    let limits = Limits::default();
    let component_bytes = limits.component_bytes;
    let engine = Engine::new(limits)?;
    let named = args.policy.iter().cloned();
    let named: Vec<Entrant> = if args.policy.is_empty() { Entrant::all_shipped().collect() } else { named.collect() };
    let mut entrants = vec![Entrant::TODAY];
    for entrant in named {
        if !entrants.contains(&entrant) {
            entrants.push(entrant);
        }
    }

    let mut contestants: Vec<Contestant> = Vec::new();
    for entrant in &entrants {
        let (policy, called) = match entrant {
            Entrant::Shipped(name, component) => (Policy::load_unconfigured(&engine, component)?, (*name).to_owned()),
            Entrant::File(file) => {
                let policy = Policy::load_unconfigured(&engine, &read_component(component_bytes, file)?)
                    .with_context(|| format!("{} is no policy that runs here", file.path().display()))?;
                let own = policy.identity().name().unwrap_or_default().to_owned();
                let taken = [NOTHING, CLAIRVOYANT].contains(&own.as_str())
                    || contestants.iter().any(|contestant| contestant.name == own);
                (policy, if taken { file_name(file.path()) } else { own })
            }
        };
        let given = args.policy_config.iter().find(|named| named.name == called).map(|named| named.config.as_str());
        let deciders = settings.budgets.iter().map(|&budget| {
            let config = config(&policy, given.unwrap_or(NO_CONFIG), budget);
            let policy = policy.with_config(&config)?;
            Ok(Arc::new(Judge::new(Arc::new(policy))) as Arc<dyn Decider>)
        });
        let deciders: anyhow::Result<Vec<_>> = deciders.collect();
        contestants.push(Contestant { name: called, deciders: deciders? });
    }
    let unknown =
        args.policy_config.iter().find(|named| !contestants.iter().any(|contestant| contestant.name == named.name));
    if let Some(unknown) = unknown {
        let names: Vec<&str> = contestants.iter().map(|contestant| contestant.name.as_str()).collect();
        bail!("--policy-config names {}, which takes no part: there are {}", unknown.name, names.join(", "));
    }
    Ok(contestants)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

/// `given`, with the budget in it where the policy has a setting for it.
fn config(policy: &Policy, given: &str, budget: f64) -> String {
    let schema: Value = serde_json::from_str(&policy.description().config_schema).unwrap_or_default();
    let knows = schema.get("properties").is_some_and(|properties| properties.get(BUDGET_SETTING).is_some());
    match serde_json::from_str::<Map<String, Value>>(given) {
        Ok(mut settings) if knows && !settings.contains_key(BUDGET_SETTING) => {
            settings.insert(BUDGET_SETTING.into(), budget.into());
            Value::Object(settings).to_string()
        }
        // What is no object the policy refuses in its own words.
        _ => given.into(),
    }
}
