//! Envelopes: what a record of a change log tells of, before anything is asked of its row.

use super::cell::{Affected, Fault};
use super::error::DecodeError;
use crate::plan::{EnvelopePlan, Operation};
use crate::value::Column;

/// Whether the operation of `row` makes an event of its record.
///
/// # Errors
/// When it is another one, or there is none.
pub(super) fn admit(
    envelope: &EnvelopePlan,
    faults: &[Fault],
    row: usize,
    columns: &[Column],
) -> Result<(), DecodeError> {
    let column = columns.get(envelope.op);
    let there = column.filter(|column| column.valid.get(row) == Some(&true));
    let Some(op) = there.and_then(|column| column.bytes(row)) else {
        return Err(unreadable(envelope, faults).unwrap_or(DecodeError::NoEnvelope));
    };
    match Operation::of(op) {
        operation if envelope.ops.contains(&operation) => Ok(()),
        operation => Err(DecodeError::Skipped(operation)),
    }
}

/// What is wrong with the operation.
#[cold]
fn unreadable(envelope: &EnvelopePlan, faults: &[Fault]) -> Option<DecodeError> {
    faults.iter().find_map(|fault| match fault {
        Fault::Unreadable { place: Affected::Field(field), error } if *field == envelope.op => {
            Some(error.clone())
        }
        Fault::Unreadable { .. } | Fault::Rounded(_) => None,
    })
}
