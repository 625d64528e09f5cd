//! TLS on connections of the server, for the other processes of the cluster: the same port answers people in
//! the clear and processes over TLS, told apart by the first byte.

use crate::peer_tls::{Arrived, HANDSHAKE, TlsSession};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that are read of the socket, and sealed, at once.
const PIECE_BYTES: usize = 1 << 14;

/// Whether the one who has connected begins with TLS; what he sends stays to be read.
pub(super) async fn begins_with_tls(stream: &TcpStream) -> bool {
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1)) && first == [HANDSHAKE]
}

/// A stream inside TLS. Sealed bytes that wait: those of one piece, and of the handshake.
pub(crate) struct SecuredStream<S> {
    stream: S,
    session: TlsSession,
    sealed: Vec<u8>,
    /// So many of those have been sent.
    sent: usize,
    piece: Box<[u8]>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> SecuredStream<S> {
    /// The side of `session`, which has not begun, over `stream`.
    pub fn new(stream: S, session: TlsSession) -> Self {
        let piece = vec![0; PIECE_BYTES].into_boxed_slice();
        SecuredStream { stream, session, sealed: Vec::new(), sent: 0, piece }
    }

    /// The same of the side that connects, once each has taken the certificate of the other.
    ///
    /// # Errors
    /// When one is not taken, or the connection ends.
    pub async fn shaken(stream: S, session: TlsSession) -> io::Result<Self> {
        let mut secured = SecuredStream::new(stream, session);
        std::future::poll_fn(|cx| secured.poll_shake(cx)).await?;
        Ok(secured)
    }

    fn poll_shake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let shaken = self.session.shake();
            // Also of a fault there is something to say.
            let sent = self.poll_send(cx);
            if shaken.map_err(io::Error::other)? {
                return sent;
            }
            if let Poll::Ready(Err(error)) = sent {
                return Poll::Ready(Err(error));
            }
            let mut piece = ReadBuf::new(&mut self.piece);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece))?;
            match piece.filled() {
                [] => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                read => self.session.give(read),
            }
        }
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.sent >= self.sealed.len() {
                self.sent = 0;
                self.session.take(&mut self.sealed);
                if self.sealed.is_empty() {
                    return Poll::Ready(Ok(()));
                }
            }
            let rest = self.sealed.get(self.sent..).unwrap_or_default();
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => self.sent += sent,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for SecuredStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            let opened = this.session.open(buffer.initialize_unfilled());
            // What the handshake has to say, also of a fault. Where the socket takes no more, the next call
            // goes on with it.
            if let Poll::Ready(Err(error)) = this.poll_send(cx) {
                return Poll::Ready(Err(error));
            }
            match opened.map_err(io::Error::other)? {
                Arrived::Bytes(count) => {
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Arrived::End => return Poll::Ready(Ok(())),
                Arrived::Nothing => {}
            }
            let mut piece = ReadBuf::new(&mut this.piece);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut piece))?;
            match piece.filled() {
                [] => return Poll::Ready(Ok(())),
                read => this.session.give(read),
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for SecuredStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(cx))?;
        let piece = bytes.get(..PIECE_BYTES).unwrap_or(bytes);
        self.session.seal(piece).map_err(io::Error::other)?;
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(piece.len())),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
