//! Connections without TLS whose bytes we read and write ourselves: for the rows that are served, which are
//! many small replies. All other connections are the `redis` crate's (`link`).

use crate::online::StoreError;
use crate::online::redis::link;
use crate::online::redis::replies::{Replies, Reply};
use crate::online::redis::sentinel;
use crate::online::redis::servers::{RedisServers, ServerAddress};
use crate::online::redis::settings::RedisSettings;
use crate::online::redis::wire::command;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Instant;

/// A connection that commands may be sent on.
#[derive(Debug)]
pub(crate) struct PlainLink {
    pub(crate) stream: TcpStream,
    /// Where the server listens.
    pub(crate) at: ServerAddress,
}

/// What a command on a new connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FirstCommand {
    Auth,
    Select,
    /// Whether the server is a replica.
    Info,
    /// What it may refuse.
    Name,
}

impl PlainLink {
    /// Connects to the server that rows are read from. It waits: not for a thread that answers.
    pub(crate) fn open(settings: &RedisSettings) -> Result<PlainLink, StoreError> {
        let (at, watched) = match &settings.servers {
            RedisServers::Single(at) => (at.clone(), false),
            RedisServers::Sentinel(watched) => (sentinel::primary(settings, watched)?, true),
            RedisServers::Cluster(_) => {
                return Err(StoreError::NoCluster { reason: "it has several".to_owned() });
            }
        };
        let failed = |reason: String| StoreError::Connect { address: at.to_string(), reason };
        let mut stream = connect(settings, &at).map_err(|error| failed(io_reason(&error)))?;
        let first_commands = first_commands(settings, watched);
        let mut replies = Replies::default();
        ask(&mut stream, &first_commands, &mut replies).map_err(failed)?;
        for (place, (first, _)) in first_commands.iter().enumerate() {
            judge(*first, &replies.reply(place), settings, &at)?;
        }
        Ok(PlainLink { stream, at })
    }
}

fn connect(settings: &RedisSettings, at: &ServerAddress) -> io::Result<TcpStream> {
    let begun = Instant::now();
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
    for address in (at.host.as_str(), at.port).to_socket_addrs()? {
        let left = settings.connect_timeout.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                stream.set_read_timeout(Some(settings.connect_timeout))?;
                stream.set_write_timeout(Some(settings.connect_timeout))?;
                return Ok(stream);
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

/// What is sent first, on every connection.
fn first_commands(settings: &RedisSettings, watched: bool) -> Vec<(FirstCommand, Vec<u8>)> {
    let packed = |first, parts: &[&[u8]]| {
        let mut bytes = Vec::new();
        command(parts, &mut bytes);
        (first, bytes)
    };
    let mut all = Vec::new();
    if let Some(password) = &settings.password {
        let mut parts: Vec<&[u8]> = vec![&b"AUTH"[..]];
        parts.extend(settings.username.as_deref().map(str::as_bytes));
        parts.push(password.reveal().as_bytes());
        all.push(packed(FirstCommand::Auth, &parts));
    }
    if settings.db != 0 {
        all.push(packed(FirstCommand::Select, &[b"SELECT", settings.db.to_string().as_bytes()]));
    }
    let version = env!("CARGO_PKG_VERSION").as_bytes();
    for (name, value) in [(&b"LIB-NAME"[..], &b"tidemark"[..]), (b"LIB-VER", version)] {
        all.push(packed(FirstCommand::Name, &[b"CLIENT", b"SETINFO", name, value]));
    }
    if watched {
        all.push(packed(FirstCommand::Info, &[b"INFO", b"replication"]));
    }
    all
}

fn ask(
    stream: &mut TcpStream,
    first_commands: &[(FirstCommand, Vec<u8>)],
    replies: &mut Replies,
) -> Result<(), String> {
    let bytes: Vec<u8> = first_commands.iter().flat_map(|(_, bytes)| bytes).copied().collect();
    stream.write_all(&bytes).map_err(|error| io_reason(&error))?;
    replies.clear();
    while replies.count() < first_commands.len() {
        let count = stream.read(replies.room()).map_err(|error| io_reason(&error))?;
        if count == 0 {
            return Err("it closed the connection".to_owned());
        }
        replies.filled(count).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What the reply to a first command says against the connection.
fn judge(
    first: FirstCommand,
    reply: &Reply<'_>,
    settings: &RedisSettings,
    at: &ServerAddress,
) -> Result<(), StoreError> {
    let address = at.to_string();
    let said = |line: &[u8]| settings.redact(String::from_utf8_lossy(line).into_owned());
    match (first, reply) {
        (FirstCommand::Auth, Reply::Error(line)) => {
            let reason = match line.starts_with(b"WRONGPASS") {
                true => "wrong user name or password".to_owned(),
                false => said(line),
            };
            Err(StoreError::Credentials { address, reason })
        }
        (FirstCommand::Select, Reply::Error(line)) => {
            let reason = said(line);
            Err(match line.starts_with(b"NOAUTH") {
                true => StoreError::Credentials { address, reason },
                false => StoreError::Connect { address, reason },
            })
        }
        // Who may not ask takes it for a primary.
        (FirstCommand::Info, Reply::Text(text)) => {
            let text = String::from_utf8_lossy(text);
            match link::is_replica(&text) {
                true => Err(StoreError::Replica { address }),
                false => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

/// Why reading or writing failed, for people.
pub(crate) fn io_reason(error: &io::Error) -> String {
    match error.kind() {
        // What a socket calls running out of time.
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no reply in time".to_owned(),
        _ => error.to_string(),
    }
}
