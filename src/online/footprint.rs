//! What the newest rows take in memory.

use crate::online::ids::Ids;
use crate::online::rows::RowWidth;
use crate::online::texts::Texts;
use tidemark_operators::footprint::Load;
use tidemark_operators::plan::ViewPlan;
use tidemark_operators::slab::doubled_bytes;

/// The bytes of an entry of the calendar of TTLs, the slack of its buckets included.
const CALENDAR_BYTES: u64 = 2 * size_of::<(u32, u32)>() as u64;

/// The bytes of one row of each live entity in `view`, with what says when it is to be refreshed in
/// Redis.
pub fn rows_bytes(view: &ViewPlan, load: &Load) -> u64 {
    let texts = view.features.iter().filter(|feature| feature.ty.is_bytes()).count() as u64;
    let row = RowWidth::new(view.features.len()).row_bytes() + CALENDAR_BYTES;
    load.entities * (row + texts * Texts::bytes_for(load.text_bytes))
}

/// The bytes of the ids of the entities of one type, by which rows are found.
pub fn ids_bytes(load: &Load) -> u64 {
    let map = doubled_bytes(load.entities * 8 / 7, Ids::ENTRY_BYTES);
    load.entities * Ids::place_bytes(load.text_bytes) + map
}
