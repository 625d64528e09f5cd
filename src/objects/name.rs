//! The names of objects.

/// How long a name may be.
pub const NAME_BYTES_MAX: usize = 512;
/// How long a part of one may be: what file systems take.
const PART_BYTES_MAX: usize = 200;

/// Whether this is the name of an object.
///
/// ```
/// use tidemark::objects::is_name;
///
/// assert!(is_name("manifests/00000000000000000001"));
/// assert!(!is_name("../etc") && !is_name("/a") && !is_name("a//b") && !is_name(".a") && !is_name(""));
/// ```
pub fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && part.len() <= PART_BYTES_MAX
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._=-".contains(&b))
    };
    name.len() <= NAME_BYTES_MAX && name.split('/').all(is_part)
}

/// Whether names can begin with it: parts, the last of which may be cut off anywhere.
pub(super) fn is_prefix(prefix: &str) -> bool {
    let whole = prefix.strip_suffix('/').unwrap_or(prefix);
    prefix.is_empty() || is_name(whole)
}
