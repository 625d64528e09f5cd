//! Several segments of one entity type as one: in the order of their times, a block of each at a time.
//!
//! Segments of several workers cover the same times, those of one cut after the other follow one
//! another. Of rows of one time those of the segment that begins first come first.

use super::{EntitySchema, ListedSegment, SegmentReader, encode_segment};
use crate::checkpoint::{
    BlockCipher, CheckpointError, ForgottenEntity, SEGMENTS_LISTED_MAX, StateKeys, StoredObject,
};
use crate::objects::Objects;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Range;
use tidemark_operators::cut::{AttributeValues, Texts, TimelineRows};
use tidemark_operators::time::EventTime;

/// How many rows a segment has at least that is large: it is not merged with others.
pub const LARGE_ROWS_MIN: u64 = 1 << 18;
/// How many small segments a manifest may list by itself, over all entity types; with more of them
/// those of one type are merged, however few rows they have.
const SMALL_LISTED_MAX: usize = SEGMENTS_LISTED_MAX / 2;

/// Rows of several segments.
pub struct MergedSegments<'a> {
    objects: &'a dyn Objects,
    keys: Option<&'a StateKeys>,
    range: Range<EventTime>,
    /// Those that begin later than the rows so far, by their times.
    later: VecDeque<ListedSegment>,
    open: Vec<OpenSegment<'a>>,
    /// The one whose row was handed out last.
    handed: Option<usize>,
}

/// A row of [`MergedSegments`].
#[derive(Clone, Copy)]
pub struct MergedRow<'a> {
    /// The entity type as it was when the row was written.
    pub schema: &'a EntitySchema,
    /// Rows among which it is.
    pub rows: &'a TimelineRows,
    /// Its place among them.
    pub row: usize,
}

impl<'a> MergedRow<'a> {
    /// When its event happened.
    pub fn time(&self) -> EventTime {
        self.rows.times.get(self.row).copied().unwrap_or(0)
    }

    /// Its entity's id.
    pub fn id(&self) -> &'a [u8] {
        let place = self.rows.entities.get(self.row).copied().unwrap_or(0);
        self.rows.ids.get(place as usize).unwrap_or_default()
    }

    /// Its filter bits.
    pub fn bits(&self) -> u64 {
        self.rows.bits.get(self.row).copied().unwrap_or(0)
    }
}

impl<'a> MergedSegments<'a> {
    /// The rows of `segments`, which are of one entity type, with times in `range`.
    pub fn new(
        objects: &'a dyn Objects,
        mut segments: Vec<ListedSegment>,
        range: Range<EventTime>,
        keys: Option<&'a StateKeys>,
    ) -> Self {
        segments.retain(|one| one.rows > 0 && one.from < range.end && one.to > range.start);
        segments.sort_by(|a, b| (a.from, a.to, &a.name).cmp(&(b.from, b.to, &b.name)));
        let later = segments.into();
        MergedSegments { objects, keys, range, later, open: Vec::new(), handed: None }
    }

    /// The next row; `None`: that was the last.
    ///
    /// # Errors
    /// When a segment cannot be read, is missing, damaged, or its key is not there.
    pub fn next_row(&mut self) -> Result<Option<MergedRow<'_>>, CheckpointError> {
        self.handed = self.advance()?;
        let segment = self.handed.and_then(|at| self.open.get(at));
        Ok(segment.map(|OpenSegment { reader, rows, row, .. }| {
            let schema = &reader.content().schema;
            MergedRow { schema, rows, row: *row }
        }))
    }

    /// Goes to the next row; which of the open segments has it.
    fn advance(&mut self) -> Result<Option<usize>, CheckpointError> {
        if let Some(handed) = self.handed.take().and_then(|at| self.open.get_mut(at)) {
            handed.step()?;
        }
        loop {
            self.open.retain(|segment| segment.time().is_some());
            let next = self.open.iter().filter_map(OpenSegment::time).min();
            // One that begins later than the next row has none before it.
            let is_due = |listed: &ListedSegment| next.is_none_or(|next| listed.from <= next);
            if self.later.front().is_some_and(is_due) {
                if let Some(listed) = self.later.pop_front() {
                    let reader = SegmentReader::open(self.objects, &listed, self.keys)?;
                    let segment = OpenSegment::new(reader, self.range.clone())?;
                    self.open.push(segment);
                }
                continue;
            }
            let Some(next) = next else { return Ok(None) };
            let first = self.open.iter().position(|segment| segment.time() == Some(next));
            if self.range.contains(&next) {
                return Ok(first);
            }
            if let Some(segment) = first.and_then(|at| self.open.get_mut(at)) {
                segment.step()?;
            }
        }
    }
}

