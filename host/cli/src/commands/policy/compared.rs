//! How a watched policy compares, for whoever is to decide whether it may count.

use std::time::Duration;

use super::shown::Card;
use crate::output::{bytes, count, millis, percent_of};
use crate::policy_answers::{AgreementAnswer, ShadowAnswer};

pub(super) fn compared(shadow: &ShadowAnswer, card: &mut Card) {
    let AgreementAnswer { compared, same_layers, same_answer, .. } = shadow.agreement;
    card.field("watched", &watched(shadow));
    let agreement = &shadow.agreement;
    if compared == 0 {
        card.field("agrees", "nothing was compared yet: wait for the next uploads");
    } else {
        card.field(
            "agrees",
            &format!(
                "in {same_layers} of {} on the layers ({}), in {same_answer} also on their order and heat ({})",
                count(compared, "call"),
                percent_of(same_layers, compared),
                percent_of(same_answer, compared),
            ),
        );
        card.field(
            "layers",
            &format!(
                "{} listed by both, {} only by it ({}), {} only by the active one ({})",
                agreement.common_layers,
                agreement.added_layers,
                bytes(agreement.added_bytes),
                agreement.dropped_layers,
                bytes(agreement.dropped_bytes),
            ),
        );
        card.field("time", &time(agreement));
    }
    card.field("failures", &failures(agreement));
    if agreement.skipped > 0 {
        let skipped = count(agreement.skipped, "call");
        card.field("left out", &format!("{skipped}, because as many as may run were running"));
    }
}

fn watched(shadow: &ShadowAnswer) -> String {
    let share = match shadow.share {
        share if share >= 1.0 => "all shards".to_owned(),
        share => format!("{}% of the shards", share * 100.0),
    };
    let of = shadow.tenant.as_ref().map(|tenant| format!(" of {tenant}")).unwrap_or_default();
    format!("since {}, on {share}{of}, with {}", shadow.since, shadow.config)
}

fn time(agreement: &AgreementAnswer) -> String {
    let [own, active] = [agreement.elapsed_s, agreement.active_elapsed_s].map(|seconds| {
        // What a daemon tells is a time; what another program tells need not be.
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    });
    let all = format!("{} in all, the active one {}", millis(own), millis(active));
    if active.is_zero() {
        return all;
    }
    format!("{:.1} times the active one's: {all}", own.as_secs_f64() / active.as_secs_f64())
}

fn failures(agreement: &AgreementAnswer) -> String {
    let failed: u64 = agreement.failures.values().sum();
    if failed == 0 {
        return "none".to_owned();
    }
    let kinds: Vec<String> = agreement.failures.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let last = agreement.last_failure.as_ref().map(|last| format!("\nthe last: {last}")).unwrap_or_default();
    format!("{}: {}{last}", count(failed, "call"), kinds.join(", "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::Value;

    use super::*;

    fn shadow(agreement: AgreementAnswer) -> ShadowAnswer {
        ShadowAnswer {
            policy: "built-in".into(),
            name: "resident-set".into(),
            version: "1.0.0".into(),
            config: Value::Object(serde_json::Map::new()),
            tenant: None,
            share: 1.0,
            since: "2026-11-22T12:31:00Z".into(),
            agreement,
        }
    }

    fn text(agreement: AgreementAnswer) -> String {
        let mut card = Card::default();
        compared(&shadow(agreement), &mut card);
        card.text()
    }

    #[test]
    fn before_the_first_call_nothing_is_claimed() {
        let text = text(AgreementAnswer::default());
        assert!(text.contains("nothing was compared yet") && !text.contains('%'), "{text}");
        assert!(text.contains("failures  none"), "{text}");
    }

    #[rstest]
    #[case::all(1.0, None, "on all shards, with {}")]
    #[case::some(0.1, None, "on 10% of the shards, with {}")]
    #[case::of_a_tenant(0.5, Some("0a33"), "on 50% of the shards of 0a33, with {}")]
    fn whose_calls_it_sees(#[case] share: f64, #[case] tenant: Option<&str>, #[case] said: &str) {
        let shadow = ShadowAnswer { share, tenant: tenant.map(Into::into), ..shadow(AgreementAnswer::default()) };
        assert_eq!(watched(&shadow), format!("since 2026-11-22T12:31:00Z, {said}"));
    }

    #[test]
    fn agreement_that_is_not_whole_is_not_told_as_such() {
        let agreement = AgreementAnswer { compared: 1000, same_layers: 999, same_answer: 0, ..Default::default() };
        let text = text(agreement);
        assert!(text.contains("in 999 of 1000 calls on the layers (99%), in 0 also"), "{text}");
    }

    #[test]
    fn times_that_are_none_are_no_ratio() {
        assert_eq!(time(&AgreementAnswer::default()), "0.0 ms in all, the active one 0.0 ms");
        let odd = AgreementAnswer { elapsed_s: f64::NAN, active_elapsed_s: -1.0, ..Default::default() };
        assert_eq!(time(&odd), "0.0 ms in all, the active one 0.0 ms");
    }
}
