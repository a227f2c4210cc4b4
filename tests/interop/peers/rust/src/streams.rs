//! Bare streams by protocol name: opens them on request, and serves echo, perf, probe and (as an echo) ping.
//!
//! `libp2p-stream` would do in outline, but it drops inbound streams that come in a burst and
//! negotiates one outbound stream at a time, which the concurrent tests would measure.

use futures::{
    channel::{mpsc, oneshot},
    prelude::*,
};
use libp2p::{
    core::{upgrade::UpgradeInfo, Endpoint, InboundUpgrade, OutboundUpgrade},
    swarm::{
        handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound},
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
        NotifyHandler, Stream, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    },
    Multiaddr, PeerId, StreamProtocol,
};
use std::{
    collections::VecDeque,
    convert::Infallible,
    future::{ready, Ready},
    io,
    task::{Context, Poll},
    time::Duration,
};

pub const ECHO: StreamProtocol = StreamProtocol::new("/echo/1.0.0");
pub const PERF: StreamProtocol = StreamProtocol::new("/perf/1.0.0");
/// Lets a test choose how this side ends a stream, and see how the other side's end looks from here.
pub const PROBE: StreamProtocol = StreamProtocol::new("/probe/1.0.0");
pub const PING: StreamProtocol = StreamProtocol::new("/ipfs/ping/1.0.0");

const CHUNK: usize = 64 * 1024;

type Reply = oneshot::Sender<io::Result<Stream>>;

#[derive(Debug)]
pub struct Open(StreamProtocol, Reply);

#[derive(Clone)]
pub struct Control(mpsc::UnboundedSender<(PeerId, Open)>);

impl Control {
    pub async fn open(&self, peer: PeerId, protocol: StreamProtocol) -> io::Result<Stream> {
        let gone = || io::Error::new(io::ErrorKind::NotConnected, "the connection or its peer is gone");
        let (reply, opened) = oneshot::channel();
        self.0.unbounded_send((peer, Open(protocol, reply))).map_err(|_| gone())?;
        opened.await.map_err(|_| gone())?
    }
}

pub struct Behaviour {
    served: Vec<StreamProtocol>,
    requests: mpsc::UnboundedReceiver<(PeerId, Open)>,
}

impl Behaviour {
    pub fn new(served: Vec<StreamProtocol>) -> (Self, Control) {
        let (tx, requests) = mpsc::unbounded();
        (Self { served, requests }, Control(tx))
    }
    fn handler(&self) -> Handler {
        Handler { served: self.served.clone(), queue: VecDeque::new() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.requests.poll_next_unpin(cx) {
            Poll::Ready(Some((peer_id, event))) => {
                Poll::Ready(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::Any, event })
            }
            _ => Poll::Pending,
        }
    }
}

pub struct Handler {
    served: Vec<StreamProtocol>,
    queue: VecDeque<Open>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Infallible;
    type InboundProtocol = Names;
    type OutboundProtocol = Names;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Reply;

    fn listen_protocol(&self) -> SubstreamProtocol<Names, ()> {
        SubstreamProtocol::new(Names(self.served.clone()), ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Names, Reply, Infallible>> {
        match self.queue.pop_front() {
            Some(Open(name, reply)) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(Names(vec![name]), reply),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, event: Open) {
        self.queue.push_back(event)
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Names, Names, (), Reply>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (stream, name), .. }) => {
                tokio::spawn(serve(stream, name));
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (stream, _), info }) => {
                let _ = info.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let _ = info.send(Err(io::Error::new(io::ErrorKind::Other, format!("open stream: {error}"))));
            }
            _ => {}
        }
    }
}

pub struct Names(Vec<StreamProtocol>);

impl UpgradeInfo for Names {
    type Info = StreamProtocol;
    type InfoIter = std::vec::IntoIter<StreamProtocol>;
    fn protocol_info(&self) -> Self::InfoIter {
        self.0.clone().into_iter()
    }
}

impl InboundUpgrade<Stream> for Names {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;
    fn upgrade_inbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok((stream, name)))
    }
}

impl OutboundUpgrade<Stream> for Names {
    type Output = (Stream, StreamProtocol);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;
    fn upgrade_outbound(self, stream: Stream, name: StreamProtocol) -> Self::Future {
        ready(Ok((stream, name)))
    }
}

/// An error here is the other side's affair: the stream is dropped, which resets it.
async fn serve(mut stream: Stream, name: StreamProtocol) {
    let _ = match name {
        name if name == PERF => perf(&mut stream).await,
        name if name == PROBE => probe(&mut stream).await,
        _ => echo(&mut stream).await,
    };
}

async fn echo(s: &mut Stream) -> io::Result<()> {
    let mut buf = vec![0u8; CHUNK];
    loop {
        match s.read(&mut buf).await? {
            0 => return s.close().await,
            n => {
                s.write_all(&buf[..n]).await?;
                s.flush().await?;
            }
        }
    }
}

async fn perf(s: &mut Stream) -> io::Result<()> {
    let mut head = [0u8; 8];
    s.read_exact(&mut head).await?;
    let mut buf = vec![0u8; CHUNK];
    while s.read(&mut buf).await? != 0 {}
    write_zeros(s, u64::from_be_bytes(head)).await?;
    s.close().await
}

pub async fn write_zeros(s: &mut Stream, mut left: u64) -> io::Result<()> {
    let zeros = [0u8; CHUNK];
    while left > 0 {
        let n = left.min(CHUNK as u64) as usize;
        s.write_all(&zeros[..n]).await?;
        left -= n as u64;
    }
    Ok(())
}

/// The first byte is the command: `w` reads to the end, answers "seen" and closes; `c` closes this side's half, then
/// reads to the end; `r` resets at once; `s` reads nothing for five seconds, then resets. Dropping resets. All but `r`
/// are acknowledged with the same byte, and `w` and `c` report the end with
/// `{"event":"probe","command":C,"bytes":N,"end":"eof"|"reset"}`.
async fn probe(s: &mut Stream) -> io::Result<()> {
    let mut command = [0u8; 1];
    s.read_exact(&mut command).await?;
    if command[0] == b'r' {
        return Ok(());
    }
    s.write_all(&command).await?;
    s.flush().await?;
    match command[0] {
        b's' => {
            tokio::time::sleep(Duration::from_secs(5)).await;
            return Ok(());
        }
        b'c' => s.close().await?,
        _ => {}
    }
    let (mut buf, mut bytes) = (vec![0u8; CHUNK], 0usize);
    let end = loop {
        match s.read(&mut buf).await {
            Ok(0) => break true,
            Ok(n) => bytes += n,
            Err(_) => break false,
        }
    };
    // This yamux reads end of stream after a reset too; only writing tells one from the other. With `c` nothing does.
    let eof = end && (command[0] == b'c' || (s.write_all(b"seen").await.is_ok() && s.close().await.is_ok()));
    crate::emit(serde_json::json!({
        "event": "probe", "command": String::from_utf8_lossy(&command), "bytes": bytes,
        "end": if eof { "eof" } else { "reset" }}));
    Ok(())
}
