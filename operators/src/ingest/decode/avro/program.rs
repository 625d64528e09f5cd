//! What is done with each value of a record, in the order they are written.

use super::input::{Bad, Input};
use crate::ingest::decode::cell::Row;
use crate::ingest::decode::error::DecodeError;

/// How deeply values may lie in each other; only recursive types can come near it.
pub(super) const DEPTH_MAX: u32 = 128;

/// One step, mostly one value. Leaves and nodes are those of the trie, everything else is of the
/// [`Program`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    SkipVarint,
    SkipBytes,
    SkipFixed(usize),
    /// An array or a map, of which the routine skips an item.
    SkipBlocks(usize),
    /// A union of two, one of them null. If it is null: the nulls, and on behind the next `over`
    /// steps, which are for the other one.
    Nullable {
        null: usize,
        nulls: usize,
        over: usize,
    },
    /// Any other union.
    Union(usize),
    /// A routine of its own.
    Call(usize),
    /// A map of which some keys are wanted.
    Entries(usize),
    /// The leaf, or all leaves of the list, are null.
    Null(usize),
    Nulls(usize),
    /// What is there, and skipped by the steps before, is not what the leaves of the refusal may be.
    Refuse(usize),
    Boolean(usize),
    /// `per_ms`: so many of its units in a millisecond, where its type says that it is a time.
    Int(usize, Unit),
    Long(usize, Unit),
    Float(usize),
    Double(usize),
    String(usize),
    Bytes(usize),
    Fixed(usize, usize),
    /// A leaf, and its symbols.
    Enum(usize, usize),
    /// A leaf, and the decimals of a number in bytes.
    Decimal(usize, u32),
    /// A leaf, the decimals and the length in bytes of a number in a fixed.
    FixedDecimal(usize, u32, usize),
    FixedUuid(usize),
}

/// What an integer counts, where its type says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::ingest::decode) enum Unit {
    /// Nothing in particular: what the job says.
    Plain,
    /// So many in a millisecond.
    PerMs(i64),
    /// Days.
    Days,
}

/// A value that does not fit, where only the value could say so.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What it would have been.
    pub leaves: Vec<usize>,
    /// How errors name what was wanted.
    pub label: String,
    pub expected: &'static str,
    pub found: String,
}

/// The wanted keys of a map.
#[derive(Debug, Default)]
pub(super) struct Entries {
    /// Each with the routine that reads its value.
    pub wanted: Vec<(Box<str>, usize)>,
    /// The routine that skips a value.
    pub skip: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Program {
    /// The first one is for the record itself.
    pub routines: Vec<Vec<Step>>,
    /// The routine of each branch.
    pub unions: Vec<Vec<usize>>,
    pub entries: Vec<Entries>,
    /// Leaves that become null together; the first list is empty.
    pub nulls: Vec<Vec<usize>>,
    pub symbols: Vec<Vec<Box<str>>>,
    pub refusals: Vec<Refusal>,
}

impl Program {
    /// Reads the value at the front of `input` into the cells of `row`.
    pub fn run(&self, input: &mut Input<'_>, row: &mut Row<'_>) -> Result<(), DecodeError> {
        self.routine(0, input, row, 0)
    }

    fn routine(
        &self,
        routine: usize,
        input: &mut Input<'_>,
        row: &mut Row<'_>,
        depth: u32,
    ) -> Result<(), DecodeError> {
        let steps = self.routines.get(routine).map(Vec::as_slice).unwrap_or_default();
        if depth > DEPTH_MAX {
            return Err(bad(Bad::Depth, input));
        }
        let mut at = 0;
        while let Some(step) = steps.get(at) {
            at += 1;
            match *step {
                Step::Nullable { null, nulls, over } => {
                    let which = input.which(2, Bad::Branch).map_err(|b| bad(b, input))?;
                    if which == null {
                        at += over;
                        self.set_nulls(nulls, row);
                    }
                }
                Step::Union(union) => {
                    let branches = self.unions.get(union).map(Vec::as_slice).unwrap_or_default();
                    let which = input.which(branches.len(), Bad::Branch);
                    let which = which.map_err(|b| bad(b, input))?;
                    let branch = branches.get(which).copied().unwrap_or_default();
                    self.routine(branch, input, row, depth + 1)?;
                }
                Step::Call(routine) => self.routine(routine, input, row, depth + 1)?,
                Step::SkipBlocks(item) => self.skip_blocks(item, input, row, depth + 1)?,
                Step::Entries(entries) => self.entries(entries, input, row, depth + 1)?,
                Step::Nulls(list) => self.set_nulls(list, row),
                Step::Null(leaf) => row.put_null(leaf),
                Step::Refuse(refusal) => self.refuse(refusal, row),
                step => self.value(step, input, row)?,
            }
        }
        Ok(())
    }

