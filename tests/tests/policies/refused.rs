//! What is bad does not get in: the reason is told and written down, and nothing else changes.

use rstest::rstest;
use thermocline::policies::ChangeError;
use thermocline_tests::by_hand::ByHand;

use super::*;

#[rstest]
#[case::no_component(b"not WebAssembly".to_vec(), None, "this is not WebAssembly")]
#[case::truncated({ let mut whole = lists("first", 0, 1.0); whole.truncate(whole.len() / 2); whole }, None, "the file is damaged")]
#[case::bad_description(ByHand::conforming().name("No Name").build().unwrap(), None, "its name must be")]
#[case::traps_at_start(ByHand::conforming().start("unreachable").build().unwrap(), None, "`start` crashed")]
#[case::refuses_its_configuration(
    ByHand::conforming().refuses_to_configure(b"nothing is right").configure("(i32.const 128)").build().unwrap(), None, "nothing is right"
)]
#[case::no_json(lists("first", 0, 1.0), Some("{"), "the configuration must be JSON")]
#[case::against_its_schema(
    ByHand::conforming().config_schema(r#"{"required":["share"]}"#).build().unwrap(), Some("{}"), "share"
)]
#[case::fails_a_table(ByHand::conforming().rank_uploads("unreachable").build().unwrap(), None, "it fails 1 of the conformance tables, the first is `rank-uploads`")]
#[tokio::test(start_paused = true)]
async fn what_fails_a_check_is_not_installed(
    #[case] component: Vec<u8>,
    #[case] config: Option<&str>,
    #[case] why: &str,
) {
    let world = World::new(0);
    let error = world.policies.install(&given(&component), None, config, &note()).await.unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    assert_eq!(world.policies.list().len(), 1, "nothing but the built-in one");
    let digest = Digest::of(&component);
    let error = world.policies.activate(&PolicyRef::of(digest), None, None, &note()).unwrap_err();
    assert!(matches!(error, ChangeError::Unknown(_)), "{error}");
    let log = world.log();
    assert!(
        log[0].contains(&format!(r#""to":"sha256:{digest}""#)) && log[0].contains(r#""result":"refused","error":""#),
        "{}",
        log[0]
    );
    assert!(log[1].contains(r#""result":"refused""#), "{}", log[1]);
}

#[tokio::test(start_paused = true)]
async fn another_component_than_the_one_that_was_meant_is_refused() {
    let world = World::new(0);
    let (meant, found) = (lists("first", 0, 1.0), lists("first", 1, 1.0));
    let pin = Digest::of(&meant);
    let error = world.policies.install(&given(&found), Some(pin), None, &note()).await.unwrap_err().to_string();
    assert!(error.contains(&pin.to_string()) && error.contains(&Digest::of(&found).to_string()), "{error}");
    assert_eq!(world.policies.list().len(), 1);
    world.policies.install(&given(&meant), Some(pin), None, &note()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_source_that_cannot_be_read_is_written_down_too() {
    #[derive(Debug)]
    struct Gone;
    #[async_trait]
    impl Source for Gone {
        fn name(&self) -> String {
            "gone.wasm".into()
        }
        async fn fetch(&self, _: usize) -> Result<Bytes, SourceError> {
            Err(SourceError::Unreadable { name: self.name(), why: "it is gone".into() })
        }
    }
    let world = World::new(0);
    let error = world.policies.install(&Gone, None, None, &note()).await.unwrap_err().to_string();
    assert_eq!(error, "cannot read gone.wasm: it is gone");
    assert!(
        world.log()[0].contains(
            r#""source":"gone.wasm","by":"ada","why":"to see","result":"refused","error":"cannot read gone.wasm: it is gone""#
        ),
        "{:?}",
        world.log()
    );
}

#[rstest]
#[case::unknown("nobody", "there is no policy nobody here")]
#[case::ambiguous("twin@1.2.3", "name one of them")]
#[tokio::test(start_paused = true)]
async fn nobody_guesses_which_policy_is_meant(#[case] name: &str, #[case] why: &str) {
    let world = World::new(0);
    world.install(&lists("twin", 0, 1.0)).await;
    world.install(&lists("twin", 1, 1.0)).await;
    let error = world.policies.activate(&reference(name), None, None, &note()).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    assert_eq!(world.roles("resident-set"), [PolicyRole::Active]);
}
