//! The policy that a configuration names holds when that is news, and only then.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_configuration_is_followed_when_it_changes() {
    let world = World::new(1);
    let (first, second) = (given(&lists("first", 0, 1.0)), given(&lists("second", 1, 1.0)));
    let follow = async |source: Option<&Given>, config: &str| {
        let source = source.map(|source| source as &dyn Source);
        world.policies.follow_configuration(source, None, config).await.map(|entry| entry.is_some())
    };
    let active = || world.policies.active().identity().name().unwrap().to_owned();

    assert!(!follow(None, "{}").await.unwrap(), "nothing is named, and the built-in one decides");
    assert!(follow(Some(&first), "{}").await.unwrap());
    assert_eq!(active(), "first");
    assert!(!follow(Some(&first), "{}").await.unwrap(), "as before");
    assert!(follow(Some(&first), "{\"a\":1}").await.unwrap(), "with other settings");

    // Whoever activates another one is not overruled by a restart.
    world.policies.install(&second, None, None, &note()).await.unwrap();
    world.activate("second");
    assert!(!follow(Some(&first), "{\"a\":1}").await.unwrap());
    assert_eq!(active(), "second");
    assert!(follow(None, "{}").await.unwrap(), "the file names none any more");
    assert_eq!(active(), "resident-set");

    // One that is refused leaves everything as it was, and is tried again.
    let bad = given(b"nonsense");
    for _ in 0..2 {
        let error = follow(Some(&bad), "{}").await.unwrap_err().to_string();
        assert!(error.contains("not WebAssembly"), "{error}");
        assert_eq!(active(), "resident-set");
    }
    let by: Vec<_> = world.policies.log(0, 100).unwrap().into_iter().map(|entry| entry.by).collect();
    assert_eq!(by.iter().filter(|by| *by == "configuration").count(), by.len() - 2, "{by:?}");
}
