//! The processes of a cluster.

use crate::config::Settings;
use crate::config::http::address;
use crate::config::keys::{Keys, not_empty};
use crate::config::online::TlsSettings;
use std::time::Duration;

/// The most processes of a cluster.
pub const PROCESSES_MAX: usize = 64;

/// Which processes a job runs in, and how they reach each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterSettings {
    /// `host:port` of each process, separated by commas, in their order. By default there is one.
    pub processes: Option<String>,
    /// Where a process listens for the others, when not at its own address in `processes`: its port
    /// stays what it is.
    pub bind: Option<String>,
    /// A process of which nothing is heard for so long is lost; default 5 s.
    pub timeout: Duration,
    /// What processes show each other, all three files or none; without them they speak in the clear.
    pub tls: TlsSettings,
    /// Whether connections between hosts may be without encryption and authentication; default no.
    pub insecure: bool,
    /// A process that ends so often within `failures_within` is not started again; default 5.
    pub failures_max: usize,
    /// See `failures_max`; default 5 min.
    pub failures_within: Duration,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        ClusterSettings {
            processes: None,
            bind: None,
            timeout: Duration::from_secs(5),
            tls: TlsSettings::default(),
            insecure: false,
            failures_max: 5,
            failures_within: Duration::from_secs(300),
        }
    }
}

impl ClusterSettings {
    pub(super) fn keys(&mut self, keys: &mut dyn Keys) {
        keys.optional_text("processes", &addresses, &mut self.processes);
        keys.optional_text("bind", &address, &mut self.bind);
        let bounds = Duration::from_millis(500)..=Duration::from_secs(600);
        keys.duration("timeout", bounds, &mut self.timeout);
        keys.optional_text("tls_ca_file", &not_empty, &mut self.tls.ca_file);
        keys.optional_text("tls_cert_file", &not_empty, &mut self.tls.cert_file);
        keys.optional_text("tls_key_file", &not_empty, &mut self.tls.key_file);
        keys.flag("insecure", &mut self.insecure);
        keys.count("failures_max", 1..=1000, &mut self.failures_max);
        let bounds = Duration::from_secs(1)..=Duration::from_secs(86_400);
        keys.duration("failures_within", bounds, &mut self.failures_within);
    }

    /// The addresses of the processes, in their order; none: there is one, which needs none.
    pub fn addresses(&self) -> Vec<String> {
        let named = self.processes.as_deref().unwrap_or_default().split(',').map(str::trim);
        named.filter(|address| !address.is_empty()).map(str::to_owned).collect()
    }

    /// How many processes there are, at least 1.
    pub fn count(&self) -> usize {
        self.addresses().len().max(1)
    }

    /// The host of process `process`; `None`: there is none of this number.
    pub fn host(&self, process: usize) -> Option<String> {
        let addresses = self.addresses();
        Some(addresses.get(process)?.rsplit_once(':')?.0.to_owned())
    }

    /// Where process `process` listens for the others, when not at its own address.
    pub fn listens(&self, process: usize) -> Option<String> {
        let port = self.addresses().get(process)?.rsplit_once(':')?.1.to_owned();
        self.bind.as_ref().map(|host| match host.contains(':') {
            // Of an IPv6 address and its port.
            true => format!("[{host}]:{port}"),
            false => format!("{host}:{port}"),
        })
    }

    /// The place of process `process` among those of its host: what is added to ports.
    pub fn place(&self, process: usize) -> usize {
        let own = self.host(process);
        (0..process).filter(|other| self.host(*other) == own).count()
    }

    /// What is wrong between its keys of security.
    fn insecure_contradictions(&self, several: bool) -> Vec<&'static str> {
        let TlsSettings { ca_file, cert_file, key_file } = &self.tls;
        let files = [ca_file, cert_file, key_file].iter().filter(|file| file.is_some()).count();
        let mut wrong = Vec::new();
        if !matches!(files, 0 | 3) {
            wrong.push(
                "[cluster] needs all of \"tls_ca_file\", \"tls_cert_file\" and \"tls_key_file\", or none: each \
                 process shows a certificate and takes those of one authority",
            );
        }
        if files > 0 && self.insecure {
            wrong.push(
                "\"insecure = true\" in [cluster] says that processes speak without TLS, and \"tls_ca_file\" that \
                 they do not: leave one away",
            );
        }
        if several && files == 0 && !self.insecure {
            wrong.push(
                "the processes in [cluster] are on several hosts, and what they send each other would be \
                 neither encrypted nor authenticated: name certificates by \"tls_ca_file\", \"tls_cert_file\" and \
                 \"tls_key_file\" there (page \"cluster\"), or keep them in a network of their own, and say so \
                 by \"insecure = true\"",
            );
        }
        wrong
    }

    /// What is wrong with these settings beside the others.
    pub(super) fn contradictions(&self, all: &Settings) -> Vec<&'static str> {
        let addresses = self.addresses();
        let mut hosts = (0..addresses.len()).filter_map(|process| self.host(process));
        let several = hosts.any(|host| Some(host) != self.host(0));
        let mut wrong = self.insecure_contradictions(several);
        if addresses.len() < 2 {
            return wrong;
        }
        match &all.state.url {
            None => wrong.push(
                "several processes in [cluster] need \"url\" in [state]: what a process that is lost \
                 has held is there only",
            ),
            Some(url) if several && !url.starts_with("s3://") => wrong.push(
                "\"url\" in [state] is a folder, and the processes in [cluster] are on several hosts: \
                 name a store that all of them reach, such as s3://bucket/prefix",
            ),
            Some(_) => {}
        }
        let most = (0..addresses.len()).map(|process| self.place(process)).max().unwrap_or(0);
        let base = usize::from(all.http.port);
        if base == 0 || base + most > usize::from(u16::MAX) {
            wrong.push(
                "the HTTP port of a process is \"port\" in [http] and its place among those of its host, \
                 which the others have to know: it must not be 0, and leave room for all",
            );
        }
        if all.serve.enabled {
            wrong.extend(serve_contradictions(usize::from(all.serve.port), base, most));
        }
        wrong
    }
}

