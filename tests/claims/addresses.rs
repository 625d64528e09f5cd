//! One address is one value, however a record, a table or a job writes it.

use crate::folder::Folder;
use crate::memory::{Log, Run, replay};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::net::IpAddr;
use std::sync::Arc;
use tidemark::engine::Online;
use tidemark::job_file;
use tidemark_operators::plan::Plan;

const T: u64 = 1_767_484_955_000;

/// An address in whatever way, where a job or a table has it.
const JOB: &str = r#"
[job]
name = "addresses"
[sources.tx]
files = ["memory"]
time = "timestamp"
out_of_orderness = "5s"
[sources.tx.fields]
card_id = "string"
amount = "decimal"
ip = { type = "ip", default = "{unknown}" }
[sources.tx.lookup]
owner = { table = "owners", key = "ip", column = "owner" }
gateway = { table = "owners", key = "ip", column = "gateway", default = "{a}" }
network = { table = "networks", key = "ip", column = "name" }
[tables.owners]
file = "owners.csv"
key = "address"
key_type = "ip"
columns = { owner = "string", gateway = "ip?" }
valid_from = "since"
[tables.networks]
file = "networks.csv"
key = "prefix"
match = "prefix"
columns = { name = "string" }
[entities.card]
key = "card_id"
[entities.address]
key = "ip"
[views.cards]
entity = "card"
[views.cards.features]
ips = { aggregate = "distinct", of = "ip", window = "5m" }
pairs = { aggregate = "distinct", of = ["ip", "card_id"], window = "5m" }
equal = { aggregate = "count", where = 'ip = "{a}"', window = "5m" }
other = { aggregate = "count", where = 'ip != "{a}"', window = "5m" }
among = { aggregate = "count", where = 'ip in {"{a}", "{b}"}', window = "5m" }
moved = { aggregate = "changes", of = "ip", window = "5m" }
fresh = { aggregate = "is_new", of = "ip" }
spread = { aggregate = "entropy", of = "ip", window = "5m" }
even = { aggregate = "entropy", of = "ip", window = "5m", normalised = true }
newest = { aggregate = "latest", of = "ip", horizon = "1h" }
before = { aggregate = "previous", of = "ip", horizon = "1h" }
owners = { aggregate = "distinct", of = "owner", window = "5m" }
gateways = { aggregate = "distinct", of = "gateway", window = "5m" }
networks = { aggregate = "distinct", of = "network", window = "5m" }
is_back = { expression = 'newest = before' }
is_a = { expression = 'newest = "{a}"' }
[views.addresses]
entity = "address"
[views.addresses.features]
cards = { aggregate = "distinct", of = "card_id", window = "5m" }
n = { aggregate = "count", window = "5m" }
"#;

const OWNERS: &str = "\
address,owner,gateway,since
{a},one,{b},
{a},two,{c},2026-01-04T00:05:00Z
{b},two,,
{c},three,{a},
{d},three,{c},
";

const NETWORKS: &str = "\
prefix,name
192.0.2.0/24,here
{a},door
2001:db8::/32,far
::/8,nowhere
";

/// The addresses, and all the ways in which each is written here; the first is the usual one.
const ADDRESSES: [(&str, &[&str]); 5] = [
    (
        "{a}",
        &[
            "192.0.2.7",
            "::ffff:192.0.2.7",
            "::ffff:c000:207",
            "::FFFF:C000:0207",
            "0::ffff:c000:207",
        ],
    ),
    ("{b}", &["2001:db8::b", "2001:DB8::B", "2001:0db8:0:0:0:0:0:000b"]),
    ("{c}", &["192.0.2.8", "::ffff:192.0.2.8"]),
    // Not that IPv4 address: nothing maps it to one.
    ("{d}", &["::192.0.2.7", "::c000:207"]),
    ("{unknown}", &["0.0.0.0", "::ffff:0.0.0.0"]),
];

/// `text` with every address in one of its ways, or in the usual one.
fn written(text: &str, mut ways: Option<&mut SmallRng>) -> String {
    let mut text = text.to_owned();
    for (name, texts) in ADDRESSES {
        while text.contains(name) {
            let way = ways.as_mut().map_or(0, |random| random.random_range(0..texts.len()));
            text = text.replacen(name, texts[way], 1);
        }
    }
    text
}