    /// A step that reads or skips one value.
    #[inline]
    fn value(
        &self,
        step: Step,
        input: &mut Input<'_>,
        row: &mut Row<'_>,
    ) -> Result<(), DecodeError> {
        macro_rules! read {
            ($read:expr) => {
                match $read {
                    Ok(value) => value,
                    Err(b) => return Err(bad(b, input)),
                }
            };
        }
        match step {
            Step::SkipVarint => read!(input.skip_varint()),
            Step::SkipBytes => drop(read!(input.bytes())),
            Step::SkipFixed(length) => drop(read!(input.take(length))),
            Step::String(leaf) | Step::Bytes(leaf) => row.put_utf8(leaf, read!(input.bytes())),
            Step::Fixed(leaf, length) => row.put_utf8(leaf, read!(input.take(length))),
            Step::Long(leaf, unit) => row.put_int(leaf, read!(input.long()), unit),
            Step::Int(leaf, unit) => row.put_int(leaf, read!(input.int()), unit),
            Step::Double(leaf) => row.put_double(leaf, read!(input.double())),
            Step::Float(leaf) => row.put_float(leaf, read!(input.float())),
            Step::Boolean(leaf) => row.put_bool(leaf, read!(input.boolean())),
            Step::Enum(leaf, symbols) => {
                let symbols = self.symbols.get(symbols).map(Vec::as_slice).unwrap_or_default();
                let which = read!(input.which(symbols.len(), Bad::Symbol));
                row.put_text(leaf, symbols.get(which).map_or("", |symbol| symbol));
            }
            Step::Decimal(leaf, scale) => row.put_unscaled(leaf, read!(input.bytes()), scale),
            Step::FixedDecimal(leaf, scale, length) => {
                row.put_unscaled(leaf, read!(input.take(length)), scale);
            }
            Step::FixedUuid(leaf) => row.put_uuid(leaf, read!(input.take(16))),
            // All others are done before this one is called.
            _ => {}
        }
        Ok(())
    }

    #[cold]
    fn refuse(&self, refusal: usize, row: &mut Row<'_>) {
        let Some(refusal) = self.refusals.get(refusal) else { return };
        let error = DecodeError::WrongType {
            field: refusal.label.clone(),
            expected: refusal.expected,
            found: refusal.found.clone(),
        };
        row.refuse_all(&refusal.leaves, &error);
    }

    fn set_nulls(&self, list: usize, row: &mut Row<'_>) {
        self.nulls.get(list).into_iter().flatten().for_each(|leaf| row.put_null(*leaf));
    }

    fn skip_blocks(
        &self,
        item: usize,
        input: &mut Input<'_>,
        row: &mut Row<'_>,
        depth: u32,
    ) -> Result<(), DecodeError> {
        // Items of no bytes are none to skip, however many there are; every other one is at least a
        // byte, so that the bytes bound the loop.
        let empty = self.routines.get(item).is_none_or(Vec::is_empty);
        loop {
            let (count, size) = input.block().map_err(|b| bad(b, input))?;
            match size {
                _ if count == 0 => return Ok(()),
                Some(size) => drop(input.take(size).map_err(|b| bad(b, input))?),
                None if empty => {}
                None => {
                    for _ in 0..count {
                        self.routine(item, input, row, depth)?;
                    }
                }
            }
        }
    }

    fn entries(
        &self,
        entries: usize,
        input: &mut Input<'_>,
        row: &mut Row<'_>,
        depth: u32,
    ) -> Result<(), DecodeError> {
        let Some(entries) = self.entries.get(entries) else { return Ok(()) };
        loop {
            let (count, size) = input.block().map_err(|b| bad(b, input))?;
            if count == 0 {
                return Ok(());
            }
            let start = input.at();
            for _ in 0..count {
                let key = input.bytes().map_err(|b| bad(b, input))?;
                let wanted = entries.wanted.iter().find(|(name, _)| name.as_bytes() == key);
                let routine = wanted.map_or(entries.skip, |(_, routine)| *routine);
                self.routine(routine, input, row, depth)?;
            }
            if size.is_some_and(|size| size != input.at() - start) {
                return Err(bad(Bad::Size, input));
            }
        }
    }
}

#[cold]
pub(super) fn bad(bad: Bad, input: &Input<'_>) -> DecodeError {
    DecodeError::Avro { reason: bad.text(), at: input.at() }
}
