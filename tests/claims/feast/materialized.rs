//! A materialization that somebody runs by mistake.

use super::*;

/// Before all events: from where on Feast's first incremental run reads, however long ago that is.
const BEFORE: &str = "2025-12-01T00:00:00";
const BEGUN: &str = "2025-12-01T00:00:01";
const LONG_AFTER: &str = "2026-12-01T00:00:00";
/// Of history that is as old as the oldest rows, and of one that is newer than all.
const OLD: u64 = 1_767_225_600_000;
const NEW: u64 = 1_780_272_000_000;

/// Every key with its fields.
fn dump(world: &World) -> BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut client = world.client();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("\u{1}*").query(&mut client).unwrap();
    let hash = |key: Vec<u8>| {
        let fields = redis::cmd("HGETALL").arg(&key).query(&mut client).unwrap();
        (key, fields)
    };
    keys.into_iter().map(hash).collect()
}

/// Makes other values than those of the rows the history of each view, as of `time`. Says how many rows.
fn write_history(
    world: &World,
    rows: &BTreeMap<(String, String), Value>,
    reader: &mut Reader,
    time: u64,
) -> usize {
    let mut count = 0;
    for (entity, planned) in world.plan.entities.iter().enumerate() {
        let (key, numbers) = world.join_key(entity);
        for view in &planned.views {
            let of = rows.keys().filter(|(name, _)| *name == view.name);
            let row = |id: &String| {
                let value = |ty| match ty {
                    Type::Int | Type::Timestamp => json!(-9),
                    Type::Double | Type::Decimal(_) => json!(-9.5),
                    Type::Bool => json!(false),
                    Type::Text | Type::Ip => json!("another"),
                };
                let features = view.features.iter().map(|it| (it.name.clone(), value(it.ty)));
                let mut row: serde_json::Map<String, Value> = features.collect();
                let id = if numbers { json!(id.parse::<i64>().unwrap()) } else { json!(id) };
                row.extend([(key.clone(), id), ("event_timestamp".to_owned(), json!(time))]);
                Value::Object(row)
            };
            let history: Vec<_> = of.map(|(_, id)| row(id)).collect();
            assert!(!history.is_empty(), "{}", view.name);
            count += history.len();
            reader.ask(&json!({ "history": view.name, "rows": history }));
        }
    }
    count
}

/// Run with a history of other values that is no newer than the rows. One that is newer is written, so it would
/// have been.
pub fn materialize_changes_nothing(
    world: &World,
    rows: &BTreeMap<(String, String), Value>,
    feast: &Feast<'_>,
    reader: &mut Reader,
) {
    let before = dump(world);
    assert!(before.len() > 100);
    assert!(write_history(world, rows, reader, OLD) > 500);
    feast.run(&["materialize", BEFORE, BEGUN]);
    feast.run(&["materialize-incremental", LONG_AFTER]);
    assert_eq!(dump(world), before);
    write_history(world, rows, reader, NEW);
    feast.run(&["materialize", BEFORE, LONG_AFTER]);
    let after = dump(world);
    let changed = before.iter().filter(|(key, row)| after.get(*key) != Some(row));
    assert_eq!(changed.count(), before.len(), "each has a newer history");
    // As it was.
    let mut client = world.client();
    for (key, row) in &before {
        redis::cmd("DEL").arg(key).exec(&mut client).unwrap();
        redis::cmd("HSET").arg(key).arg(row).exec(&mut client).unwrap();
    }
    assert_eq!(dump(world), before);
}
