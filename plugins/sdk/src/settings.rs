//! The configuration of a policy that has none.

/// JSON Schema of [`no_settings`]: an object without properties.
pub const NO_SETTINGS: &str = r#"{"type":"object","additionalProperties":false}"#;

/// For a policy without settings: accepts `{}`, and refuses everything else by name, because an
/// operator who sets something expects it to matter.
///
/// # Errors
/// A message for operators, with the first field that is set.
pub fn no_settings(config: &str) -> Result<(), String> {
    let Some(inside) = json_trim(config).strip_prefix('{') else {
        return Err(not_an_object(config));
    };
    let inside = json_trim(inside);
    if inside == "}" {
        return Ok(());
    }
    match inside.strip_prefix('"').and_then(field_name) {
        Some(name) => {
            Err(format!("there is no field \"{name}\": this policy has no settings, its configuration is {{}}"))
        }
        None => Err(not_an_object(config)),
    }
}

/// Enough of a wrong configuration to recognise it.
const SHOWN_CHARS: usize = 40;

fn not_an_object(config: &str) -> String {
    let mut chars = config.chars();
    let shown: String = chars.by_ref().take(SHOWN_CHARS).collect();
    let more = if chars.next().is_some() { "..." } else { "" };
    format!("the configuration must be the JSON object {{}}, and is `{shown}{more}`")
}

/// What stands before the closing quote, as written: escapes are shown as the operator wrote them.
fn field_name(text: &str) -> Option<&str> {
    let mut escaped = false;
    let end = text.find(|c: char| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    text.get(..end)
}

fn json_trim(text: &str) -> &str {
    text.trim_matches([' ', '\t', '\r', '\n'])
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::plain("{}")]
    #[case::spaced(" {\n\t}\r\n")]
    fn an_empty_object_is_accepted(#[case] config: &str) {
        assert_eq!(no_settings(config), Ok(()));
    }

    #[rstest]
    #[case::a_field(
        r#"{"horizon": 3}"#,
        r#"there is no field "horizon": this policy has no settings, its configuration is {}"#
    )]
    #[case::the_first_field(
        r#" { "a":1,"b":2}"#,
        r#"there is no field "a": this policy has no settings, its configuration is {}"#
    )]
    #[case::an_escape(
        r#"{"a\"b\\":1}"#,
        r#"there is no field "a\"b\\": this policy has no settings, its configuration is {}"#
    )]
    #[case::nothing("", "the configuration must be the JSON object {}, and is ``")]
    #[case::null("null", "the configuration must be the JSON object {}, and is `null`")]
    #[case::a_list("[]", "the configuration must be the JSON object {}, and is `[]`")]
    #[case::unfinished("{", "the configuration must be the JSON object {}, and is `{`")]
    #[case::unfinished_name("{\"a", "the configuration must be the JSON object {}, and is `{\"a`")]
    #[case::something_behind("{}{}", "the configuration must be the JSON object {}, and is `{}{}`")]
    #[case::no_json_space("\u{a0}{}", "the configuration must be the JSON object {}, and is `\u{a0}{}`")]
    #[case::all_that_is_shown(&"é".repeat(40), &format!("the configuration must be the JSON object {{}}, and is `{}`", "é".repeat(40)))]
    #[case::more_than_is_shown(&"é".repeat(41), &format!("the configuration must be the JSON object {{}}, and is `{}...`", "é".repeat(40)))]
    fn anything_else_is_refused_by_name(#[case] config: &str, #[case] why: &str) {
        assert_eq!(no_settings(config), Err(why.to_owned()));
    }
}
