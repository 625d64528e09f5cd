//! What can be wrong with a line, whatever it describes.

use super::random::Random;
use std::io::Write;
use tidemark_operators::time::EventTime;

/// What is wrong with a line, so that no job can read it: what optional fields hold hurts nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Damage {
    Truncated,
    TimeIsText,
    TimeIsNan,
    TimeIsHuge,
    NoKey,
    NoTime,
    YearOne,
    Year9999,
    NotUtf8,
    TrailingGarbage,
}

const DAMAGES: [Damage; 10] = [
    Damage::Truncated,
    Damage::TimeIsText,
    Damage::TimeIsNan,
    Damage::TimeIsHuge,
    Damage::NoKey,
    Damage::NoTime,
    Damage::YearOne,
    Damage::Year9999,
    Damage::NotUtf8,
    Damage::TrailingGarbage,
];

impl Damage {
    /// One of the ten.
    pub fn any(random: &mut Random) -> Option<Self> {
        let which = usize::try_from(random.below(DAMAGES.len() as u64)).unwrap_or(0);
        DAMAGES.get(which).copied()
    }

    /// Does to a whole line what cannot be done while it is written.
    pub fn spoil(self, line: &mut Vec<u8>, random: &mut Random) {
        match self {
            Damage::Truncated => {
                let length = line.len() as u64;
                line.truncate(usize::try_from(1 + random.below(length - 1)).unwrap_or(1));
            }
            Damage::NotUtf8 => {
                // Inside the text of the first value, the record's id.
                if let Some(byte) = line.get_mut(22) {
                    *byte = 0xff;
                }
            }
            Damage::TrailingGarbage => line.extend_from_slice(b"}{"),
            _ => {}
        }
    }
}

// Writing to a vector cannot fail.

/// Appends the member `timestamp` with the comma before it, right or damaged, and ends the object.
pub(super) fn write_time_and_end(at: EventTime, damage: Option<Damage>, into: &mut Vec<u8>) {
    let _ = match damage {
        Some(Damage::NoTime) => Ok(()),
        Some(Damage::TimeIsText) => write!(into, ",\"timestamp\":\"yesterday\""),
        Some(Damage::TimeIsNan) => write!(into, ",\"timestamp\":NaN"),
        Some(Damage::TimeIsHuge) => write!(into, ",\"timestamp\":{at}e300"),
        Some(Damage::YearOne) => write!(into, ",\"timestamp\":-62135596800000"),
        Some(Damage::Year9999) => write!(into, ",\"timestamp\":253402300799999"),
        _ => write!(into, ",\"timestamp\":{at}"),
    };
    into.push(b'}');
}
