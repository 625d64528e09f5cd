//! Which servers make up the Redis that rows are in, and where each of them listens.

use std::fmt;
use std::str::FromStr;

/// Where a server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerAddress {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// The servers that make up a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One server: rows are written to it while it is a primary.
    Single(ServerAddress),
    /// A primary and its replicas, and Sentinels that say which of them is the primary.
    Sentinel(SentinelSettings),
    /// A cluster, by some of its servers: the others are heard of from them.
    Cluster(Vec<ServerAddress>),
}

/// How the primary is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentinelSettings {
    /// Where Sentinels listen; the answer of those that can be asked is taken.
    pub addresses: Vec<ServerAddress>,
    /// What they call the primary.
    pub name: String,
    /// User at the Sentinels. Default: none.
    pub username: Option<String>,
    /// Password at the Sentinels. Default: none.
    pub password: Option<super::Secret>,
}

/// A text that is no `host:port`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be host:port, with an IPv6 address in brackets")]
pub struct AddressError;

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError)?;
        let port = port.parse().ok().filter(|port| *port > 0).ok_or(AddressError)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        // A colon without brackets is of an address whose port is not to be told from it; an `@` stands
        // behind a password.
        if host.is_empty()
            || bare.is_none() && host.contains(':')
            || host.contains(['[', ' ', '@', '/', '#'])
        {
            return Err(AddressError);
        }
        Ok(ServerAddress { host: host.to_owned(), port })
    }
}

impl ServerAddress {
    /// Reads `host:port`, separated by commas; none twice.
    ///
    /// # Errors
    /// What is wrong, as it goes behind the name of a key.
    pub fn list(text: &str) -> Result<Vec<ServerAddress>, String> {
        let mut all = Vec::new();
        for part in text.split(',') {
            let address = part.trim().parse::<ServerAddress>();
            let address =
                address.map_err(|error| format!("{error}; several are separated by commas"))?;
            if all.contains(&address) {
                return Err("names a server twice".to_owned());
            }
            all.push(address);
        }
        Ok(all)
    }
}

impl fmt::Display for RedisServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisServers::Single(address) => address.fmt(f),
            RedisServers::Sentinel(SentinelSettings { name, .. }) => {
                write!(f, "the primary '{name}' of Sentinel")
            }
            RedisServers::Cluster(seeds) => {
                let seeds: Vec<_> = seeds.iter().map(ServerAddress::to_string).collect();
                write!(f, "the cluster of {}", seeds.join(", "))
            }
        }
    }
}

impl RedisServers {
    /// One server on this machine.
    pub fn on_loopback(port: u16) -> Self {
        RedisServers::Single(ServerAddress { host: "127.0.0.1".to_owned(), port })
    }
}

impl Default for RedisServers {
    fn default() -> Self {
        RedisServers::on_loopback(6379)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_with_ports_and_are_shown_as_they_are_read() {
        for text in ["a:1", "10.0.0.1:26379", "[::1]:6379", "cache.example:65535"] {
            assert_eq!(text.parse::<ServerAddress>().unwrap().to_string(), text);
        }
        for wrong in
            ["", "a", "a:0", ":1", "a:x", "a:65536", "::1:6379", "[]:1", "a b:1", "pass@a:1"]
        {
            assert_eq!(wrong.parse::<ServerAddress>(), Err(AddressError), "{wrong}");
        }
        assert_eq!(ServerAddress::list("a:1, b:1").unwrap().len(), 2);
        assert!(ServerAddress::list("a:1,a:1").unwrap_err().contains("twice"));
        assert!(ServerAddress::list("a:1,").unwrap_err().contains("commas"));
    }
}
