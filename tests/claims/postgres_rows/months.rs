//! Tables of months that somebody takes out of the table of their view.

use super::*;

#[test]
fn a_month_that_was_taken_out_by_hand_is_named_and_takes_no_row_until_it_is_there_again() {
    let world = World::new(86, "");
    let expected = run::expected(&world.half.log);
    let months = "select child.relname from pg_inherits join pg_class child on child.oid = inhrelid \
                  where inhparent = 'tidemark.transaction_stats_5m'::regclass and child.relname not like '%1970_01'";
    let mut process = world.start("");
    process.until_ready();
    world.until_written(&process);
    let month = world.postgres.ask(months).trim().to_owned();
    assert!(month.starts_with("transaction_stats_5m_p") && !month.contains('\n'), "{month}");
    let count = || world.postgres.ask(&format!("select count(*) from tidemark.{month}"));
    world.postgres.ask(&format!(
        "alter table tidemark.transaction_stats_5m detach partition tidemark.{month}"
    ));
    let held = count();
    world.half.rest(&expected);
    let named =
        format!("the table {month} of the schema tidemark is no partition of transaction_stats_5m");
    let is_named = |process: &Process| process.get("/health").unwrap().1.contains(&named);
    until("health to name the table", || is_named(&process));
    process.stop("TERM");
    // Nor does another process take it for a month that is not there yet.
    let mut process = world.start("");
    process.until_ready();
    until("health to name the table", || is_named(&process));
    assert_eq!(count(), held, "no row is in it");
    let (year, number) = month.rsplit_once('_').unwrap();
    let year: u32 = year.rsplit_once('p').unwrap().1.parse().unwrap();
    let number: u32 = number.parse().unwrap();
    let next = if number == 12 { (year + 1, 1) } else { (year, number + 1) };
    world.postgres.ask(&format!(
        "alter table tidemark.transaction_stats_5m attach partition tidemark.{month} for values from \
         ('{year}-{number:02}-01 00:00:00+00') to ('{}-{:02}-01 00:00:00+00')",
        next.0, next.1
    ));
    world.until_written(&process);
    process.stop("TERM");
    world.compare(&expected);
}