/// A segment that is being read.
struct OpenSegment<'a> {
    reader: SegmentReader<'a>,
    /// Blocks that are still to be read.
    blocks: VecDeque<usize>,
    rows: TimelineRows,
    /// The next of `rows`.
    row: usize,
    /// Where what they have stands in the list of all.
    places: BlockPlaces,
}

impl<'a> OpenSegment<'a> {
    fn new(reader: SegmentReader<'a>, range: Range<EventTime>) -> Result<Self, CheckpointError> {
        let blocks = reader.blocks_within(range).collect();
        let mut open = OpenSegment {
            reader,
            blocks,
            rows: TimelineRows::default(),
            row: 0,
            places: BlockPlaces::default(),
        };
        open.refill()?;
        Ok(open)
    }

    /// The next row's time; `None`: there is none.
    fn time(&self) -> Option<EventTime> {
        self.rows.times.get(self.row).copied()
    }

    fn step(&mut self) -> Result<(), CheckpointError> {
        self.row += 1;
        self.refill()
    }

    fn refill(&mut self) -> Result<(), CheckpointError> {
        while self.time().is_none() {
            let Some(block) = self.blocks.pop_front() else { return Ok(()) };
            (self.rows, self.row) = (self.reader.rows(block)?, 0);
            self.places = BlockPlaces::default();
        }
        Ok(())
    }
}

/// What is to be merged: for each entity type at most one list of its oldest small segments, which
/// together make a large one, or are too many. Those that have been merged once are not merged again,
/// so every row is written twice at most; nor are those in `passed`.
pub fn mergeable(segments: &[ListedSegment], passed: &BTreeSet<String>) -> Vec<Vec<ListedSegment>> {
    let entities: BTreeSet<&str> = segments.iter().map(|one| one.entity.as_str()).collect();
    let too_many = (SMALL_LISTED_MAX / entities.len().max(1)).max(2);
    let mut small: BTreeMap<&str, Vec<&ListedSegment>> = BTreeMap::new();
    for segment in segments {
        let is_small = !segment.merged && segment.rows < LARGE_ROWS_MIN;
        if is_small && !passed.contains(&segment.name) {
            small.entry(&segment.entity).or_default().push(segment);
        }
    }
    small.into_values().filter_map(|small| oldest(small, too_many)).collect()
}

/// The oldest of `small` that make a large one; all of them, where there are `too_many`.
fn oldest(mut small: Vec<&ListedSegment>, too_many: usize) -> Option<Vec<ListedSegment>> {
    small.sort_by_key(|segment| (segment.to, segment.from, &segment.name));
    let mut rows = 0;
    let enough = small.iter().position(|segment| {
        rows += segment.rows;
        rows >= LARGE_ROWS_MIN
    });
    let enough = enough.or((small.len() >= too_many).then(|| small.len() - 1))?;
    // What is of the same cut as the last goes with it: the merged range is of whole cuts.
    let last = small.get(enough)?.to;
    let merged: Vec<_> = small.into_iter().take_while(|segment| segment.to <= last).collect();
    (merged.len() > 1).then(|| merged.into_iter().cloned().collect())
}

/// Those of `segments`, from the oldest on, that are of the same schema as the oldest: what was written
/// before the job was changed is not merged with what came after.
///
/// # Errors
/// When one cannot be read, is missing or damaged.
pub fn of_one_schema(
    objects: &dyn Objects,
    segments: Vec<ListedSegment>,
    keys: Option<&StateKeys>,
) -> Result<Vec<ListedSegment>, CheckpointError> {
    let (mut same, mut schema) = (Vec::new(), None);
    for segment in segments {
        let content = SegmentReader::open(objects, &segment, keys)?.content().schema.clone();
        if *schema.get_or_insert_with(|| content.clone()) != content {
            break;
        }
        same.push(segment);
    }
    Ok(same)
}

