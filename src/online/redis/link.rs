//! A connection to Redis: TLS, credentials and the reading of replies are the `redis` crate's; the
//! bytes of a pipeline are ours.

use crate::online::StoreError;
use crate::online::redis::servers::{RedisServers, ServerAddress};
use crate::online::redis::settings::{RedisSettings, TlsSettings};
use crate::online::redis::{connecting, sentinel};
use redis::{
    Client, ClientTlsConfig, Connection, ConnectionAddr, ErrorKind, IntoConnectionInfo as _,
    RedisConnectionInfo, RedisError, TlsCertificates, Value,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// An open connection.
pub(crate) struct Link {
    connection: Connection,
    at: ServerAddress,
    /// The same as text.
    address: String,
}

/// What a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Server {
    /// Another one after every start; `None` when it does not say.
    pub(crate) run_id: Option<String>,
    /// Another one once it has followed another server, if only for a while; also when it gets its first
    /// replica.
    pub(crate) history: Option<String>,
    pub(crate) replica: bool,
}

impl Server {
    /// Whether it has not been started again since it said `known`.
    pub(crate) fn is_same_start(&self, known: &Server) -> bool {
        self.run_id.is_some() && self.run_id == known.run_id
    }

    /// Whether it may lack what was acknowledged to the one who found it as `known` before: it was started
    /// again, replaced, or has followed another server meanwhile.
    pub(crate) fn may_lack_writes_since(&self, known: &Server) -> bool {
        known.run_id.is_none() || known != self
    }
}

impl Link {
    /// Connects to the server that rows are written to and read from.
    pub(crate) fn open(settings: &RedisSettings) -> Result<Link, StoreError> {
        match &settings.servers {
            RedisServers::Single(address) => Link::at(settings, address),
            RedisServers::Sentinel(watched) => sentinel::open(settings, watched),
            RedisServers::Cluster(_) => {
                Err(StoreError::NoCluster { reason: "it has several".to_owned() })
            }
        }
    }

    /// Connects to one server.
    pub(crate) fn at(settings: &RedisSettings, at: &ServerAddress) -> Result<Link, StoreError> {
        let failed = |error: RedisError| refused_or(settings, at, &error);
        let (client, timeout) = (client(settings, at)?, settings.connect_timeout);
        let connection = match &settings.tls {
            None => client.get_connection_with_timeout(timeout),
            Some(_) => connecting::connect(client, timeout),
        };
        let connection = connection.map_err(failed)?;
        connection.set_read_timeout(Some(settings.response_timeout)).map_err(failed)?;
        connection.set_write_timeout(Some(settings.response_timeout)).map_err(failed)?;
        Ok(Link { connection, at: at.clone(), address: at.to_string() })
    }

    /// Where the server listens, as errors name it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where the server listens.
    pub(crate) fn at_address(&self) -> &ServerAddress {
        &self.at
    }