fn plan(folder: &Folder, mut ways: Option<&mut SmallRng>) -> Arc<Plan> {
    folder.write("owners.csv", written(OWNERS, ways.as_deref_mut()));
    folder.write("networks.csv", written(NETWORKS, ways.as_deref_mut()));
    let path = folder.write("job.toml", written(JOB, ways));
    job_file::load(path.to_str().unwrap()).unwrap_or_else(|e| panic!("{e}")).plan
}

/// Records with names of addresses in the place of addresses.
fn history(random: &mut SmallRng) -> Vec<Vec<String>> {
    let record = |at: u64, partition: u64, random: &mut SmallRng| {
        let ts = T + at * 400 + random.random_range(0..3_000) + partition;
        let ip = match random.random_range(0..6) {
            5 => String::new(),
            at => format!(",\"ip\":\"{}\"", ADDRESSES[[0, 0, 1, 2, 3][at]].0),
        };
        let card = random.random_range(0..4);
        format!("{{\"timestamp\":{ts},\"card_id\":\"c{card}\",\"amount\":10{ip}}}")
    };
    (0..2).map(|p| (0..700).map(|at| record(at, p, random)).collect()).collect()
}

#[test]
fn no_way_of_writing_an_address_shows_in_any_row() {
    for seed in 0..4 {
        let mut random = SmallRng::seed_from_u64(seed);
        let records = history(&mut random);
        let log = |mut ways: Option<&mut SmallRng>| -> Log {
            let mut each = |r: &String| written(r, ways.as_deref_mut()).into_bytes();
            records.iter().map(|records| records.iter().map(&mut each).collect()).collect()
        };
        let (usual, strange) = (log(None), log(Some(&mut random)));
        assert_ne!(usual, strange, "there is another way");
        let folder = Folder::new("addresses");
        let should = replay(&plan(&folder, None), &usual, &Run::default());
        let plan = plan(&folder, Some(&mut random));
        for workers in [1, 3] {
            let online = if workers == 3 { Online::EveryStep } else { Online::AtEnd };
            let found = replay(&plan, &strange, &Run { workers, seed, online, ..Run::default() });
            assert!(found.sealed == should.sealed, "seed {seed}, {workers} workers, sealed");
            assert_eq!(found.live, should.live, "seed {seed}, {workers} workers, live");
        }
        assert_eq!(should.live.keys().filter(|key| key.starts_with("addresses/")).count(), 5);
        for part in ["\"ips\":5", "\"gateways\":3", "\"networks\":4", "\"is_back\":true"] {
            assert!(should.sealed.contains(part), "no {part} in seed {seed}");
        }
    }
}

#[test]
fn an_ipv4_address_inside_of_an_ipv6_one_is_the_same_client() {
    let folder = Folder::new("addresses");
    let plan = plan(&folder, None);
    let ips = ["192.0.2.7", "::ffff:192.0.2.7", "::ffff:c000:207"];
    let record = |(ms, ip): (u64, &&str)| {
        let ts = T + ms;
        format!("{{\"timestamp\":{ts},\"card_id\":\"c\",\"amount\":10,\"ip\":\"{ip}\"}}")
            .into_bytes()
    };
    let log = vec![(0..).zip(&ips).map(record).collect()];
    let found = replay(&plan, &log, &Run::default());
    let mut cards = found.sealed.lines().filter(|line| line.contains("\"ips\""));
    let last = cards.next_back().unwrap();
    for row in [last, &found.live["cards/c"]] {
        for part in [
            "\"ips\":1,",
            "\"equal\":3,",
            "\"moved\":0,",
            "\"fresh\":false,",
            "\"spread\":0.0,",
            "\"networks\":1,",
        ] {
            assert!(row.contains(part), "no {part} in {row}");
        }
    }
    assert_eq!(found.live["addresses/192.0.2.7"], "{\"cards\":1,\"n\":3}");
    assert_eq!(found.live.len(), 2, "{:?}", found.live);
}

#[test]
fn the_ways_of_the_table_are_ways_of_one_address_each() {
    let parsed = ADDRESSES.map(|(_, texts)| {
        let canonical = |text: &&str| text.parse::<IpAddr>().unwrap().to_canonical();
        let addresses: Vec<_> = texts.iter().map(canonical).collect();
        assert!(addresses.iter().all(|address| *address == addresses[0]), "{texts:?}");
        addresses[0]
    });
    assert!((0..5).all(|at| !parsed[..at].contains(&parsed[at])));
}