/// One segment of all rows of `segments`, but those of entities that were removed.
///
/// # Errors
/// When a segment cannot be read, is missing or damaged, or they are not of one entity type with the
/// same attributes and filters.
pub fn merge_segments(
    objects: &dyn Objects,
    segments: &[ListedSegment],
    forgotten: &[ForgottenEntity],
    name: String,
    keys: Option<&StateKeys>,
    cipher: Option<&BlockCipher>,
) -> Result<(StoredObject, ListedSegment), CheckpointError> {
    let from = segments.iter().map(|segment| segment.from).min().unwrap_or(0);
    let to = segments.iter().map(|segment| segment.to).max().unwrap_or(0);
    let mut merged = MergedSegments::new(objects, segments.to_vec(), from..to, keys);
    let mut gathered = Gathered::default();
    let entity = segments.first().map(|segment| segment.entity.as_str());
    let forgotten = forgotten.iter().filter(|one| Some(one.entity.as_str()) == entity);
    let forgotten: HashMap<&[u8], EventTime> =
        forgotten.map(|one| (one.id.as_bytes(), one.before)).collect();
    loop {
        merged.handed = merged.advance()?;
        let Some(segment) = merged.handed.and_then(|at| merged.open.get_mut(at)) else { break };
        let OpenSegment { reader, rows, row, places, .. } = segment;
        let row = MergedRow { schema: &reader.content().schema, rows, row: *row };
        if forgotten.get(row.id()).is_some_and(|before| row.time() < *before) {
            continue;
        }
        gathered.push(row, places).map_err(|why| {
            let (object, why) = (name.clone(), why.to_owned());
            CheckpointError::Unwritable { object, why }
        })?;
    }
    let mut schema = gathered.schema.unwrap_or_default();
    if schema.entity.is_empty() {
        // Every row was removed.
        schema.entity = segments.first().map(|segment| segment.entity.clone()).unwrap_or_default();
    }
    let (object, listed) = encode_segment(name, schema, from..to, &gathered.rows, cipher)?;
    Ok((object, ListedSegment { merged: true, ..listed }))
}

/// Where the ids and values of a block stand in the lists of what is [`Gathered`], as far as that is
/// known: each is looked up once a block.
#[derive(Default)]
struct BlockPlaces {
    ids: Vec<Option<u32>>,
    /// By attribute.
    values: Vec<Vec<Option<u32>>>,
}

impl BlockPlaces {
    /// Nothing is known of what `rows` have.
    fn of(rows: &TimelineRows) -> Self {
        let values = rows.attributes.iter().map(|attribute| match attribute {
            AttributeValues::Words(_) => Vec::new(),
            AttributeValues::Symbols { values, .. } => vec![None; values.len()],
        });
        BlockPlaces { ids: vec![None; rows.ids.len()], values: values.collect() }
    }
}

/// Rows with lists of their own.
#[derive(Default)]
struct Gathered {
    schema: Option<EntitySchema>,
    rows: TimelineRows,
    ids: HashMap<Vec<u8>, u32>,
    /// For each attribute the places of its values.
    values: Vec<HashMap<Vec<u8>, u32>>,
}

impl Gathered {
    fn push(&mut self, row: MergedRow<'_>, places: &mut BlockPlaces) -> Result<(), &'static str> {
        if self.schema.is_none() {
            self.schema = Some(row.schema.clone());
            self.values = row.rows.attributes.iter().map(|_| HashMap::new()).collect();
            self.rows.attributes = row.rows.attributes.iter().map(emptied).collect();
        }
        if places.ids.is_empty() {
            if self.schema.as_ref() != Some(row.schema) {
                return Err("what it is merged of has other attributes or filters");
            }
            *places = BlockPlaces::of(row.rows);
        }
        self.rows.times.push(row.time());
        self.rows.bits.push(row.bits());
        let id = row.rows.entities.get(row.row).copied().unwrap_or(0) as usize;
        let Some(known) = places.ids.get_mut(id) else { return Err("a row has no id") };
        let place = kept(row.rows.ids.get(id), known, &mut self.rows.ids, &mut self.ids)?;
        self.rows.entities.push(place);
        let columns = self.rows.attributes.iter_mut().zip(&row.rows.attributes);
        for ((to, from), (known, listed)) in
            columns.zip(places.values.iter_mut().zip(&mut self.values))
        {
            match (to, from) {
                (AttributeValues::Words(to), AttributeValues::Words(from)) => {
                    to.extend(from.get(row.row));
                }
                (
                    AttributeValues::Symbols { values, places },
                    AttributeValues::Symbols { values: from, places: of },
                ) => {
                    let place = of.get(row.row).copied().unwrap_or(0) as usize;
                    places.push(match place.checked_sub(1) {
                        None => 0,
                        Some(place) => match known.get_mut(place) {
                            Some(known) => kept(from.get(place), known, values, listed)? + 1,
                            None => return Err("a row has no value"),
                        },
                    });
                }
                _ => return Err("what it is merged of keeps an attribute otherwise"),
            }
        }
        Ok(())
    }
}

fn emptied(attribute: &AttributeValues) -> AttributeValues {
    match attribute {
        AttributeValues::Words(_) => AttributeValues::Words(Vec::new()),
        AttributeValues::Symbols { .. } => {
            AttributeValues::Symbols { values: Texts::default(), places: Vec::new() }
        }
    }
}

/// The place of a text in a list, which has it then; `known` is what a block knows of it.
fn kept(
    text: Option<&[u8]>,
    known: &mut Option<u32>,
    texts: &mut Texts,
    listed: &mut HashMap<Vec<u8>, u32>,
) -> Result<u32, &'static str> {
    if let Some(place) = known {
        return Ok(*place);
    }
    let text = text.ok_or("a row has no id or value")?;
    let place = match listed.get(text) {
        Some(place) => *place,
        None => {
            let place = texts.push(text).ok_or("it would have more than 4 GiB of texts")?;
            listed.insert(text.to_vec(), place);
            place
        }
    };
    *known = Some(place);
    Ok(place)
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::{lines, rows, schema};
    use super::*;
    use crate::checkpoint::{EntitySchema, store, verify_segment};
    use crate::objects::memory::MemoryObjects;

