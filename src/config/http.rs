//! The HTTP server.

use crate::config::keys::Keys;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

/// The HTTP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// The address it listens on; default 127.0.0.1, as it has no authentication.
    pub bind: IpAddr,
    /// Its port; 0 takes any free one; default 8088.
    pub port: u16,
    /// A worker that has not stepped for so long is stalled; default 30 s.
    pub stall_after: Duration,
    /// Names by which it and the feature server may be asked, besides those that are always allowed: separated by commas;
    /// `*.example.com` is all below `example.com`; default none.
    pub names: Option<String>,
    /// Whether `/metrics` has what the operators of each worker do; default true.
    pub operator_metrics: bool,
}

impl Default for HttpSettings {
    fn default() -> Self {
        HttpSettings {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8_088,
            stall_after: Duration::from_secs(30),
            names: None,
            operator_metrics: true,
        }
    }
}

impl HttpSettings {
    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.bind, self.port)
    }

    /// The names of [`names`](Self::names).
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.names.iter().flat_map(|names| names.split(',')).map(str::trim)
    }

    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        let mut bind = self.bind.to_string();
        keys.text("bind", &address, &mut bind);
        if let Ok(address) = bind.parse() {
            self.bind = address;
        }
        keys.port("port", 0, &mut self.port);
        let bounds = Duration::from_secs(2)..=Duration::from_secs(3_600);
        keys.duration("stall_after", bounds, &mut self.stall_after);
        keys.optional_text("names", &names, &mut self.names);
        keys.flag("operator_metrics", &mut self.operator_metrics);
    }
}

/// Whether a text is names of hosts.
fn names(text: &str) -> Result<(), String> {
    let is_name = |name: &str| {
        let name = name.strip_prefix("*.").unwrap_or(name);
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !name.is_empty() && !name.starts_with('.') && name.bytes().all(allowed)
    };
    match text.split(',').map(str::trim).find(|name| !is_name(name)) {
        None => Ok(()),
        Some(name) => Err(format!(
            "must be names of hosts, separated by commas, as in \"metrics.example.com, \
             *.prod.example.com\"; \"{name}\" is none"
        )),
    }
}

/// Whether a text is an address to listen on.
pub(super) fn address(text: &str) -> Result<(), String> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err("must be an IP address: 127.0.0.1, or 0.0.0.0 for every network".to_owned()),
    }
}
