//! What the features of a drafted job are of: fields that look like somebody's id.

use super::job_draft::{EntityDraft, FieldDraft};
use super::names::{self, Names};
use std::collections::HashSet;
use tidemark_operators::value::Type;

/// How many are drafted.
const ENTITIES_MAX: usize = 3;
/// Of fewer records it does not show whether an id comes again.
const RECORDS_LEAST: u64 = 20;
/// Who or what has an id, those that are asked about most first.
const SUBJECTS: [&str; 44] = [
    "card",
    "pan",
    "account",
    "iban",
    "customer",
    "client",
    "cardholder",
    "user",
    "username",
    "login",
    "principal",
    "actor",
    "member",
    "subscriber",
    "employee",
    "person",
    "visitor",
    "anonymous",
    "device",
    "host",
    "hostname",
    "machine",
    "computer",
    "sensor",
    "merchant",
    "seller",
    "shop",
    "payee",
    "email",
    "upn",
    "phone",
    "session",
    "role",
    "domain",
    "ip",
    "ipaddr",
    "src",
    "source",
    "remote",
    "rhost",
    "addr",
    "address",
    "peer",
    "tenant",
];
/// What a name ends with that is an id.
const ENDINGS: [&str; 39] = [
    "id",
    "no",
    "number",
    "key",
    "name",
    "email",
    "ip",
    "ipaddr",
    "address",
    "addr",
    "user",
    "username",
    "account",
    "card",
    "iban",
    "pan",
    "hash",
    "token",
    "fingerprint",
    "upn",
    "principal",
    "hostname",
    "host",
    "login",
    "uid",
    "mail",
    "actor",
    "device",
    "client",
    "customer",
    "merchant",
    "userid",
    "guid",
    "uuid",
    "arn",
    "rhost",
    "member",
    "computer",
    "phone",
];
/// What an event itself is called by.
const EVENT: [&str; 12] = [
    "transaction",
    "txn",
    "event",
    "message",
    "request",
    "trace",
    "order",
    "payment",
    "invoice",
    "correlation",
    "span",
    "record",
];

/// The entities of `fields`, which are those of so many records. Empty where no field can be a key.
pub(super) fn entities(fields: &mut [FieldDraft], records: u64) -> Vec<EntityDraft> {
    let mut ranked: Vec<(bool, usize, usize, String)> = Vec::new();
    for (at, field) in fields.iter().enumerate().filter(|(_, field)| can_be_key(field)) {
        let words = names::words(&field.path);
        let subject = subject(&words);
        let Some((rank, subject)) = subject else { continue };
        ranked.push((is_unsure(field, records), rank, at, subject.to_owned()));
    }
    ranked.sort();
    if ranked.iter().any(|(unsure, ..)| !unsure) {
        ranked.retain(|(unsure, ..)| !unsure);
    }
    let mut subjects = HashSet::new();
    ranked.retain(|(.., subject)| subjects.insert(subject.clone()));
    ranked.truncate(ENTITIES_MAX);
    let mut keys: Vec<usize> = ranked.into_iter().map(|(_, _, at, _)| at).collect();
    if keys.is_empty() {
        keys.extend(any_key(fields, records));
    }
    let mut names = Names::default();
    let drafted = keys.into_iter().filter_map(|key| {
        let field = fields.get(key)?;
        Some(EntityDraft { name: names.numbered(&entity_name(&field.name)), key })
    });
    drafted.collect()
}

fn can_be_key(field: &FieldDraft) -> bool {
    matches!(field.ty, Type::Text | Type::Int | Type::Ip)
}

/// Whether it is another one in all but a tenth of the records, or the same in all.
fn is_unsure(field: &FieldDraft, records: u64) -> bool {
    let values = records.saturating_sub(field.missing + field.invalid);
    records >= RECORDS_LEAST && (field.distinct <= 1 || field.distinct >= values - values / 10)
}

/// Whose id it is, by the words of its name.
fn subject(words: &[String]) -> Option<(usize, &'static str)> {
    let ends = words.last().is_some_and(|last| ENDINGS.contains(&last.as_str()));
    if !ends || words.iter().any(|word| EVENT.contains(&word.as_str())) {
        return None;
    }
    let place = |word: &String| SUBJECTS.iter().position(|known| known == word);
    let rank = words.iter().filter_map(place).min()?;
    Some((rank, SUBJECTS.get(rank)?))
}

/// The field with most values of those that come again, twice and more on average; else the first that could be a key.
fn any_key(fields: &[FieldDraft], records: u64) -> Option<usize> {
    let keys = || fields.iter().enumerate().filter(|(_, field)| can_be_key(field));
    let again = keys().filter(|(_, field)| {
        let values = records.saturating_sub(field.missing + field.invalid);
        field.distinct > 1 && field.distinct <= values / 2
    });
    let of_type = |ty: Type| keys().find(|(_, field)| field.ty == ty);
    let most = again.rev().max_by_key(|(_, field)| (field.ty == Type::Text, field.distinct));
    let any = most.or_else(|| of_type(Type::Text)).or_else(|| of_type(Type::Ip));
    any.or_else(|| of_type(Type::Int)).map(|(at, _)| at)
}

/// `card_id` is of a `card`.
fn entity_name(field: &str) -> String {
    let endings = ["_id", "_uid", "_guid", "_uuid", "_key", "_no", "_number", "_name", "_hash"];
    let stem = endings.iter().find_map(|ending| field.strip_suffix(ending));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(field).to_owned()
}
