//! The reference table `ip_reputation`, looked up by trying every row.

use std::net::IpAddr;
use std::path::Path;

/// Networks and their scores.
#[derive(Default)]
pub struct Reputation(Vec<(IpAddr, u32, f64)>);

impl Reputation {
    /// The table that comes with the jobs.
    pub fn shipped() -> Reputation {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jobs/ip_reputation.csv");
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| {
            panic!("reading {}: {e}: the job `behavior` needs this table", path.display())
        });
        Reputation::read(&text)
    }

    /// Rows of `network,score` under a heading that says so.
    pub fn read(text: &str) -> Reputation {
        let mut lines = text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#'));
        assert_eq!(lines.next(), Some("network,score"), "the table's heading");
        let row = |line: &str| {
            let (network, score) = line.split_once(',').unwrap();
            let (address, length) = match network.split_once('/') {
                Some((address, length)) => (address.parse().unwrap(), length.parse().unwrap()),
                None => {
                    let address: IpAddr = network.parse().unwrap();
                    (address, if address.is_ipv4() { 32 } else { 128 })
                }
            };
            (address, length, score.parse().unwrap())
        };
        Reputation(lines.map(row).collect())
    }

    /// The score of the longest network that `address` is in.
    pub fn score(&self, address: &str) -> Option<f64> {
        let address: IpAddr = address.parse().unwrap();
        let around =
            self.0.iter().filter(|(network, length, _)| inside(address, *network, *length));
        around.max_by_key(|(_, length, _)| *length).map(|(.., score)| *score)
    }

    /// An address inside each network, and one just before it.
    pub fn addresses(&self) -> Vec<String> {
        let step = |address: IpAddr, by: i8| match address {
            IpAddr::V4(v4) => IpAddr::V4(v4.to_bits().wrapping_add_signed(by.into()).into()),
            IpAddr::V6(v6) => IpAddr::V6(v6.to_bits().wrapping_add_signed(by.into()).into()),
        };
        let near = |(network, ..): &(IpAddr, u32, f64)| [step(*network, 0), step(*network, -1)];
        self.0.iter().flat_map(near).map(|address| address.to_string()).collect()
    }
}

fn inside(address: IpAddr, network: IpAddr, length: u32) -> bool {
    let bits = |ip: IpAddr| -> String {
        match ip {
            IpAddr::V4(v4) => format!("{:032b}", v4.to_bits()),
            IpAddr::V6(v6) => format!("{:0128b}", v6.to_bits()),
        }
    };
    let (address, network) = (bits(address), bits(network));
    address.len() == network.len() && address[..length as usize] == network[..length as usize]
}

#[test]
fn the_longest_network_counts() {
    let table =
        "network,score\n10.0.0.0/8,0.1\n10.1.0.0/16,0.9\n10.1.2.3/32,0.25\n2001:db8::/32,1\n";
    let table = Reputation::read(table);
    let score = |ip| table.score(ip);
    assert_eq!(score("10.2.0.1"), Some(0.1));
    assert_eq!(score("10.1.2.4"), Some(0.9));
    assert_eq!(score("10.1.2.3"), Some(0.25));
    assert_eq!(score("11.1.2.3"), None);
    assert_eq!(score("2001:db8:ffff::1"), Some(1.0));
    assert_eq!(score("2001:db9::"), None);
}
