//! How operators name a policy that is installed.

use std::fmt;
use std::str::FromStr;

use super::error::ChangeError;
use super::standing::Standing;
use super::which::Which;
use crate::Digest;
use crate::policy::{BUILT_IN, PIN, is_policy_name};

/// How the built-in policy is called, whatever it calls itself.
const BUILT_IN_REFERENCE: &str = "built-in";
const SHA256: &str = "sha256:";

/// Hex digits of a whole digest.
const DIGEST_DIGITS: usize = 64;

/// Hex digits of a digest that tell candidates apart for a reader.
const SHOWN_DIGITS: usize = 12;

/// Names an installed policy: `built-in`, `NAME`, `NAME@VERSION`, `sha256:DIGEST`, or one of them with `@sha256:DIGEST`
/// behind it, which pins it. A digest may be cut off after at least [`PolicyRef::MIN_DIGITS`] digits, but for a pin.
///
/// `NAME` alone stands for the only version that is installed. Where there are several, it stands for none: what decides
/// must not depend on what else was installed meanwhile. For the same reason, the built-in policy's own name, with its
/// version or without, always stands for the built-in policy: another component of that name is called by its version, or,
/// where that is the same as well, by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRef {
    meant: Meant,
    pin: Option<Digest>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Meant {
    BuiltIn,
    Name(String),
    Version(String, String),
    /// The first digits of a digest, in lower case.
    Digest(String),
}

/// A text that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no policy: expected `built-in`, NAME, NAME@VERSION, sha256:DIGEST (at least {min} digits), or one of them \
     with @sha256: and all 64 digits behind it",
    min = PolicyRef::MIN_DIGITS
)]
pub struct BadReference(pub String);

impl PolicyRef {
    /// Fewest hex digits that stand for a digest.
    pub const MIN_DIGITS: usize = 8;

    /// The built-in policy.
    pub const fn built_in() -> Self {
        PolicyRef { meant: Meant::BuiltIn, pin: None }
    }

    /// Exactly this component.
    pub fn of(digest: Digest) -> Self {
        PolicyRef { meant: Meant::Digest(digest.to_string()), pin: None }
    }

    /// The policy that is meant, of those that are installed.
    ///
    /// # Errors
    /// If nothing, or more than one, is meant, or it is not the one that is pinned.
    pub fn resolve(&self, standing: &Standing) -> Result<Which, ChangeError> {
        let candidates = self.candidates(standing);
        let pinned = |which: &Which| self.pin.is_none_or(|pin| which.digest() == pin);
        let fitting: Vec<Which> = candidates.iter().copied().filter(pinned).collect();
        match (fitting.as_slice(), candidates.as_slice()) {
            ([which], _) => Ok(*which),
            // It comes first, and what it calls itself is its own. Digits are nobody's.
            ([Which::BuiltIn, ..], _) if !matches!(self.meant, Meant::Digest(_)) => Ok(Which::BuiltIn),
            ([], [other]) => {
                let (found, pinned) = (other.digest(), self.pin.unwrap_or_else(|| other.digest()));
                Err(ChangeError::Pin { what: self.meant.to_string(), found, pinned })
            }
            ([], _) => Err(ChangeError::Unknown(self.to_string())),
            (several, _) => {
                let mut candidates: Vec<String> = several.iter().map(|which| told(which, standing)).collect();
                candidates.sort();
                Err(ChangeError::Ambiguous { reference: self.to_string(), candidates })
            }
        }
    }

    /// What may be meant, the built-in one first.
    fn candidates(&self, standing: &Standing) -> Vec<Which> {
        let digits = |digest: Digest, digits: &str| digest.to_string().starts_with(digits);
        let (name, version) = (BUILT_IN.name().unwrap_or_default(), BUILT_IN.version().unwrap_or_default());
        let built_in = match &self.meant {
            Meant::BuiltIn => true,
            Meant::Name(meant) => meant == name,
            Meant::Version(meant, of) => meant == name && of == version,
            // Who names a digest means these bytes, whatever a later host brings along: better the one that stays.
            Meant::Digest(meant) => {
                digits(BUILT_IN.digest(), meant) && !standing.installed.contains_key(&BUILT_IN.digest())
            }
        };
        let installed = standing.installed.iter().filter(|(digest, it)| match &self.meant {
            Meant::BuiltIn => false,
            Meant::Name(meant) => it.name == *meant,
            Meant::Version(meant, of) => it.name == *meant && it.version == *of,
            Meant::Digest(meant) => digits(**digest, meant),
        });
        let installed = installed.map(|(digest, _)| Which::Component(*digest));
        built_in.then_some(Which::BuiltIn).into_iter().chain(installed).collect()
    }
}

