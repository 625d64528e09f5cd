//! One declaration of every key: its name, kind, bounds and the setting it fills.
//!
//! Each group of settings says its keys once, to a [`Keys`]. Reading a file is one `Keys`; listing
//! keys and defaults, which holds the shipped file to the truth, is another.

use crate::config::Secret;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a key is told to. Every method names a key and the setting it fills, which holds the
/// default before and keeps it when the key is absent or wrong.
pub(super) trait Keys {
    /// A whole number.
    fn count(&mut self, key: &'static str, bounds: RangeInclusive<i64>, setting: &mut usize);
    /// A port.
    fn port(&mut self, key: &'static str, least: u16, setting: &mut u16);
    /// A number from 0 to 1.
    fn share(&mut self, key: &'static str, setting: &mut f64);
    /// `true` or `false`.
    fn flag(&mut self, key: &'static str, setting: &mut bool);
    /// A duration with a unit.
    fn duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        setting: &mut Duration,
    );
    /// A duration that may be left out.
    fn optional_duration(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<Duration>,
        setting: &mut Option<Duration>,
    );
    /// A size with a unit, in bytes.
    fn size(&mut self, key: &'static str, bounds: RangeInclusive<u64>, setting: &mut u64);
    /// A size that may be left out.
    fn optional_size(
        &mut self,
        key: &'static str,
        bounds: RangeInclusive<u64>,
        setting: &mut Option<u64>,
    );
    /// A text; `check` says what is wrong with one, without quoting it.
    fn text(&mut self, key: &'static str, check: Check<'_>, setting: &mut String);
    /// A text that may be left out.
    fn optional_text(&mut self, key: &'static str, check: Check<'_>, setting: &mut Option<String>);
    /// A text that may be left out and is shown to nobody.
    fn secret(&mut self, key: &'static str, check: Check<'_>, setting: &mut Option<Secret>) {
        let mut text = None;
        self.optional_text(key, check, &mut text);
        if text.is_some() {
            *setting = text.map(Secret::new);
        }
    }
    /// One of some names.
    fn choice(&mut self, key: &'static str, names: &[&'static str], setting: &mut &'static str);
    /// Names and texts of the author's choice, dotted names included.
    fn pairs(&mut self, key: &'static str, setting: &mut BTreeMap<String, String>);
    /// A table of keys.
    fn section(&mut self, key: &'static str, keys: &mut dyn FnMut(&mut dyn Keys));
    /// `others` may not be given beside `key`.
    fn instead_of(&mut self, _key: &'static str, _others: &[&'static str]) {}
}

/// The name of the section `key` in the section `outer`; the outermost has none.
pub(super) fn section_name(outer: &str, key: &str) -> String {
    if outer.is_empty() { key.to_owned() } else { format!("{outer}.{key}") }
}

/// What is wrong with a text, if anything. The message goes behind the key's name.
pub(super) type Check<'a> = &'a dyn Fn(&str) -> Result<(), String>;

/// For texts that may be anything but empty.
pub(super) fn not_empty(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("must not be empty".to_owned()) } else { Ok(()) }
}

/// An enum whose values have names in the file.
pub(super) trait Choice: Copy + PartialEq + 'static {
    /// All values with their names.
    const NAMES: &'static [(&'static str, Self)];
}

/// A setting that is one of some names.
pub(super) fn choose<C: Choice>(keys: &mut dyn Keys, key: &'static str, setting: &mut C) {
    let names: Vec<_> = C::NAMES.iter().map(|(name, _)| *name).collect();
    let name_of = |value: C| C::NAMES.iter().find(|(_, v)| *v == value).map(|(name, _)| *name);
    let mut name = name_of(*setting).unwrap_or_default();
    keys.choice(key, &names, &mut name);
    if let Some((_, value)) = C::NAMES.iter().find(|(n, _)| *n == name) {
        *setting = *value;
    }
}