    fn stored(
        objects: &MemoryObjects,
        name: &str,
        schema: EntitySchema,
        range: Range<EventTime>,
        of: &TimelineRows,
    ) -> ListedSegment {
        let (object, listed) = encode_segment(name.to_owned(), schema, range, of, None).unwrap();
        store(objects, &object).unwrap();
        listed
    }

    fn at(mut rows: TimelineRows, time: EventTime) -> TimelineRows {
        rows.times.iter_mut().for_each(|at| *at += time);
        rows
    }

    fn read(
        objects: &MemoryObjects,
        segments: &[ListedSegment],
        range: Range<EventTime>,
    ) -> Vec<String> {
        let mut merged = MergedSegments::new(objects, segments.to_vec(), range, None);
        let mut read = Vec::new();
        while let Some(row) = merged.next_row().unwrap() {
            read.push(lines(row.rows)[row.row].clone());
        }
        read
    }

    fn time(line: &str) -> EventTime {
        line.split(' ').next().unwrap().parse().unwrap()
    }

    /// Two workers in one cut, one in the next, and one without rows.
    fn sample(objects: &MemoryObjects) -> (Vec<ListedSegment>, Vec<String>) {
        let all = [rows(300, 1), rows(200, 2), at(rows(100, 3), 1_000), rows(0, 4)];
        let ranges = [1_000..2_000, 1_000..2_000, 2_000..3_000, 2_000..3_000];
        let segments = all.iter().zip(ranges).enumerate().map(|(at, (rows, range))| {
            stored(objects, &format!("segments/1-{at}"), schema(), range, rows)
        });
        let segments = segments.collect();
        let mut expected: Vec<_> = all.iter().flat_map(lines).collect();
        // Stable: rows of one time stay in the order of the segments.
        expected.sort_by_key(|line| time(line));
        (segments, expected)
    }

    #[test]
    fn rows_of_several_segments_come_in_the_order_of_their_times() {
        let objects = MemoryObjects::new();
        let (segments, expected) = sample(&objects);
        assert_eq!(read(&objects, &segments, 0..u64::MAX), expected);
        let within: Vec<_> =
            expected.iter().filter(|line| (1_100..2_050).contains(&time(line))).cloned().collect();
        assert!(within.len() > 100);
        assert_eq!(read(&objects, &segments, 1_100..2_050), within);
        assert_eq!(read(&objects, &[], 0..u64::MAX), [""; 0]);
    }

