//! The binary starts. Because this test wants it, cargo builds it for every run of the tests, also for those of
//! `tests/tests/cli`, which are another package's.

use std::process::Command;

#[test]
fn the_command_says_its_version() {
    let output = Command::new(env!("CARGO_BIN_EXE_thermocline")).arg("--version").output().unwrap();
    assert!(output.status.success());
    let expected = format!("thermocline {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
}
