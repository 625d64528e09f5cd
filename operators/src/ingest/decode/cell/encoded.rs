//! Numbers whose bytes stand in base64, as Connect writes decimals in JSON.

use super::{Row, wrong};
use crate::ingest::decode::error::shown;
use crate::plan::Encoding;
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use std::borrow::Cow;

/// With or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// The longest text that is decoded: that of many more bytes than any number has.
const TEXT_BYTES_MAX: usize = 256;

/// A number with its own scale.
#[derive(Deserialize)]
struct Scaled<'t> {
    scale: i32,
    #[serde(borrow)]
    value: Cow<'t, str>,
}

impl Row<'_> {
    /// The value of an encoded field by its JSON text, which is well-formed.
    pub fn put_encoded(&mut self, leaf: usize, json: &str) {
        let Some(known) = self.leaves.get(leaf) else { return };
        let number = match (known.reading.encoding, json.as_bytes().first()) {
            (_, Some(b'n')) => return self.put_null(leaf),
            (Some(Encoding::Unscaled(scale)), Some(b'"')) => {
                let text = serde_json::from_str::<Cow<'_, str>>(json).ok();
                text.and_then(|text| Some((decoded(&text)?, i32::try_from(scale).ok()?)))
            }
            (Some(Encoding::Scaled), Some(b'{')) => {
                let scaled = serde_json::from_str::<Scaled<'_>>(json).ok();
                scaled.and_then(|scaled| Some((decoded(&scaled.value)?, scaled.scale)))
            }
            _ => None,
        };
        match number {
            Some((bytes, _)) if bytes.is_empty() => self.put_null(leaf),
            Some((bytes, scale)) => match u32::try_from(scale) {
                Ok(scale) => self.put_unscaled(leaf, &bytes, scale),
                Err(_) => self.put_multiple(leaf, &bytes, scale.unsigned_abs()),
            },
            None => self.fault(known, wrong(known, &shown(json))),
        }
    }
}

/// The bytes that a text stands for.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_ascii();
    (text.len() <= TEXT_BYTES_MAX).then(|| BASE64.decode(text).ok()).flatten()
}