/// What is wrong with the ports of feature servers, of which the first is `serve`, beside those at which processes
/// answer, of which the first is `http`; `most` is added to both at most.
fn serve_contradictions(serve: usize, http: usize, most: usize) -> Option<&'static str> {
    if serve + most > usize::from(u16::MAX) {
        return Some(
            "the port of a process's feature server is \"port\" in [serve] and its place among those of its \
             host: it must leave room for all",
        );
    }
    (serve > 0 && serve.abs_diff(http) <= most).then_some(
        "to \"port\" in [serve] and in [http] the place of a process among those of its host is added: they are \
         too near, so that one process would listen where another one does",
    )
}

/// Whether a text is addresses of processes.
fn addresses(text: &str) -> Result<(), String> {
    let all: Vec<&str> = text.split(',').map(str::trim).collect();
    for (at, address) in all.iter().enumerate() {
        let port = address.rsplit_once(':').and_then(|(host, port)| {
            port.parse::<u16>().ok().filter(|port| *port > 0 && !host.is_empty())
        });
        if port.is_none() {
            return Err("must be host:port of each process, separated by commas".to_owned());
        }
        if all[..at].contains(address) {
            return Err("names an address twice: each process has its own".to_owned());
        }
    }
    match all.len() {
        0..=PROCESSES_MAX => Ok(()),
        more => Err(format!("names {more} processes, and the limit is {PROCESSES_MAX}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(processes: &str) -> ClusterSettings {
        ClusterSettings { processes: Some(processes.to_owned()), ..ClusterSettings::default() }
    }

    #[test]
    fn a_process_has_its_place_among_those_of_its_host() {
        let cluster = of("a:1, b:1,a:2,a:3");
        assert_eq!([0, 1, 2, 3].map(|process| cluster.place(process)), [0, 0, 1, 2]);
        assert_eq!((cluster.count(), cluster.host(1).as_deref()), (4, Some("b")));
        assert_eq!(ClusterSettings::default().count(), 1);
        for (bind, listens) in [("0.0.0.0", "0.0.0.0:2"), ("::", "[::]:2")] {
            let bound = ClusterSettings { bind: Some(bind.to_owned()), ..cluster.clone() };
            assert_eq!(bound.listens(2).as_deref(), Some(listens));
        }
    }

    #[test]
    fn addresses_are_hosts_with_ports_each_once() {
        assert!(addresses("a:1,b:2").is_ok());
        for wrong in ["a", "a:0", ":1", "a:1,", "a:1,a:1", "a:99999"] {
            assert!(addresses(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn several_processes_need_a_state_that_all_reach_and_ports_that_all_know() {
        let mut settings = Settings { cluster: of("a:1,a:2"), ..Settings::default() };
        let wrong = |settings: &Settings| settings.cluster.contradictions(settings);
        assert_eq!(wrong(&settings).len(), 1, "no state");
        settings.state.url = Some("/var/lib/state".to_owned());
        assert_eq!(wrong(&settings), Vec::<&str>::new());
        settings.serve.enabled = true;
        assert_eq!(
            wrong(&settings),
            Vec::<&str>::new(),
            "each process serves at a port of its own"
        );
        for (serve, what) in [(8_089, "too near"), (65_535, "room for all")] {
            settings.serve.port = serve;
            let wrong = wrong(&settings);
            assert!(wrong.len() == 1 && wrong[0].contains(what), "{serve}: {wrong:?}");
        }
        settings.serve.port = 0;
        assert_eq!(wrong(&settings), Vec::<&str>::new(), "any port that is free");
        settings.http.port = 0;
        assert_eq!(wrong(&settings).len(), 1);
        let mut hosts = Settings { cluster: of("a:1,b:1"), ..Settings::default() };
        hosts.state.url = Some("/var/lib/state".to_owned());
        assert_eq!(wrong(&hosts).len(), 2, "a folder, and nothing said of security");
        hosts.state.url = Some("s3://states/fraud".to_owned());
        hosts.cluster.insecure = true;
        assert_eq!(wrong(&hosts), Vec::<&str>::new());
    }

    #[test]
    fn several_hosts_speak_over_tls_or_say_that_they_do_not_and_never_both() {
        let wrong = |files: usize, insecure| {
            let mut settings = Settings { cluster: of("a:1,b:1"), ..Settings::default() };
            settings.state.url = Some("s3://states/fraud".to_owned());
            let file = |at: usize| (at < files).then(|| format!("{at}.pem"));
            let [ca_file, cert_file, key_file] = [0, 1, 2].map(file);
            settings.cluster.tls = TlsSettings { ca_file, cert_file, key_file };
            settings.cluster.insecure = insecure;
            settings.cluster.contradictions(&settings)
        };
        assert_eq!((wrong(3, false), wrong(0, true)), (Vec::new(), Vec::new()));
        for (files, insecure, what) in [
            (0, false, "neither encrypted nor authenticated"),
            (2, false, "needs all of"),
            (3, true, "leave one away"),
        ] {
            let wrong = wrong(files, insecure);
            assert!(wrong.len() == 1 && wrong[0].contains(what), "{files}: {wrong:?}");
        }
    }
}