    #[test]
    fn segments_become_one_with_the_same_rows_but_those_of_removed_entities() {
        let objects = MemoryObjects::new();
        let (segments, expected) = sample(&objects);
        let merge = |name: &str, forgotten: &[ForgottenEntity]| {
            let (object, listed) =
                merge_segments(&objects, &segments, forgotten, name.to_owned(), None, None)
                    .unwrap();
            store(&objects, &object).unwrap();
            verify_segment(&objects, &listed, None).unwrap();
            assert_eq!((listed.from, listed.to), (1_000, 3_000));
            read(&objects, &[listed], 0..u64::MAX)
        };
        assert_eq!(merge("segments/2-0", &[]), expected);

        let id = "card_0000000";
        let of = |line: &String| line.contains(&format!("{:?}", id.as_bytes()));
        let before = 2_010;
        let forgotten = |(entity, id): (&str, &str)| ForgottenEntity {
            entity: entity.to_owned(),
            id: id.to_owned(),
            before,
            ..ForgottenEntity::default()
        };
        let forgotten = [("card", id), ("user", "card_0007919")].map(forgotten);
        let kept: Vec<_> =
            expected.iter().filter(|line| !of(line) || time(line) >= before).cloned().collect();
        assert!(kept.len() < expected.len() && kept.iter().any(of));
        assert_eq!(merge("segments/2-1", &forgotten), kept);
    }

    #[test]
    fn segments_with_other_attributes_are_not_merged() {
        let objects = MemoryObjects::new();
        let (mut segments, _) = sample(&objects);
        let mut other = schema();
        other.filters.clear();
        segments.push(stored(
            &objects,
            "segments/1-9",
            other,
            3_000..9_000,
            &at(rows(5, 1), 2_000),
        ));
        let merged =
            merge_segments(&objects, &segments, &[], "segments/2-0".to_owned(), None, None);
        let error = merged.unwrap_err().to_string();
        assert!(error.contains("has other attributes or filters"), "{error}");
    }

    #[test]
    fn the_oldest_small_segments_are_merged_once_they_make_a_large_one_or_are_too_many() {
        let listed = |entity: &str, at: u64, rows: u64| ListedSegment {
            name: format!("segments/{entity}-{at:03}"),
            entity: entity.to_owned(),
            rows,
            from: at,
            to: at + 1,
            bytes: 0,
            crc32c: 0,
            merged: false,
        };
        let none = BTreeSet::new();
        let half = LARGE_ROWS_MIN / 2;
        let mut segments = vec![
            listed("card", 3, half),
            listed("card", 1, half - 1),
            listed("card", 0, LARGE_ROWS_MIN),
            ListedSegment { merged: true, ..listed("card", 0, 7) },
            listed("user", 1, half),
        ];
        assert_eq!(mergeable(&segments, &none), Vec::<Vec<ListedSegment>>::new());
        segments.push(listed("card", 2, 2));
        segments.push(ListedSegment { name: "segments/other".to_owned(), ..listed("card", 3, 1) });
        let names = |all: Vec<Vec<ListedSegment>>| {
            let name = |one: ListedSegment| one.name;
            all.into_iter().map(|one| one.into_iter().map(name).collect()).collect::<Vec<Vec<_>>>()
        };
        // With all of the cut of the last one.
        let cards =
            ["segments/card-001", "segments/card-002", "segments/card-003", "segments/other"];
        assert_eq!(names(mergeable(&segments, &none)), [cards]);
        let passed = BTreeSet::from(["segments/card-001".to_owned()]);
        assert_eq!(names(mergeable(&segments, &passed)), Vec::<Vec<String>>::new());
        assert_eq!(mergeable(&[], &none), Vec::<Vec<ListedSegment>>::new());

        // Two entity types share what may be listed.
        let most = SMALL_LISTED_MAX as u64 / 2;
        let mut few: Vec<_> = (0..most - 1).map(|at| listed("user", at, 1)).collect();
        few.push(listed("card", 0, 1));
        assert_eq!(mergeable(&few, &none), Vec::<Vec<ListedSegment>>::new());
        few.push(listed("user", most, 1));
        let merged = mergeable(&few, &none);
        assert_eq!((merged.len(), merged[0].len() as u64), (1, most));
    }

    #[test]
    fn what_was_written_before_the_job_was_changed_is_merged_by_itself() {
        let objects = MemoryObjects::new();
        let (mut segments, _) = sample(&objects);
        let (of_both, mut other) = (segments.len(), schema());
        other.filters.clear();
        let range = 3_000..9_000;
        let rows = at(rows(5, 1), 2_000);
        segments.push(stored(&objects, "segments/1-9", other, range, &rows));
        let same = of_one_schema(&objects, segments.clone(), None).unwrap();
        assert_eq!(same, segments[..of_both]);
        segments.reverse();
        assert_eq!(of_one_schema(&objects, segments.clone(), None).unwrap(), segments[..1]);
    }
}
