//! The commands of one row, in each layout that is written.

use super::{Command, Flush, Mode, Of, Outcome, SentRow, Source};
use crate::online::dirt::Entry;
use crate::online::redis::wire::{self, FormWire, NamedFields, count};
use crate::online::rows::{DOUBT, FOREIGN, Row};

impl Flush {
    /// Adds a row; whether there was anything to send. `expire`: refresh its TTL too.
    pub(crate) fn row(
        &mut self,
        entry: Entry,
        mode: Mode,
        expire: bool,
        source: &Source<'_>,
    ) -> bool {
        let of = Of::Row(self.rows.len());
        let before = self.expected.len();
        let expire = expire && !source.row.is_null();
        for form in &source.wire.forms {
            self.place(form, source.id);
            // Only the view's own fields are replaced in a key that is other views' too.
            let whole = !form.is_shared() || source.row.has(FOREIGN);
            match mode {
                Mode::Delta => self.delta(of, source, form, expire),
                Mode::First if !source.row.is_null() => self.first(of, source, form),
                Mode::Replace if whole => self.replace(of, source, form),
                Mode::First | Mode::Upsert | Mode::Replace => self.upsert(of, source, form),
            }
            if expire && !(mode == Mode::Replace && whole) {
                form.pexpire(source.id, &mut self.buffer);
                self.expect(Command::Pexpire, of, Some(1));
            }
        }
        if self.expected.len() == before {
            return false;
        }
        if mode == Mode::Delta {
            self.again += self.expected.len() - before;
        }
        let (ttl, outcome) = (source.wire.ttl, Outcome::Written);
        self.rows.push(SentRow { entry, expire, ttl, outcome });
        true
    }

    fn delta(&mut self, of: Of, source: &Source<'_>, form: &FormWire, expire: bool) {
        let row = source.row;
        self.set.clear();
        self.gone.clear();
        let certain = !row.has(DOUBT);
        let (mut added, mut known) = (0, false);
        let masks = row.pending.iter().zip(row.valid.iter()).zip(row.written.iter());
        for ((pending, valid), written) in masks {
            let set = pending & valid;
            self.set.push(set);
            self.gone.push(pending & !valid & written);
            added += (set & !written).count_ones() as usize;
            known |= set & written != 0;
        }
        if form.is_shared() {
            return self.shared_delta(of, source, form, (added, certain, expire));
        }
        if row.is_null() {
            // No field, no key, whatever others may have put there.
            if row.pending.iter().any(|group| *group != 0) {
                form.del(source.id, &mut self.buffer);
                self.expect(Command::Del, of, None);
            }
            return;
        }
        if !known && count(&self.set) > 0 {
            // Only new fields: a key that was lost would answer just as we expect. One field that
            // must be there already tells.
            let held = row.valid.iter().zip(row.written.iter()).map(|(v, w)| v & w);
            if let Some((set, held)) = self.set.iter_mut().zip(held).find(|(_, held)| *held != 0) {
                *set |= held & held.wrapping_neg();
            }
        }
        if count(&self.set) > 0 {
            self.hset(of, source, form, Some(added).filter(|_| certain));
        }
        let gone = count(&self.gone);
        if gone > 0 {
            self.hdel(of, source, form, false, Some(gone).filter(|_| certain));
        }
        if expire && certain && !self.no_hlen {
            // Seldom enough to look for fields that nobody of us has written.
            form.hlen(source.id, &mut self.buffer);
            self.expect(Command::Hlen, of, Some(count(row.valid)));
        }
    }

    /// The same in a key with other views' fields, of which nothing is known. The field that says as of
    /// when the row is goes along with every write: it is there as long as the row is.
    fn shared_delta(
        &mut self,
        of: Of,
        source: &Source<'_>,
        form: &FormWire,
        (added, certain, expire): (usize, bool, bool),
    ) {
        let row = source.row;
        let gone = count(&self.gone);
        let (none, was_none) = (row.is_null(), row.written.iter().all(|group| *group == 0));
        let leaves = none && !was_none;
        let mut removed = Some(gone + usize::from(leaves)).filter(|_| certain);
        if expire || leaves {
            // Seldom enough to write the whole row, whatever others have made of it.
            self.every_feature(row);
            self.every_null(source);
            removed = None;
        }
        if !none && (gone > 0 || count(&self.set) > 0) {
            let added = added + usize::from(was_none);
            self.hset(of, source, form, Some(added).filter(|_| certain));
        }
        if leaves || count(&self.gone) > 0 {
            self.hdel(of, source, form, leaves, removed);
        }
    }

    fn first(&mut self, of: Of, source: &Source<'_>, form: &FormWire) {
        self.every_feature(source.row);
        let fields = count(&self.set) + usize::from(form.is_shared());
        let mut groups = source.row.valid.iter().enumerate();
        let whole = groups.all(|(group, valid)| *valid == source.wire.all_of(group));
        self.hset(of, source, form, Some(fields).filter(|_| !whole));
        if let Some(expected) = self.expected.last_mut() {
            expected.otherwise = Outcome::Found;
        }
    }

    fn upsert(&mut self, of: Of, source: &Source<'_>, form: &FormWire) {
        self.every_feature(source.row);
        self.every_null(source);
        if count(&self.set) > 0 {
            self.hset(of, source, form, None);
        }
        let leaves = form.is_shared() && source.row.is_null();
        if leaves || count(&self.gone) > 0 {
            self.hdel(of, source, form, leaves, None);
        }
    }

    /// As one transaction: a reader never sees the key missing, and when Redis has no memory for
    /// the new row the old one stays.
    fn replace(&mut self, of: Of, source: &Source<'_>, form: &FormWire) {
        let id = source.id;
        if source.row.is_null() {
            form.del(id, &mut self.buffer);
            self.expect(Command::Del, of, None);
            return;
        }
        self.every_feature(source.row);
        let alone = !self.is_fenced();
        if alone {
            wire::multi(&mut self.buffer);
            self.expect(Command::Multi, of, None);
        }
        form.del(id, &mut self.buffer);
        self.expect(Command::Del, of, None);
        self.hset(of, source, form, None);
        form.pexpire(id, &mut self.buffer);
        self.expect(Command::Pexpire, of, None);
        if alone {
            wire::exec(&mut self.buffer);
            self.expect(Command::Exec, of, None);
        }
    }

    fn every_feature(&mut self, row: &Row<'_>) {
        self.set.clear();
        self.set.extend_from_slice(row.valid);
    }

    fn every_null(&mut self, source: &Source<'_>) {
        self.gone.clear();
        let valid = source.row.valid.iter().enumerate();
        self.gone.extend(valid.map(|(group, valid)| source.wire.all_of(group) & !valid));
    }

    fn hset(&mut self, of: Of, source: &Source<'_>, form: &FormWire, added: Option<usize>) {
        let fields = NamedFields { masks: &self.set, stamp: true };
        let (scratch, buffer) = (&mut self.scratch, &mut self.buffer);
        form.hset(source.id, fields, source.row, source.texts, scratch, buffer);
        self.expect(Command::Hset, of, added);
    }

    fn hdel(
        &mut self,
        of: Of,
        source: &Source<'_>,
        form: &FormWire,
        stamp: bool,
        removed: Option<usize>,
    ) {
        let fields = NamedFields { masks: &self.gone, stamp };
        form.hdel(source.id, fields, &mut self.buffer);
        self.expect(Command::Hdel, of, removed);
    }
}
