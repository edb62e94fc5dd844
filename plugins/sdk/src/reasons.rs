//! Why rows are where they are, for people who ask.

#[cfg(not(target_arch = "wasm32"))]
use self::native as host;
#[cfg(not(target_arch = "wasm32"))]
pub use self::native::with_reasons;
#[cfg(target_arch = "wasm32")]
use crate::component as host;

/// Whether somebody asks in this call. Nearly always nobody does, and whatever it costs to find words is spared:
///
/// ```
/// # let (listed, marks): (Vec<u32>, Vec<u8>) = Default::default();
/// use thermocline_policy::{give_reason, reasons_wanted};
///
/// if reasons_wanted() {
///     listed.iter().for_each(|row| give_reason(*row, "read within the last hour"));
/// }
/// ```
///
/// An answer MUST NOT depend on it. Natively somebody asks within [`with_reasons`].
pub fn reasons_wanted() -> bool {
    host::reasons_wanted()
}

/// Says in a few words why a row is listed where it is, or is not listed. Of a row the last reason counts. Where
/// [nobody asks](reasons_wanted) it goes nowhere.
pub fn give_reason(row: u32, reason: &str) {
    host::give_reason(row, reason);
}

#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    thread_local! {
        /// What was said since somebody asked on this thread.
        static GIVEN: RefCell<Option<BTreeMap<u32, String>>> = const { RefCell::new(None) };
    }

    /// Asks for reasons in a native call of a policy: what it answered, and the reason of each row it said something
    /// of. The host bounds what a component says; here nothing does.
    pub fn with_reasons<T>(call: impl FnOnce() -> T) -> (T, BTreeMap<u32, String>) {
        /// Puts back what was, also where the policy panics.
        struct Before(Option<BTreeMap<u32, String>>);
        impl Drop for Before {
            fn drop(&mut self) {
                GIVEN.set(self.0.take());
            }
        }

        let _before = Before(GIVEN.replace(Some(BTreeMap::new())));
        let answer = call();
        (answer, GIVEN.take().unwrap_or_default())
    }

    pub(super) fn reasons_wanted() -> bool {
        GIVEN.with_borrow(Option::is_some)
    }

    pub(super) fn give_reason(row: u32, reason: &str) {
        GIVEN.with_borrow_mut(|given| {
            if let Some(given) = given {
                given.insert(row, reason.to_owned());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_kept_where_somebody_asks() {
        assert!(!reasons_wanted());
        give_reason(1, "nobody asked");
        let (answer, reasons) = with_reasons(|| {
            assert!(reasons_wanted());
            give_reason(7, "at first");
            give_reason(3, "hot");
            give_reason(7, "at last");
            "answer"
        });
        assert_eq!(answer, "answer");
        assert_eq!(reasons.into_iter().collect::<Vec<_>>(), [(3, "hot".to_owned()), (7, "at last".to_owned())]);
        assert!(!reasons_wanted());
    }

    #[test]
    fn a_policy_that_panics_leaves_nobody_asking() {
        let panicked = std::panic::catch_unwind(|| with_reasons(|| panic!("as a policy may")));
        assert!(panicked.is_err());
        assert!(!reasons_wanted());
    }
}
