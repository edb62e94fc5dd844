//! Each as the operator's policy: what is published is what the built-in policy answers, to the byte.

use thermocline::heatmap::{Header, PolicyIdentity, encode};
use thermocline::policy::{Judge, NO_CONFIG, Policy, Selection};
use thermocline_policy::{Policy as _, Uploads};
use thermocline_resident_set::ResidentSet;

use super::*;

/// The heatmap's bytes.
fn heatmap(policy: &Policy, table: &LayerTable, selection: &Selection) -> Vec<u8> {
    let policy = PolicyIdentity::from(policy.identity());
    encode(&Header { generation: 1, upload_period_ms: Some(60_000), policy }, table, selection).bytes.to_vec()
}

fn built_in(table: &LayerTable) -> Selection {
    let answer = ResidentSet::configure(NO_CONFIG).unwrap().select(&tenant(), table, &[]).unwrap();
    Selection::check(answer, thermocline_policy::Layers::rows(table)).unwrap()
}

#[test]
fn whatever_it_does_the_heatmap_is_the_built_in_policys() {
    let tables = [1, SMALL, LARGE].map(table);
    let mut judged = 0;
    for hostile in &*ALL {
        let Ok(policy) = Policy::load(&ENGINE, &hostile.bytes().unwrap(), NO_CONFIG) else { continue };
        let judge = Judge::new(Arc::new(policy));
        for table in &tables {
            let verdict = judge.select(&tenant(), table, &[]).unwrap();
            let expected = heatmap(judge.policy(), table, &built_in(table));
            let made = heatmap(judge.policy(), table, &verdict.answer);
            assert!(made == expected, "{}: {:?}", hostile.name, verdict.failure);
            assert!(verdict.answer.rows().len() == thermocline_policy::Layers::rows(&**table) as usize);
            if let Some(failure) = &verdict.failure {
                assert_eq!(failure.identity(), judge.policy().identity());
                assert_eq!(verdict.memory(), None, "what the policy remembers is not lost");
            }
        }
        judged += 1;
    }
    assert!(judged > 60, "{judged} could be asked");
}

#[test]
fn whatever_it_does_the_order_is_one_of_all_that_is_due() {
    let queue = queue(5);
    let expected = ResidentSet::configure(NO_CONFIG).unwrap().rank_uploads(0, &*queue).unwrap();
    for hostile in &*ALL {
        let Ok(policy) = Policy::load(&ENGINE, &hostile.bytes().unwrap(), NO_CONFIG) else { continue };
        let verdict = Judge::new(Arc::new(policy)).rank_uploads(0, &queue).unwrap();
        assert_eq!(verdict.answer.order(), expected, "{}", hostile.name);
    }
    assert_eq!(queue.rows(), 5);
}
