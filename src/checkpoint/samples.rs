//! Rows and states for tests.

use super::{AttributeSchema, CheckpointError, EntitySchema, StoredObject};
use proptest::prelude::*;
use tidemark_operators::cut::{AttributeValues, EntityStates, StateComponent, Texts, TimelineRows};
use tidemark_operators::event_batch::NULL;

pub(super) fn texts<'a>(all: impl IntoIterator<Item = &'a [u8]>) -> Texts {
    let mut texts = Texts::default();
    for text in all {
        texts.push(text).unwrap();
    }
    texts
}

/// The bytes of an object with each of its bits flipped, and which.
pub(super) fn flipped(bytes: &[u8]) -> impl Iterator<Item = (Vec<u8>, String)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        (bytes, format!("bit {bit}"))
    })
}

/// The bytes of an object cut off at each length, and at which.
pub(super) fn cut_off(bytes: &[u8]) -> impl Iterator<Item = (Vec<u8>, String)> {
    (0..bytes.len()).map(|length| (bytes[..length].to_vec(), format!("length {length}")))
}

/// What is told of a damaged object that cannot be read: which one it is, and where.
pub(super) fn told<T>(read: Result<T, CheckpointError>, name: &str, how: &str) -> String {
    let error = read.err().unwrap_or_else(|| panic!("{how} is not found")).to_string();
    assert!(error.contains(name) && error.contains("memory"), "{how}: {error}");
    error
}

/// Sees that whatever is changed of an object, cut off or added is told when it is `read`.
pub(super) fn damage_is_told<T>(
    object: &StoredObject,
    read: impl Fn(&StoredObject) -> Result<T, CheckpointError>,
) {
    let more = ([&object.bytes[..], b"x"].concat(), "one byte more".to_owned());
    for (bytes, how) in flipped(&object.bytes).chain(cut_off(&object.bytes)).chain([more]) {
        told(read(&StoredObject { name: object.name.clone(), bytes }), &object.name, &how);
    }
}

fn numbered(prefix: &str, count: u64) -> Texts {
    let all: Vec<_> =
        (0..count).map(|at| format!("{prefix}_{:07}", at * 7919 % 9_999_991)).collect();
    texts(all.iter().map(String::as_bytes))
}

pub(super) fn schema() -> EntitySchema {
    let attribute = |name: &str, ty: &str, storage: &str| AttributeSchema {
        name: name.to_owned(),
        ty: ty.to_owned(),
        storage: storage.to_owned(),
        ..AttributeSchema::default()
    };
    EntitySchema {
        entity: "card".to_owned(),
        filters: vec!["status = \"declined\"".to_owned()],
        attributes: vec![
            attribute("amount", "decimal", "wide"),
            attribute("country", "string", "symbol"),
            attribute("hour", "int", "symbol"),
        ],
        ..EntitySchema::default()
    }
}

/// So many rows of [`schema`] from time 1,000 on, at most one a millisecond; `seed` makes others.
pub(super) fn rows(count: u64, seed: u64) -> TimelineRows {
    // A sequence of numbers that look random, the same everywhere.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    let ids = count.div_ceil(2).max(1);
    let mut rows = TimelineRows { ids: numbered("card", ids), ..TimelineRows::default() };
    let (mut amounts, mut countries, mut hours) = (Vec::new(), Vec::new(), Vec::new());
    for at in 0..count {
        rows.times.push(1_000 + at - next(2).min(at));
        rows.entities.push(u32::try_from(next(ids)).unwrap());
        rows.bits.push(u64::from(next(20) == 0));
        let cents = i64::try_from(next(100_000)).unwrap();
        amounts.push(if next(50) == 0 { NULL } else { cents * 10_000 });
        countries.push(u32::try_from(next(4)).unwrap());
        hours.push(u32::try_from(next(25)).unwrap());
    }
    rows.times.sort_unstable();
    let hour_words: Vec<_> = (0..24i64).map(i64::to_le_bytes).collect();
    rows.attributes = vec![
        AttributeValues::Words(amounts),
        AttributeValues::Symbols {
            values: texts([&b"FR"[..], b"", b"Germany"]),
            places: countries,
        },
        AttributeValues::Symbols {
            values: texts(hour_words.iter().map(|word| &word[..])),
            places: hours,
        },
    ];
    rows
}

/// So many entities with two components.
pub(super) fn states(count: u64) -> EntityStates {
    let counts: Vec<_> = (0..count).map(|at| (at % 300).to_le_bytes()).collect();
    let latest: Vec<_> =
        (0..count).map(|at| if at % 3 == 0 { String::new() } else { format!("FR,{at}") }).collect();
    let component =
        |identity: &str, states| StateComponent { identity: identity.to_owned(), states };
    EntityStates {
        as_of: 60_000,
        ids: numbered("card", count),
        components: vec![
            component(
                "count where status = \"declined\" in 1h",
                texts(counts.iter().map(|count| &count[..])),
            ),
            component("latest country", texts(latest.iter().map(String::as_bytes))),
        ],
    }
}

/// Rows of [`schema`] of any kind.
pub(super) fn any_rows() -> impl Strategy<Value = TimelineRows> {
    let row = (0..3u64, 0..9u32, any::<u64>(), any::<i64>(), 0..4u32, 0..3u32);
    let text = prop::collection::vec(any::<u8>(), 0..12);
    let texts_of = |count| prop::collection::vec(text.clone(), count);
    (prop::collection::vec(row, 0..700), texts_of(9), texts_of(3), texts_of(2)).prop_map(
        |(all, ids, first, second)| {
            let of = |all: &[Vec<u8>]| texts(all.iter().map(Vec::as_slice));
            let mut rows = TimelineRows { ids: of(&ids), ..TimelineRows::default() };
            let (mut words, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
            let mut time = 1_000;
            for (step, entity, bits, word, first, second) in all {
                time += step;
                rows.times.push(time);
                rows.entities.push(entity);
                rows.bits.push(bits);
                words.push(word);
                firsts.push(first);
                seconds.push(second);
            }
            rows.attributes = vec![
                AttributeValues::Words(words),
                AttributeValues::Symbols { values: of(&first), places: firsts },
                AttributeValues::Symbols { values: of(&second), places: seconds },
            ];
            rows
        },
    )
}

/// Rows as one reads them: a line each, with ids and values in their place.
pub(super) fn lines(rows: &TimelineRows) -> Vec<String> {
    let value = |attribute: &AttributeValues, row: usize| match attribute {
        AttributeValues::Words(words) => format!("{}", words[row]),
        AttributeValues::Symbols { values, places } => match places[row] {
            0 => "null".to_owned(),
            place => format!("{:?}", values.get(place as usize - 1).unwrap()),
        },
    };
    let line = |row: usize| {
        let id = rows.ids.get(rows.entities[row] as usize).unwrap();
        let values: Vec<_> =
            rows.attributes.iter().map(|attribute| value(attribute, row)).collect();
        format!("{} {id:?} {} {}", rows.times[row], rows.bits[row], values.join(" "))
    };
    (0..rows.len()).map(line).collect()
}