    /// Whether rows still belong on this connection: where Sentinels say which server is the primary,
    /// they name another one after a failover, and the one of before may not have noticed yet.
    pub(crate) fn check_primary(&self, settings: &RedisSettings) -> Result<(), StoreError> {
        let RedisServers::Sentinel(watched) = &settings.servers else { return Ok(()) };
        match sentinel::primary(settings, watched) {
            Ok(primary) if primary.to_string() != self.address => {
                let (address, primary) = (self.address.clone(), primary.to_string());
                Err(StoreError::Deposed { address, primary })
            }
            // Who cannot be asked says nothing against it.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Waits no longer than this for the next replies. Not to be 0.
    pub(crate) fn wait_at_most(&self, within: Duration) -> Result<(), StoreError> {
        let lost =
            |e: RedisError| StoreError::Lost { address: self.address.clone(), reason: text(&e) };
        self.connection.set_read_timeout(Some(within)).map_err(lost)?;
        self.connection.set_write_timeout(Some(within)).map_err(lost)
    }

    /// Sends the bytes of `count` commands and puts their replies into `replies`, errors of single
    /// commands among them. Stops at the first reply that cannot be read: the connection is then
    /// of no more use.
    pub(crate) fn exchange(
        &mut self,
        commands: &[u8],
        count: usize,
        replies: &mut Vec<Value>,
    ) -> Result<(), StoreError> {
        replies.clear();
        self.send(commands)?;
        while replies.len() < count {
            replies.push(self.receive()?);
        }
        Ok(())
    }

    /// Sends the bytes of commands.
    pub(crate) fn send(&mut self, commands: &[u8]) -> Result<(), StoreError> {
        let address = &self.address;
        let lost = |e: RedisError| StoreError::Lost { address: address.clone(), reason: text(&e) };
        self.connection.send_packed_command(commands).map_err(lost)
    }

    /// Waits for the next reply, which may be an error.
    pub(crate) fn receive(&mut self) -> Result<Value, StoreError> {
        let address = &self.address;
        let lost = |e: RedisError| StoreError::Lost { address: address.clone(), reason: text(&e) };
        loop {
            match self.connection.recv_response().map_err(lost)? {
                Value::Push { .. } => {}
                reply => return Ok(reply),
            }
        }
    }

    /// Asks one thing.
    pub(crate) fn ask(
        &mut self,
        command: &'static str,
        arguments: &[&[u8]],
    ) -> Result<Value, StoreError> {
        let mut packed = redis::cmd(command);
        for argument in arguments {
            packed.arg(*argument);
        }
        let mut replies = Vec::with_capacity(1);
        self.exchange(&packed.get_packed_command(), 1, &mut replies)?;
        match replies.pop() {
            Some(Value::ServerError(error)) => {
                let reason = self::reason(&error);
                let address = self.address.clone();
                Err(match error.code() {
                    "NOAUTH" | "WRONGPASS" => StoreError::Credentials { address, reason },
                    _ => StoreError::Reply { address, command, reason },
                })
            }
            reply => Ok(reply.unwrap_or_default()),
        }
    }

    /// Sends a transaction, and gives the reply to its EXEC: nil when a watched key had changed.
    /// It goes out as one: an error inside does not leave the connection in the middle of it.
    pub(crate) fn transaction(&mut self, pipeline: &redis::Pipeline) -> Result<Value, StoreError> {
        let mut replies = Vec::new();
        // MULTI and EXEC around the commands.
        let count = pipeline.len() + 2;
        self.exchange(&pipeline.get_packed_pipeline(), count, &mut replies)?;
        let refused = replies.iter().find_map(|reply| match reply {
            Value::ServerError(error) => Some(reason(error)),
            _ => None,
        });
        match refused {
            Some(reason) => {
                let address = self.address.clone();
                Err(StoreError::Reply { address, command: "EXEC", reason })
            }
            None => Ok(replies.pop().unwrap_or_default()),
        }
    }

    /// Who the server is. A server that may not be asked counts as a primary that does not say.
    pub(crate) fn server(&mut self) -> Result<Server, StoreError> {
        let mut server = Server::default();
        match self.info(b"server") {
            Ok(text) => server.run_id = field(&text, "run_id").map(str::to_owned),
            Err(StoreError::Reply { .. }) => return Ok(server),
            Err(error) => return Err(error),
        }
        let text = self.info(b"replication")?;
        server.replica = is_replica(&text);
        server.history = field(&text, "master_replid").map(str::to_owned);
        Ok(server)
    }

    /// What the server calls this connection; it never gives the number again. `None` when it may not
    /// be asked.
    pub(crate) fn client_id(&mut self) -> Result<Option<i64>, StoreError> {
        match self.ask("CLIENT", &[b"ID"]) {
            Ok(Value::Int(id)) => Ok(Some(id)),
            Ok(_) | Err(StoreError::Reply { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Ends another connection at the server: once this returns nothing of it is executed any more.
    pub(crate) fn end_client(&mut self, id: i64) -> Result<(), StoreError> {
        self.ask("CLIENT", &[b"KILL", b"ID", id.to_string().as_bytes()]).map(|_| ())
    }

    /// Bytes in use, and the limit (0: none).
    pub(crate) fn memory(&mut self) -> Result<Option<(u64, u64)>, StoreError> {
        let text = self.info(b"memory")?;
        let number = |name| field(&text, name).and_then(|value| value.parse::<u64>().ok());
        Ok(number("used_memory").zip(number("maxmemory")))
    }

    /// All fields of a hash, as texts; none when there is no such key.
    pub(crate) fn hash(&mut self, key: &str) -> Result<BTreeMap<String, String>, StoreError> {
        Ok(text_pairs(&self.ask("HGETALL", &[key.as_bytes()])?))
    }

    /// Keys evicted since the server's start; `None` when it does not say.
    pub(crate) fn evicted(&mut self) -> Result<Option<u64>, StoreError> {
        let text = self.info(b"stats")?;
        Ok(field(&text, "evicted_keys").and_then(|value| value.parse().ok()))
    }

    fn info(&mut self, section: &[u8]) -> Result<String, StoreError> {
        Ok(match self.ask("INFO", &[section])? {
            Value::BulkString(text) => String::from_utf8_lossy(&text).into_owned(),
            Value::VerbatimString { text, .. } => text,
            _ => String::new(),
        })
    }
}

/// Names and values in a reply that are texts, from a map or from a list of both in turn.
pub(crate) fn text_pairs(reply: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        _ => None,
    };
    let pair = |name, value| Some((text(name)?, text(value)?));
    match reply {
        Value::Array(flat) => {
            let pairs = flat.chunks_exact(2);
            pairs.filter_map(|two| pair(two.first()?, two.get(1)?)).collect()
        }
        Value::Map(pairs) => pairs.iter().filter_map(|(name, value)| pair(name, value)).collect(),
        _ => BTreeMap::new(),
    }
}

/// What a server's error says, code first.
pub(crate) fn reason(error: &redis::ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

/// Whether a text of INFO is that of a replica.
pub(super) fn is_replica(info: &str) -> bool {
    field(info, "role").is_some_and(|role| role != "master")
}

/// The value of `name:value` in a text of INFO.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

fn client(settings: &RedisSettings, at: &ServerAddress) -> Result<Client, StoreError> {
    let mut redis = RedisConnectionInfo::default()
        .set_db(settings.db)
        .set_lib_name("tidemark", env!("CARGO_PKG_VERSION"));
    if let Some(username) = &settings.username {
        redis = redis.set_username(username);
    }
    if let Some(password) = &settings.password {
        redis = redis.set_password(password.reveal());
    }
    let (host, port) = (at.host.clone(), at.port);
    let address = match &settings.tls {
        None => ConnectionAddr::Tcp(host, port),
        Some(TlsSettings { insecure, .. }) => {
            let insecure = *insecure;
            ConnectionAddr::TcpTls { host, port, insecure, tls_params: None }
        }
    };
    let failed = |error: RedisError| refused_or(settings, at, &error);
    let info = address.into_connection_info().map_err(failed)?.set_redis_settings(redis);
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    let info = info.set_tcp_settings(tcp);
    match &settings.tls {
        Some(tls) if tls.ca_file.is_some() || tls.client.is_some() => {
            Client::build_with_tls(info, certificates(tls)?).map_err(failed)
        }
        _ => Client::open(info).map_err(failed),
    }
}

fn certificates(tls: &TlsSettings) -> Result<TlsCertificates, StoreError> {
    let client_tls = match &tls.client {
        Some((cert, key)) => {
            Some(ClientTlsConfig { client_cert: read(cert)?, client_key: read(key)? })
        }
        None => None,
    };
    let root_cert = tls.ca_file.as_deref().map(read).transpose()?;
    Ok(TlsCertificates { client_tls, root_cert })
}

fn read(path: &Path) -> Result<Vec<u8>, StoreError> {
    std::fs::read(path).map_err(|error| StoreError::Certificate {
        path: path.display().to_string(),
        reason: error.to_string(),
    })
}

/// An error of connecting: wrong credentials, or no way there.
fn refused_or(settings: &RedisSettings, at: &ServerAddress, error: &RedisError) -> StoreError {
    let address = at.to_string();
    let reason = settings.redact(text(error));
    let refused = error.kind() == ErrorKind::AuthenticationFailed
        || ["NOAUTH", "WRONGPASS", "uthentication required"].iter().any(|s| reason.contains(s));
    if refused {
        StoreError::Credentials { address, reason }
    } else {
        StoreError::Connect { address, reason }
    }
}

fn text(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "wrong user name or password".to_owned(),
        // What a socket calls running out of time.
        ErrorKind::Io if error.is_timeout() => "no reply in time".to_owned(),
        _ => error.to_string(),
    }
}