/// A candidate, in words that name it.
fn told(which: &Which, standing: &Standing) -> String {
    let Which::Component(digest) = which else { return which.to_string() };
    let mut digits = digest.to_string();
    digits.truncate(SHOWN_DIGITS);
    match standing.installed.get(digest) {
        Some(installed) => format!("{SHA256}{digits} ({} {})", installed.name, installed.version),
        None => format!("{SHA256}{digits}"),
    }
}

impl FromStr for PolicyRef {
    type Err = BadReference;

    fn from_str(text: &str) -> Result<Self, BadReference> {
        let bad = || BadReference(crate::policy::quoted(text, 2 * DIGEST_DIGITS + PIN.len()));
        let (meant, pin) = match text.rsplit_once(PIN) {
            Some((meant, pin)) => (meant, Some(pin.parse().map_err(|_| bad())?)),
            None => (text, None),
        };
        let meant = Meant::read(meant).ok_or_else(bad)?;
        Ok(PolicyRef { meant, pin })
    }
}

impl Meant {
    fn read(text: &str) -> Option<Self> {
        if text == BUILT_IN_REFERENCE {
            return Some(Meant::BuiltIn);
        }
        let digits = text.strip_prefix(SHA256);
        // No policy gets to call itself like another one's digest.
        if let Some(digits) = digits.or(Some(text).filter(|text| text.len() == DIGEST_DIGITS && is_hex(text))) {
            let fits = (PolicyRef::MIN_DIGITS..=DIGEST_DIGITS).contains(&digits.len()) && is_hex(digits);
            return fits.then(|| Meant::Digest(digits.to_ascii_lowercase()));
        }
        let (name, version) = match text.split_once('@') {
            Some((name, version)) => (name, Some(version)),
            None => (text, None),
        };
        if !is_policy_name(name) {
            return None;
        }
        match version {
            None => Some(Meant::Name(name.into())),
            Some(version) => semver::Version::parse(version).ok().map(|_| Meant::Version(name.into(), version.into())),
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl fmt::Display for Meant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Meant::BuiltIn => f.write_str(BUILT_IN_REFERENCE),
            Meant::Name(name) => f.write_str(name),
            Meant::Version(name, version) => write!(f, "{name}@{version}"),
            Meant::Digest(digits) => write!(f, "{SHA256}{digits}"),
        }
    }
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.meant.fmt(f)?;
        match self.pin {
            Some(pin) => write!(f, "{PIN}{pin}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;
    use crate::policies::standing::Installed;

    /// The digest that begins with these digits, and goes on with zeros.
    fn digest(digits: &str) -> Digest {
        format!("{digits:0<64}").parse().unwrap()
    }

    fn standing(installed: &[(&str, &str, &str)]) -> Standing {
        let installed = installed.iter().map(|(digits, name, version)| {
            let text = String::new();
            let (name, version) = ((*name).to_owned(), (*version).to_owned());
            let installed = Installed {
                name,
                version,
                contract: None,
                size_bytes: 1,
                at: text.clone(),
                by: text.clone(),
                source: text,
            };
            (digest(digits), installed)
        });
        Standing { installed: installed.collect(), ..Standing::default() }
    }

    fn several() -> Standing {
        standing(&[
            ("aaaaaaaa1", "hot", "1.0.0"),
            ("aaaaaaaa2", "hot", "2.0.0"),
            ("bbbbbbbb", "cold", "1.0.0"),
            ("cccccccc", "twin", "1.0.0"),
            ("dddddddd", "twin", "1.0.0"),
        ])
    }

    fn resolved(text: &str, standing: &Standing) -> Result<Which, String> {
        text.parse::<PolicyRef>().unwrap().resolve(standing).map_err(|error| error.to_string())
    }

    #[rstest]
    #[case::built_in("built-in", "")]
    #[case::built_in_by_its_name("resident-set", "")]
    #[case::the_only_version("cold", "bbbbbbbb")]
    #[case::a_version("hot@2.0.0", "aaaaaaaa2")]
    #[case::digits("sha256:bbbbbbbb", "bbbbbbbb")]
    #[case::capital_digits("sha256:BBBBBBBB", "bbbbbbbb")]
    #[case::digits_that_tell_apart("sha256:aaaaaaaa1", "aaaaaaaa1")]
    #[case::one_of_twins("sha256:cccccccc", "cccccccc")]
    fn what_is_meant_is_found(#[case] text: &str, #[case] digits: &str) {
        let expected = if digits.is_empty() { Which::BuiltIn } else { Which::Component(digest(digits)) };
        assert_eq!(resolved(text, &several()), Ok(expected));
    }

    #[rstest]
    #[case::unknown("warm", "there is no policy warm here")]
    #[case::unknown_version("hot@3.0.0", "there is no policy hot@3.0.0 here")]
    #[case::unknown_digits("sha256:eeeeeeee", "there is no policy sha256:eeeeeeee here")]
    #[case::several_versions(
        "hot",
        "hot may be sha256:aaaaaaaa1000 (hot 1.0.0) or sha256:aaaaaaaa2000 (hot 2.0.0): name one of them"
    )]
    #[case::twins(
        "twin@1.0.0",
        "twin@1.0.0 may be sha256:cccccccc0000 (twin 1.0.0) or sha256:dddddddd0000 (twin 1.0.0)"
    )]
    #[case::several_digits("sha256:aaaaaaaa", "sha256:aaaaaaaa may be sha256:aaaaaaaa1000")]
    fn what_is_not_clear_is_refused(#[case] text: &str, #[case] why: &str) {
        let error = resolved(text, &several()).unwrap_err();
        assert!(error.starts_with(why), "{error}");
    }

    #[test]
    fn a_pin_holds_for_whatever_stands_before_it() {
        let pinned = |text: &str, digits: &str| resolved(&format!("{text}@sha256:{}", digest(digits)), &several());
        for text in ["cold", "cold@1.0.0", "sha256:bbbbbbbb"] {
            assert_eq!(pinned(text, "bbbbbbbb"), Ok(Which::Component(digest("bbbbbbbb"))));
            let error = pinned(text, "aaaaaaaa1").unwrap_err();
            assert!(error.contains(&digest("bbbbbbbb").to_string()), "what it is: {error}");
            assert!(error.contains(&digest("aaaaaaaa1").to_string()), "what it should be: {error}");
        }
        assert_eq!(pinned("hot", "aaaaaaaa2"), Ok(Which::Component(digest("aaaaaaaa2"))), "it tells versions apart");
        assert!(pinned("hot", "bbbbbbbb").unwrap_err().starts_with("there is no policy hot@sha256:bbbbbbbb"));
        let built_in = format!("built-in@sha256:{}", BUILT_IN.digest());
        assert_eq!(resolved(&built_in, &several()), Ok(Which::BuiltIn));
        assert!(pinned("built-in", "aaaaaaaa1").is_err());
    }

    /// Beside the built-in policy, somebody installed components that call themselves like it: under another version,
    /// under the same one, and the built-in one itself.
    fn namesakes() -> (Standing, String, Digest) {
        let version = BUILT_IN.version().unwrap().to_owned();
        let mut own = standing(&[
            ("aaaaaaaa", "resident-set", "9.0.0"),
            ("bbbbbbbb", "resident-set", &version),
            ("cccccccc", "built-in", "1.0.0"),
        ]);
        let copy = own.installed[&digest("bbbbbbbb")].clone();
        own.installed.insert(BUILT_IN.digest(), copy);
        (own, version, BUILT_IN.digest())
    }

    #[rstest]
    #[case::always("built-in", None)]
    #[case::its_name("resident-set", None)]
    #[case::its_version("resident-set@VERSION", None)]
    #[case::pinned("resident-set@sha256:DIGEST", None)]
    #[case::its_version_pinned("resident-set@VERSION@sha256:DIGEST", None)]
    #[case::another_version("resident-set@9.0.0", Some("aaaaaaaa"))]
    #[case::another_digest("sha256:bbbbbbbb", Some("bbbbbbbb"))]
    #[case::pinned_to_another(
        "resident-set@sha256:aaaaaaaa00000000000000000000000000000000000000000000000000000000",
        Some("aaaaaaaa")
    )]
    #[case::the_same_version_pinned_to_another(
        "resident-set@VERSION@sha256:bbbbbbbb00000000000000000000000000000000000000000000000000000000",
        Some("bbbbbbbb")
    )]
    fn the_built_in_one_answers_to_its_own_name_whatever_is_installed(#[case] text: &str, #[case] meant: Option<&str>) {
        let (own, version, built_in) = namesakes();
        let text = text.replace("VERSION", &version).replace("DIGEST", &built_in.to_string());
        let meant = meant.map_or(Which::BuiltIn, |digits| Which::Component(digest(digits)));
        assert_eq!(resolved(&text, &own), Ok(meant));
        if meant == Which::BuiltIn {
            assert_eq!(resolved(&text, &Standing::default()), Ok(meant), "nor does it need anybody beside it");
        }
    }

    #[test]
    fn a_digest_means_what_was_installed_and_else_the_built_in_one() {
        let (own, _, built_in) = namesakes();
        let text = format!("sha256:{built_in}");
        assert_eq!(resolved(&text, &own), Ok(Which::Component(built_in)));
        assert_eq!(resolved(&text, &several()), Ok(Which::BuiltIn));
        let first_digits = &text[.."sha256:".len() + PolicyRef::MIN_DIGITS];
        let alike = standing(&[(&first_digits["sha256:".len()..], "alike", "1.0.0")]);
        let error = resolved(first_digits, &alike).unwrap_err();
        assert!(error.contains(" may be built-in or sha256:"), "{error}");
    }

    #[test]
    fn a_digest_is_not_taken_for_a_name() {
        let digits = digest("aaaaaaaa").to_string();
        let own = standing(&[("aaaaaaaa", "hot", "1.0.0"), ("bbbbbbbb", &digits, "1.0.0")]);
        assert_eq!(resolved(&digits, &own), Ok(Which::Component(digest("aaaaaaaa"))));
        assert_eq!(PolicyRef::of(digest("aaaaaaaa")).resolve(&own).unwrap(), Which::Component(digest("aaaaaaaa")));
    }

    #[rstest]
    #[case::nothing("")]
    #[case::capitals("Hot")]
    #[case::a_path("./hot.wasm")]
    #[case::no_version("hot@")]
    #[case::half_a_version("hot@1.0")]
    #[case::too_few_digits("sha256:aaaaaaa")]
    #[case::too_many_digits(&format!("sha256:{}", "a".repeat(65)))]
    #[case::no_digits("sha256:gggggggg")]
    #[case::a_short_pin(&format!("hot@sha256:{}", "a".repeat(63)))]
    #[case::a_pin_of_nothing(&format!("@sha256:{}", "a".repeat(64)))]
    #[case::two_pins(&format!("hot@sha256:{0}@sha256:{0}", "a".repeat(64)))]
    #[case::a_long_name(&"a".repeat(65))]
    fn what_names_no_policy_is_refused(#[case] text: &str) {
        let error = text.parse::<PolicyRef>().unwrap_err().to_string();
        assert!(error.contains("names no policy: expected `built-in`, NAME"), "{error}");
        assert!(error.len() < 500, "{error}");
    }

    #[rstest]
    #[case::obeyed(PolicyRef::MIN_DIGITS, true)]
    #[case::violated(PolicyRef::MIN_DIGITS - 1, false)]
    fn digits_are_enough(#[case] digits: usize, #[case] enough: bool) {
        assert_eq!(format!("sha256:{}", "a".repeat(digits)).parse::<PolicyRef>().is_ok(), enough);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,100}") {
            let _ = text.parse::<PolicyRef>();
        }

        #[test]
        fn a_reference_reads_as_it_prints(
            text in "(built-in|[a-z0-9-]{1,63}(@[0-9]\\.[0-9]\\.[0-9])?|sha256:[0-9a-f]{8,64})(@sha256:[0-9a-f]{64})?",
        ) {
            let read: PolicyRef = text.parse().unwrap();
            prop_assert_eq!(read.to_string(), text);
        }
    }
}
