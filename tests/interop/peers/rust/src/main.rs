//! `peer-rust`: the rust-libp2p 0.53 reference peer. One JSON object a line on stdout.
//!
//! The settings follow Shinkai Node's first libp2p commit (b88edc8ba, libp2p 0.53.2); every place
//! where a flag departs from them says so.

mod autonat;
mod circuits;
mod commands;
mod dht;
mod dht_series;
mod dht_table;
mod raw_codec;
mod rendezvous;
mod streams;

use base64::Engine;
use futures::{future, prelude::*, stream};
use libp2p::{
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, OrTransport},
        upgrade,
    },
    dcutr, gossipsub, identify, identity, kad, mdns,
    multiaddr::Protocol,
    noise, ping, relay, request_response,
    swarm::{
        behaviour::toggle::Toggle,
        dial_opts::{DialOpts, PeerCondition},
        NetworkBehaviour, SwarmEvent,
    },
    tcp, yamux, Multiaddr, PeerId, StreamProtocol, Swarm, Transport,
};
use raw_codec::RawJsonCodec;
use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    io::Write,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use streams::{ECHO, PERF, PING, PROBE};
use tokio::io::AsyncBufReadExt as _;

type Res<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const SHINKAI: StreamProtocol = StreamProtocol::new("/shinkai/message/1.0.0");
const CHUNK: usize = 64 * 1024;

// ---------------------------------------------------------------- output

fn emit(v: Value) {
    let mut line = v.to_string();
    line.push('\n');
    let mut out = std::io::stdout().lock();
    // A reader that went away ends the program: nothing is left to report to.
    if out.write_all(line.as_bytes()).and_then(|_| out.flush()).is_err() {
        std::process::exit(1);
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|d| d.as_nanos() as u64).unwrap_or(0)
}

fn describe(data: &[u8]) -> Value {
    let mut v = json!({"len": data.len(), "sha256": hex::encode(Sha256::digest(data))});
    if data.len() <= 256 {
        v["data_b64"] = json!(base64::engine::general_purpose::STANDARD.encode(data));
    }
    v
}

fn with(mut base: Value, more: Value) -> Value {
    if let (Some(b), Some(m)) = (base.as_object_mut(), more.as_object()) {
        b.extend(m.clone());
    }
    base
}

// ---------------------------------------------------------------- arguments

/// Flags that take no value.
const SWITCHES: &[&str] = &[
    "relay", "dcutr", "concurrent", "count-only", "relay-shinkai", "dht", "dht-manual", "mdns", "quiet",
    "no-flood-publish", "gossip-events", "autonat", "rendezvous",
];

struct Args {
    words: Vec<String>,
    flags: HashMap<String, Vec<String>>,
}

impl Args {
    fn parse(mut it: impl Iterator<Item = String>) -> Res<Self> {
        let (mut words, mut flags) = (vec![], HashMap::<String, Vec<String>>::new());
        while let Some(a) = it.next() {
            match a.strip_prefix("--") {
                Some(name) if SWITCHES.contains(&name) => {
                    flags.entry(name.into()).or_default().push(String::new())
                }
                Some(name) => {
                    let name = if name == "reserve" { "relay-addr" } else { name };
                    let value = it.next().ok_or(format!("--{name} needs a value"))?;
                    flags.entry(name.into()).or_default().push(value)
                }
                None => words.push(a),
            }
        }
        Ok(Self { words, flags })
    }
    fn has(&self, name: &str) -> bool {
        self.flags.contains_key(name)
    }
    fn all(&self, name: &str) -> Vec<String> {
        self.flags.get(name).cloned().unwrap_or_default()
    }
    fn text(&self, name: &str) -> Option<&str> {
        self.flags.get(name).and_then(|v| v.last()).map(String::as_str)
    }
    fn num<T: std::str::FromStr>(&self, name: &str, default: T) -> Res<T> {
        match self.text(name) {
            None => Ok(default),
            Some(s) => s.parse().map_err(|_| format!("--{name}: not a number: {s}").into()),
        }
    }
}

// ---------------------------------------------------------------- identity

/// Shinkai's name-to-seed rule of b88edc8ba: Rust's `DefaultHasher` (SipHash-1-3, zero keys) over
/// the name's bytes and one 0xff byte, as 8 big-endian bytes repeated four times.
fn seed_from_shinkai_name(name: &str) -> [u8; 32] {
    let mut hasher = std::collections::hash_map::DefaultHasher::new();
    name.hash(&mut hasher);
    let word = hasher.finish().to_be_bytes();
    let mut seed = [0u8; 32];
    seed.chunks_mut(8).for_each(|part| part.copy_from_slice(&word));
    seed
}

fn seed(args: &Args) -> Res<Option<[u8; 32]>> {
    if let Some(name) = args.text("shinkai-name") {
        return Ok(Some(seed_from_shinkai_name(name)));
    }
    let Some(h) = args.text("seed-hex") else { return Ok(None) };
    let bytes: [u8; 32] = hex::decode(h)?.try_into().map_err(|_| "--seed-hex: 64 hex digits")?;
    Ok(Some(bytes))
}

fn keypair(args: &Args) -> Res<identity::Keypair> {
    Ok(match seed(args)? {
        Some(s) => identity::Keypair::ed25519_from_bytes(s)?,
        None => identity::Keypair::generate_ed25519(),
    })
}

// ---------------------------------------------------------------- behaviour and transport

#[derive(NetworkBehaviour)]
struct Peer {
    identify: identify::Behaviour,
    ping: Toggle<ping::Behaviour>,
    gossipsub: Toggle<gossipsub::Behaviour>,
    relay: Toggle<relay::Behaviour>,
    relay_client: Toggle<relay::client::Behaviour>,
    dcutr: Toggle<dcutr::Behaviour>,
    shinkai: Toggle<request_response::Behaviour<RawJsonCodec>>,
    kad: Toggle<kad::Behaviour<kad::store::MemoryStore>>,
    mdns: Toggle<mdns::tokio::Behaviour>,
    autonat: Toggle<libp2p::autonat::Behaviour>,
    rendezvous: Toggle<libp2p::rendezvous::server::Behaviour>,
    rendezvous_client: Toggle<libp2p::rendezvous::client::Behaviour>,
    streams: streams::Behaviour,
}

#[derive(Default)]
struct Parts {
    gossip: bool,
    relay_server: bool,
    relay_client: bool,
    dcutr: bool,
    shinkai: bool,
    serve: bool,
    kad: Option<kad::Mode>,
    mdns: bool,
    /// Answers pings without sending any: a rust-libp2p responder keeps only the newest inbound ping
    /// stream, so pings of the behaviour's own would end those of `--do ping`.
    quiet_ping: bool,
}

fn secured<T>(inner: T, key: &identity::Keypair, version: upgrade::Version) -> Res<Boxed<(PeerId, StreamMuxerBox)>>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::ListenerUpgrade: Send,
    T::Dial: Send,
{
    Ok(inner
        .upgrade(version)
        .authenticate(noise::Config::new(key)?)
        .multiplex(yamux::Config::default())
        .timeout(Duration::from_secs(20))
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed())
}

fn upgrade_version(args: &Args) -> Res<upgrade::Version> {
    match args.text("multistream").unwrap_or("v1") {
        "v1" => Ok(upgrade::Version::V1),
        "v1lazy" => Ok(upgrade::Version::V1Lazy),
        other => Err(format!("--multistream: v1 or v1lazy, not {other}").into()),
    }
}

fn gossip_config(args: &Args) -> Res<gossipsub::Config> {
    let mut b = gossipsub::ConfigBuilder::default();
    match args.text("gossip-profile").unwrap_or("shinkai") {
        // b88edc8ba, the first libp2p commit
        "shinkai" => {
            b.heartbeat_interval(Duration::from_secs(10)).validation_mode(gossipsub::ValidationMode::Strict);
        }
        // 835f20886, the last commits that still had gossipsub
        "shinkai-last" => {
            b.heartbeat_interval(Duration::from_secs(10))
                .validation_mode(gossipsub::ValidationMode::Permissive)
                .mesh_outbound_min(0)
                .mesh_n_low(1)
                .mesh_n(3)
                .mesh_n_high(5)
                .gossip_lazy(3)
                .fanout_ttl(Duration::from_secs(60))
                .gossip_retransimission(3)
                .duplicate_cache_time(Duration::from_secs(60))
                .max_transmit_size(262_144);
        }
        // rust-libp2p's own defaults
        "default" => {}
        other => return Err(format!("--gossip-profile: shinkai, shinkai-last or default, not {other}").into()),
    }
    if args.has("heartbeat-ms") {
        b.heartbeat_interval(Duration::from_millis(args.num("heartbeat-ms", 10_000)?));
    }
    match args.text("policy").unwrap_or("strict") {
        "strict" => {}
        "anonymous" => {
            b.validation_mode(gossipsub::ValidationMode::Anonymous);
        }
        // Checks a signature that is there, and takes messages without one.
        "lax" | "lax-unsigned" => {
            b.validation_mode(gossipsub::ValidationMode::Permissive);
        }
        other => return Err(format!("--policy: strict, anonymous, lax or lax-unsigned, not {other}").into()),
    }
    let unsigned = matches!(args.text("policy"), Some("anonymous" | "lax-unsigned"));
    match args.text("ids").unwrap_or(if unsigned { "sha256" } else { "rust" }) {
        "rust" => {}
        "sha256" => {
            b.message_id_fn(|m| gossipsub::MessageId::new(&Sha256::digest(&m.data)));
        }
        "go" => {
            b.message_id_fn(|m| {
                let mut id = m.source.map(|p| p.to_bytes()).unwrap_or_default();
                id.extend(m.sequence_number.map(u64::to_be_bytes).unwrap_or_default());
                gossipsub::MessageId::new(&id)
            });
        }
        other => return Err(format!("--ids: rust, go or sha256, not {other}").into()),
    }
    if args.has("mesh-size") {
        // Rust does not even subscribe with a mesh of nobody: the smallest is one for who asks first.
        let n: usize = args.num("mesh-size", 6)?;
        b.mesh_n(n.max(1)).mesh_n_low(n).mesh_n_high(n.max(1)).mesh_outbound_min(0);
    }
    if args.has("heartbeat-delay-ms") {
        b.heartbeat_initial_delay(Duration::from_millis(args.num("heartbeat-delay-ms", 5_000)?));
    }
    if args.has("unsubscribe-backoff") {
        b.unsubscribe_backoff(args.num("unsubscribe-backoff", 10)?);
    }
    if args.has("no-flood-publish") {
        b.flood_publish(false);
    }
    if args.has("max-transmit") {
        b.max_transmit_size(args.num("max-transmit", 65_536)?);
    }
    Ok(b.build()?)
}

fn relay_config(args: &Args) -> relay::Config {
    if !args.has("relay-shinkai") {
        return relay::Config::default();
    }
    // the limits of Shinkai's relayer at HEAD
    relay::Config {
        reservation_duration: Duration::from_secs(1800),
        reservation_rate_limiters: Vec::new(),
        circuit_src_rate_limiters: Vec::new(),
        max_reservations: 1024,
        max_reservations_per_peer: 16,
        max_circuits: 1024,
        max_circuits_per_peer: 16,
        max_circuit_duration: Duration::from_secs(3600),
        max_circuit_bytes: 1024 * 1024 * 1024,
    }
}

fn make_swarm(key: &identity::Keypair, args: &Args, parts: Parts) -> Res<(Swarm<Peer>, streams::Control)> {
    let local = key.public().to_peer_id();
    let version = upgrade_version(args)?;
    // A hole is punched for the port that a peer listens on: it dials from there, too.
    let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true).port_reuse(parts.dcutr));
    let (transport, relay_client) = if parts.relay_client || parts.dcutr {
        let (circuit, client) = relay::client::new(local);
        (secured(OrTransport::new(circuit, tcp), key, version)?, Some(client))
    } else {
        (secured(tcp, key, version)?, None)
    };
    let gossip = if parts.gossip {
        let author = match args.text("policy") {
            Some("anonymous" | "lax-unsigned") => gossipsub::MessageAuthenticity::Anonymous,
            _ => gossipsub::MessageAuthenticity::Signed(key.clone()),
        };
        Some(gossipsub::Behaviour::new(author, gossip_config(args)?)?)
    } else {
        None
    };
    let mut ident = identify::Config::new("/shinkai/1.0.0".into(), key.public());
    if let Some(agent) = args.text("agent") {
        ident = ident.with_agent_version(agent.into());
    }
    let mut ping_config = ping::Config::new();
    if args.has("ping-interval-us") {
        ping_config = ping_config.with_interval(Duration::from_micros(args.num("ping-interval-us", 15_000_000)?));
    }
    let mut served = if parts.serve { vec![ECHO, PERF, PROBE] } else { vec![] };
    if parts.quiet_ping {
        served.push(PING);
    }
    let (streams, control) = streams::Behaviour::new(served);
    let behaviour = Peer {
        identify: identify::Behaviour::new(ident),
        ping: (!parts.quiet_ping).then(|| ping::Behaviour::new(ping_config)).into(),
        gossipsub: gossip.into(),
        relay: parts.relay_server.then(|| relay::Behaviour::new(local, relay_config(args))).into(),
        relay_client: relay_client.into(),
        dcutr: parts.dcutr.then(|| dcutr::Behaviour::new(local)).into(),
        shinkai: parts
            .shinkai
            .then(|| {
                request_response::Behaviour::with_codec(
                    RawJsonCodec,
                    std::iter::once((SHINKAI, request_response::ProtocolSupport::Full)),
                    request_response::Config::default().with_request_timeout(Duration::from_secs(30)),
                )
            })
            .into(),
        kad: parts.kad.map(|mode| dht::behaviour(local, args, mode)).transpose()?.into(),
        mdns: parts.mdns.then(|| dht::mdns(local)).transpose()?.into(),
        autonat: autonat::behaviour(local, args)?.into(),
        rendezvous: rendezvous::point(args).into(),
        rendezvous_client: rendezvous::client(args, key).into(),
        streams,
    };
    // Shinkai's b88edc8ba keeps the default of 0 (a connection with no stream in use is closed at
    // once); the harness needs connections that stay, so 60 s unless told.
    let config = libp2p::swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_millis(args.num("idle-timeout-ms", 60_000)?));
    Ok((Swarm::new(transport, behaviour, local, config), control))
}

fn target_of(addr: &Multiaddr) -> Option<PeerId> {
    addr.iter().filter_map(|p| if let Protocol::P2p(id) = p { Some(id) } else { None }).last()
}

fn is_circuit(addr: &Multiaddr) -> bool {
    addr.iter().any(|p| p == Protocol::P2pCircuit)
}

/// Dials `addr` and drives the swarm until the target is connected.
async fn connect(swarm: &mut Swarm<Peer>, addr: &Multiaddr) -> Res<PeerId> {
    let want = target_of(addr);
    let opts = match want {
        Some(id) => DialOpts::peer_id(id).addresses(vec![addr.clone()]).condition(PeerCondition::Always).build(),
        None => DialOpts::unknown_peer_id().address(addr.clone()).build(),
    };
    let id = opts.connection_id();
    swarm.dial(opts)?;
    let wait = async {
        loop {
            let event = swarm.select_next_some().await;
            match &event {
                SwarmEvent::ConnectionEstablished { peer_id, connection_id, .. } if *connection_id == id => {
                    return Ok(*peer_id)
                }
                SwarmEvent::OutgoingConnectionError { error, connection_id, .. } if *connection_id == id => {
                    return Err(format!("dial {addr}: {error:?}").into())
                }
                _ => report(&event),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.map_err(|_| format!("dial {addr}: timed out"))?
}

/// Prints the events that only some verbs wait for: relay and hole punching.
fn report(event: &SwarmEvent<PeerEvent>) {
    match event {
        SwarmEvent::Behaviour(PeerEvent::RelayClient(e)) => {
            emit(json!({"event": "relay-client", "detail": format!("{e:?}")}))
        }
        SwarmEvent::Behaviour(PeerEvent::Autonat(e)) => autonat::report(e),
        SwarmEvent::Behaviour(PeerEvent::Rendezvous(e)) => rendezvous::report_point(e),
        SwarmEvent::Behaviour(PeerEvent::Relay(e)) => emit(json!({"event": "relay", "detail": format!("{e:?}")})),
        SwarmEvent::Behaviour(PeerEvent::Dcutr(e)) => emit(json!({
            "event": "dcutr", "peer": e.remote_peer_id.to_string(), "ok": e.result.is_ok(),
            "detail": format!("{:?}", e.result)})),
        _ => {}
    }
}

fn identified(peer: &PeerId, info: &identify::Info) -> Value {
    json!({
        "event": "identified", "peer": peer.to_string(), "agent": info.agent_version,
        "protocol_version": info.protocol_version,
        "protocols": info.protocols.iter().map(|p| p.to_string()).collect::<Vec<_>>(),
        "listen_addrs": info.listen_addrs.iter().map(|a| a.to_string()).collect::<Vec<_>>(),
        "observed": info.observed_addr.to_string(),
    })
}

/// Drives the swarm in the background for the verbs that work on streams alone.
fn drive(mut swarm: Swarm<Peer>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            let event = swarm.select_next_some().await;
            report(&event);
        }
    })
}

// ---------------------------------------------------------------- listen

/// The lines of stdin; ends when stdin closes or SIGTERM comes, which is caught from the call on.
fn stdin_lines() -> tokio::sync::mpsc::Receiver<String> {
    let term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let read = async {
            let mut lines = tokio::io::BufReader::new(tokio::io::stdin()).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                if sender.send(line).await.is_err() {
                    break;
                }
            }
        };
        match term {
            Ok(mut term) => tokio::select! { _ = read => {}, _ = term.recv() => {} },
            Err(_) => read.await,
        }
    });
    receiver
}

async fn listen(args: &Args) -> Res<()> {
    let key = keypair(args)?;
    let local = key.public().to_peer_id();
    let parts = Parts {
        gossip: true,
        relay_server: args.has("relay"),
        relay_client: args.has("dcutr") || args.has("relay-addr"),
        dcutr: args.has("dcutr"),
        shinkai: true,
        serve: true,
        kad: args.has("dht").then_some(kad::Mode::Server),
        mdns: args.has("mdns"),
        quiet_ping: false,
    };
    let (mut swarm, _control) = make_swarm(&key, args, parts)?;
    for topic in args.all("topic") {
        if let Some(g) = swarm.behaviour_mut().gossipsub.as_mut() {
            g.subscribe(&gossipsub::IdentTopic::new(topic))?;
        }
    }
    let port: u16 = args.num("port", 0)?;
    let listen_ip = circuits::listen_ip(args)?;
    swarm.listen_on(circuits::tcp_address(listen_ip, port))?;
    let reply = args.text("shinkai-reply-hex").map(hex::decode).transpose()?;
    let mut connect_to: Vec<Multiaddr> = args.all("connect").iter().map(|a| a.parse()).collect::<Result<_, _>>()?;
    let mut reserve: Vec<Multiaddr> = args.all("relay-addr").iter().map(|a| a.parse()).collect::<Result<_, _>>()?;
    let mut reservations = circuits::Reservations::default();
    let quiet = args.has("quiet");
    let say = |event: Value| {
        if !quiet {
            emit(event)
        }
    };
    let mut tally = Tally::new(quiet || args.has("count-only"));
    let mut node = dht::Node::new(args)?;
    let mut lines = stdin_lines();
    let mut commander = commands::Commander::new(args, args.all("topic"));
    loop {
        let event = tokio::select! {
            line = lines.recv() => match line {
                Some(line) => {
                    commander.run(&mut swarm, &line);
                    continue;
                }
                None => break,
            },
            _ = commander.pause() => {
                commander.tick(&mut swarm);
                continue;
            }
            e = swarm.select_next_some() => e,
        };
        report(&event);
        node.on_event(&mut swarm, &event);
        reservations.on_event(&event);
        match event {
            SwarmEvent::NewListenAddr { address, .. } if circuits::is_loopback_of_all(listen_ip, &address) => {}
            SwarmEvent::NewListenAddr { address, .. } if !is_circuit(&address) => {
                // A relay server must know an external address, or its reservations carry none; a DHT node
                // likewise, or it announces itself as a provider without one. On the loopback nobody sees more.
                let external = args.has("relay") || args.has("dht") || args.has("dcutr") && listen_ip.is_loopback();
                if external {
                    swarm.add_external_address(address.clone());
                }
                emit(json!({"event": "listening", "addr": address.with(Protocol::P2p(local)).to_string()}));
                node.join(&mut swarm)?;
                for addr in std::mem::take(&mut connect_to) {
                    swarm.dial(addr)?;
                }
                for relay in std::mem::take(&mut reserve) {
                    swarm.listen_on(relay.with(Protocol::P2pCircuit))?;
                }
            }
            SwarmEvent::NewListenAddr { address, .. } => {
                emit(json!({"event": "listening-circuit", "addr": address.to_string()}))
            }
            SwarmEvent::ListenerClosed { reason: Err(e), .. } => {
                emit(json!({"event": "listener-closed", "error": format!("{e:?}")}))
            }
            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => say(json!({
                "event": "connected", "peer": peer_id.to_string(), "relayed": endpoint.is_relayed(),
                "inbound": endpoint.is_listener()})),
            SwarmEvent::ConnectionClosed { peer_id, num_established, cause, .. } => say(json!({
                "event": "disconnected", "peer": peer_id.to_string(), "left": num_established,
                "cause": cause.map(|c| c.to_string())})),
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                say(json!({"event": "connect-failed", "error": format!("{error:?}")}))
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                say(json!({"event": "incoming-error", "error": format!("{error:?}")}))
            }
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, info })) => {
                say(identified(&peer_id, &info))
            }
            SwarmEvent::Behaviour(PeerEvent::Gossipsub(e)) if quiet => tally.count(&e),
            SwarmEvent::Behaviour(PeerEvent::Gossipsub(e)) => on_gossip(e, &mut tally),
            SwarmEvent::Behaviour(PeerEvent::Shinkai(request_response::Event::Message { peer, message })) => {
                if let request_response::Message::Request { request, channel, .. } = message {
                    emit(with(json!({"event": "shinkai-request", "peer": peer.to_string()}), describe(&request)));
                    if let Some(s) = swarm.behaviour_mut().shinkai.as_mut() {
                        // The harness's default answer: the same bytes back.
                        let _ = s.send_response(channel, reply.clone().unwrap_or(request));
                    }
                }
            }
            SwarmEvent::Behaviour(PeerEvent::Shinkai(request_response::Event::InboundFailure { peer, error, .. })) => {
                emit(json!({"event": "shinkai-inbound-failure", "peer": peer.to_string(), "error": error.to_string()}))
            }
            _ => {}
        }
    }
    if args.has("count-only") {
        let stats = tally.stats();
        emit(with(json!({"event": "gossip-summary"}), stats));
    }
    let summary = json!({"event": "summary", "peer": local.to_string(), "received": tally.received});
    emit(with(summary, node.summary(&mut swarm)));
    Ok(())
}

/// Counts gossip messages; with `--count-only` and `--quiet` there is a summary in place of an event for each.
struct Tally {
    count_only: bool,
    received: u64,
    first_ns: u64,
    last_ns: u64,
    latencies_us: Vec<u64>,
}

impl Tally {
    fn new(count_only: bool) -> Self {
        Self { count_only, received: 0, first_ns: 0, last_ns: 0, latencies_us: vec![] }
    }
    fn add(&mut self, data: &[u8]) {
        let t = now_ns();
        if self.received == 0 {
            self.first_ns = t;
        }
        self.last_ns = t;
        self.received += 1;
        if let Some(sent) = data.get(8..16).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes) {
            self.latencies_us.push(t.saturating_sub(sent) / 1000);
        }
    }
    fn stats(&mut self) -> Value {
        self.latencies_us.sort_unstable();
        let at = |q: f64| {
            let n = self.latencies_us.len();
            (n > 0).then(|| self.latencies_us[((n - 1) as f64 * q) as usize])
        };
        let span = (self.last_ns - self.first_ns) as f64 / 1e9;
        json!({"received": self.received, "receive_seconds": span,
               "latency_us_p50": at(0.5), "latency_us_p99": at(0.99), "latency_us_max": at(1.0)})
    }
    fn count(&mut self, event: &gossipsub::Event) {
        if let gossipsub::Event::Message { message, .. } = event {
            self.add(&message.data);
        }
    }
}

fn on_gossip(e: gossipsub::Event, tally: &mut Tally) {
    match e {
        gossipsub::Event::Message { message, .. } => {
            tally.add(&message.data);
            if !tally.count_only {
                let base = json!({
                    "event": "message", "topic": message.topic.into_string(),
                    "from": message.source.map(|p| p.to_string()), "seqno": message.sequence_number,
                    "t_ns": now_ns()});
                emit(with(base, describe(&message.data)));
            }
        }
        gossipsub::Event::Subscribed { peer_id, topic } => {
            emit(json!({"event": "subscribed", "peer": peer_id.to_string(), "topic": topic.into_string()}))
        }
        gossipsub::Event::Unsubscribed { peer_id, topic } => {
            emit(json!({"event": "unsubscribed", "peer": peer_id.to_string(), "topic": topic.into_string()}))
        }
        gossipsub::Event::GossipsubNotSupported { peer_id } => {
            emit(json!({"event": "gossip-unsupported", "peer": peer_id.to_string()}))
        }
    }
}

// ---------------------------------------------------------------- dial

async fn dial(args: &Args) -> Res<()> {
    let addr: Multiaddr = args.words.get(1).ok_or("dial ADDR --do WHAT")?.parse()?;
    let what = args.text("do").ok_or("dial: --do is missing")?.to_owned();
    if what == "connect" {
        return do_connect(args, addr).await;
    }
    if what == "hold" {
        return do_hold(args, addr).await;
    }
    let key = keypair(args)?;
    let parts = Parts {
        relay_client: is_circuit(&addr) || args.has("dcutr"),
        dcutr: args.has("dcutr"),
        shinkai: what == "shinkai-send",
        quiet_ping: what == "ping" && args.text("via") != Some("behaviour"),
        ..Parts::default()
    };
    let (mut swarm, control) = make_swarm(&key, args, parts)?;
    if args.has("dcutr") {
        circuits::listen_to_punch(&mut swarm, circuits::listen_ip(args)?).await?;
    }
    if what == "dcutr" {
        return circuits::punch(&mut swarm, &addr, Duration::from_secs_f64(args.num("wait", 10.0)?)).await;
    }
    let peer = connect(&mut swarm, &addr).await?;
    match what.as_str() {
        "ping" if args.text("via") == Some("behaviour") => {
            let (count, mut rtts) = (args.num("count", 10usize)?, vec![]);
            while rtts.len() < count {
                match swarm.select_next_some().await {
                    SwarmEvent::Behaviour(PeerEvent::Ping(e)) => rtts.push(e.result?.as_nanos() as f64 / 1e3),
                    SwarmEvent::ConnectionClosed { .. } => return Err("the connection closed".into()),
                    _ => {}
                }
            }
            emit(json!({"event": "ping", "rtts_us": rtts}));
        }
        "ping" => {
            let count = args.num("count", 10usize)?;
            let driver = drive(swarm);
            emit(json!({"event": "ping", "rtts_us": do_ping(&control, peer, count).await?}));
            driver.abort();
        }
        "identify" => {
            let wait = async {
                loop {
                    match swarm.select_next_some().await {
                        SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, info }))
                            if peer_id == peer =>
                        {
                            return Ok::<_, Box<dyn std::error::Error + Send + Sync>>(identified(&peer_id, &info));
                        }
                        SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Error { error, .. })) => {
                            return Err(format!("identify: {error}").into())
                        }
                        _ => {}
                    }
                }
            };
            emit(tokio::time::timeout(Duration::from_secs(10), wait).await.map_err(|_| "identify: timed out")??);
        }
        "echo" => {
            let (size, n) = (args.num("size", 1usize)?, args.num("streams", 1usize)?);
            let concurrent = args.has("concurrent");
            let driver = drive(swarm);
            let start = Instant::now();
            // One after another, all at once, or (--window W) at most W at any time.
            let window = if concurrent { args.num("window", n)? } else { 1 }.max(1);
            let mut jobs = stream::iter(0..n)
                .map(|_| tokio::spawn(echo_once(control.clone(), peer, size)))
                .buffer_unordered(window);
            while let Some(r) = jobs.next().await {
                r??;
            }
            let seconds = start.elapsed().as_secs_f64();
            emit(json!({"event": "echo", "streams": n, "bytes": n * size, "seconds": seconds, "concurrent": concurrent}));
            driver.abort();
        }
        "perf" => {
            let (up, down) = (args.num("up", 0u64)?, args.num("down", 0u64)?);
            let n = args.num("streams", 1u64)?.max(1);
            let driver = drive(swarm);
            let up_seconds = perf_all(&control, peer, n, up, true).await?;
            let down_seconds = perf_all(&control, peer, n, down, false).await?;
            emit(json!({"event": "perf", "up_bytes": up, "up_seconds": up_seconds, "down_bytes": down,
                        "down_seconds": down_seconds, "streams": n}));
            driver.abort();
        }
        "shinkai-send" => {
            let bytes = hex::decode(args.text("hex").ok_or("shinkai-send: --hex is missing")?)?;
            let shinkai = swarm.behaviour_mut().shinkai.as_mut().ok_or("no shinkai behaviour")?;
            shinkai.send_request(&peer, bytes);
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::Behaviour(PeerEvent::Shinkai(e)) => match e {
                        request_response::Event::Message {
                            message: request_response::Message::Response { response, .. }, ..
                        } => {
                            emit(with(json!({"event": "shinkai-response", "peer": peer.to_string()}), describe(&response)));
                            break;
                        }
                        request_response::Event::OutboundFailure { error, .. } => {
                            return Err(format!("shinkai-send: {error}").into())
                        }
                        _ => {}
                    },
                    other => report(&other),
                }
            }
        }
        "wait" => {
            // Stays connected and prints what happens: for hole punching and keep-alive checks.
            let end = tokio::time::sleep(Duration::from_secs_f64(args.num("seconds", 10.0)?));
            tokio::pin!(end);
            let start = Instant::now();
            loop {
                tokio::select! {
                    _ = &mut end => break,
                    event = swarm.select_next_some() => {
                        report(&event);
                        match event {
                            SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } => emit(json!({
                                "event": "connected", "peer": peer_id.to_string(), "relayed": endpoint.is_relayed()})),
                            SwarmEvent::ConnectionClosed { peer_id, cause, .. } => emit(json!({
                                "event": "disconnected", "peer": peer_id.to_string(),
                                "cause": cause.map(|c| c.to_string()), "after_seconds": start.elapsed().as_secs_f64()})),
                            _ => {}
                        }
                    }
                }
            }
        }
        what if what.starts_with("rendezvous-") => rendezvous::ask(&mut swarm, peer, args, what).await?,
        other => return Err(format!("dial: unknown --do {other}").into()),
    }
    Ok(())
}

async fn do_ping(control: &streams::Control, peer: PeerId, count: usize) -> Res<Vec<f64>> {
    let mut s = control.open(peer, PING).await?;
    let (mut rtts, mut back) = (Vec::with_capacity(count), [0u8; 32]);
    for i in 0..count {
        let payload: [u8; 32] = Sha256::digest(i.to_be_bytes()).into();
        let start = Instant::now();
        s.write_all(&payload).await?;
        s.flush().await?;
        s.read_exact(&mut back).await?;
        rtts.push(start.elapsed().as_nanos() as f64 / 1e3);
        if back != payload {
            return Err("ping: the payload came back changed".into());
        }
    }
    s.close().await?;
    Ok(rtts)
}

async fn echo_once(control: streams::Control, peer: PeerId, size: usize) -> Res<()> {
    let s = control.open(peer, ECHO).await?;
    let data: Vec<u8> = (0..size).map(|i| (i * 31 + 7) as u8).collect();
    let (mut r, mut w) = s.split();
    let mut back = Vec::with_capacity(size);
    let send = async {
        w.write_all(&data).await?;
        w.close().await
    };
    let (sent, got) = future::join(send, r.read_to_end(&mut back)).await;
    sent?;
    got?;
    if back != data {
        return Err(format!("echo: {} bytes came back of {size}, or they differ", back.len()).into());
    }
    Ok(())
}

/// Splits `total` over `n` concurrent perf streams; seconds from the first open to the last end.
async fn perf_all(control: &streams::Control, peer: PeerId, n: u64, total: u64, up: bool) -> Res<f64> {
    if total == 0 {
        return Ok(0.0);
    }
    let start = Instant::now();
    let jobs = (0..n).map(|i| {
        let share = total / n + u64::from(i < total % n);
        tokio::spawn(perf_one(control.clone(), peer, share, up))
    });
    for r in future::join_all(jobs).await {
        r??;
    }
    Ok(start.elapsed().as_secs_f64())
}

async fn perf_one(control: streams::Control, peer: PeerId, bytes: u64, up: bool) -> Res<()> {
    let mut s = control.open(peer, PERF).await?;
    // An upload asks for one byte back: an end of stream alone would look the same when the connection
    // died halfway, and the server answers only when it has drained everything.
    let (send, recv) = if up { (bytes, 1) } else { (0, bytes) };
    s.write_all(&recv.to_be_bytes()).await?;
    streams::write_zeros(&mut s, send).await?;
    s.close().await?;
    let (mut buf, mut got) = (vec![0u8; CHUNK], 0u64);
    loop {
        match s.read(&mut buf).await? {
            0 => break,
            k => got += k as u64,
        }
    }
    if got != recv {
        return Err(format!("perf: {got} bytes came back of {recv}").into());
    }
    Ok(())
}

async fn do_connect(args: &Args, addr: Multiaddr) -> Res<()> {
    let count = args.num("count", 1usize)?;
    let key = keypair(args)?;
    let via = args.text("via").unwrap_or("swarm").to_owned();
    let start;
    match via.as_str() {
        // TCP, Noise and yamux alone: nothing runs over the connection.
        "transport" => {
            let tcp = tcp::tokio::Transport::new(tcp::Config::default().nodelay(true));
            let mut transport = secured(tcp, &key, upgrade_version(args)?)?;
            start = Instant::now();
            for _ in 0..count {
                let (_, mut muxer) = transport.dial(addr.clone())?.await?;
                let end = Instant::now() + Duration::from_secs(5);
                // Closing needs the muxer to be driven as well.
                future::poll_fn(|cx| {
                    use libp2p::core::muxing::StreamMuxerExt;
                    let _ = muxer.poll_unpin(cx);
                    if Instant::now() > end {
                        return std::task::Poll::Ready(());
                    }
                    muxer.poll_close_unpin(cx).map(|_| ())
                })
                .await;
            }
        }
        // A whole peer, as an application has it: identify and ping start on every connection.
        "swarm" => {
            let (mut swarm, _) = make_swarm(&key, args, Parts::default())?;
            start = Instant::now();
            for _ in 0..count {
                let peer = connect(&mut swarm, &addr).await?;
                let _ = swarm.disconnect_peer_id(peer);
                loop {
                    if let SwarmEvent::ConnectionClosed { .. } = swarm.select_next_some().await {
                        break;
                    }
                }
            }
        }
        other => return Err(format!("--via: swarm or transport, not {other}").into()),
    }
    emit(json!({"event": "connect", "count": count, "seconds": start.elapsed().as_secs_f64(), "via": via}));
    Ok(())
}

/// Keeps `--count` connections open, each from a peer of its own, for `--wait` seconds.
async fn do_hold(args: &Args, addr: Multiaddr) -> Res<()> {
    let count = args.num("count", 1usize)?;
    let mut drivers = Vec::with_capacity(count);
    for _ in 0..count {
        let key = identity::Keypair::generate_ed25519();
        let (mut swarm, _) = make_swarm(&key, args, Parts { gossip: args.has("topic"), ..Parts::default() })?;
        for topic in args.all("topic") {
            if let Some(g) = swarm.behaviour_mut().gossipsub.as_mut() {
                g.subscribe(&gossipsub::IdentTopic::new(topic))?;
            }
        }
        connect(&mut swarm, &addr).await?;
        drivers.push(drive(swarm));
    }
    emit(json!({"event": "holding", "count": count}));
    tokio::time::sleep(Duration::from_secs_f64(args.num("wait", args.num("seconds", 5.0)?)?)).await;
    drivers.iter().for_each(|d| d.abort());
    emit(json!({"event": "held", "count": count}));
    Ok(())
}

// ---------------------------------------------------------------- gossip

async fn gossip(args: &Args) -> Res<()> {
    let topic = gossipsub::IdentTopic::new(args.text("topic").ok_or("gossip: --topic is missing")?);
    let (total, size) = (args.num("publish", 0u64)?, args.num("size", 64usize)?.max(16));
    let rate: f64 = args.num("rate", 0.0)?;
    let expect: u64 = args.num("expect", 0)?;
    let wait = Duration::from_secs_f64(args.num("wait", 5.0)?);
    let key = keypair(args)?;
    let (mut swarm, _control) = make_swarm(&key, args, Parts { gossip: true, serve: true, ..Parts::default() })?;
    swarm.behaviour_mut().gossipsub.as_mut().ok_or("no gossipsub")?.subscribe(&topic)?;
    if args.has("port") {
        swarm.listen_on(format!("/ip4/127.0.0.1/tcp/{}", args.num("port", 0u16)?).parse()?)?;
    }
    let mut tally = Tally::new(args.has("count-only"));
    for addr in args.words.iter().skip(1) {
        connect(&mut swarm, &addr.parse()?).await?;
    }
    let mesh_deadline = Instant::now() + Duration::from_secs(10);
    let meshed = |s: &Swarm<Peer>| s.behaviour().gossipsub.as_ref().map_or(0, |g| g.mesh_peers(&topic.hash()).count());
    while meshed(&swarm) == 0 && Instant::now() < mesh_deadline {
        if let Ok(e) = tokio::time::timeout(Duration::from_millis(20), swarm.select_next_some()).await {
            gossip_event(e, &mut tally, args, &key);
        }
    }
    emit(json!({"event": "mesh", "peers": meshed(&swarm)}));
    if args.has("settle-ms") {
        let end = Instant::now() + Duration::from_millis(args.num("settle-ms", 0)?);
        while Instant::now() < end {
            if let Ok(e) = tokio::time::timeout(Duration::from_millis(5), swarm.select_next_some()).await {
                gossip_event(e, &mut tally, args, &key);
            }
        }
    }
    let start = Instant::now();
    let (mut sent, mut failures) = (0u64, HashMap::<String, u64>::new());
    for i in 0..total {
        let mut data = vec![0u8; size];
        data[..8].copy_from_slice(&i.to_be_bytes());
        data[8..16].copy_from_slice(&now_ns().to_be_bytes());
        match swarm.behaviour_mut().gossipsub.as_mut().ok_or("no gossipsub")?.publish(topic.clone(), data) {
            Ok(_) => sent += 1,
            Err(e) => *failures.entry(format!("{e:?}")).or_default() += 1,
        }
        if rate > 0.0 {
            let due = start + Duration::from_secs_f64((i + 1) as f64 / rate);
            while Instant::now() < due {
                match tokio::time::timeout_at(due.into(), swarm.select_next_some()).await {
                    Ok(e) => gossip_event(e, &mut tally, args, &key),
                    Err(_) => break,
                }
            }
        } else if i % 16 == 15 {
            // Let the swarm hand over what it has, and the connection tasks write it.
            while let Some(e) = swarm.next().now_or_never().flatten() {
                gossip_event(e, &mut tally, args, &key);
            }
            tokio::task::yield_now().await;
        }
    }
    let publish_seconds = start.elapsed().as_secs_f64();
    let end = tokio::time::sleep(wait);
    tokio::pin!(end);
    while expect == 0 || tally.received < expect {
        tokio::select! {
            _ = &mut end => break,
            e = swarm.select_next_some() => gossip_event(e, &mut tally, args, &key),
        }
    }
    let base = json!({"event": "gossip", "sent": sent, "seconds": start.elapsed().as_secs_f64(),
                      "publish_seconds": publish_seconds, "publish_errors": failures});
    emit(with(base, tally.stats()));
    Ok(())
}

fn gossip_event(e: SwarmEvent<PeerEvent>, tally: &mut Tally, args: &Args, key: &identity::Keypair) {
    match e {
        SwarmEvent::Behaviour(PeerEvent::Gossipsub(g)) => on_gossip(g, tally),
        SwarmEvent::NewListenAddr { address, .. } if args.has("port") => {
            let addr = address.with(Protocol::P2p(key.public().to_peer_id()));
            emit(json!({"event": "listening", "addr": addr.to_string()}))
        }
        SwarmEvent::ConnectionEstablished { peer_id, .. } => {
            emit(json!({"event": "connected", "peer": peer_id.to_string()}))
        }
        SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
            emit(json!({"event": "disconnected", "peer": peer_id.to_string(), "cause": cause.map(|c| c.to_string())}))
        }
        _ => {}
    }
}

// ---------------------------------------------------------------- main

fn show_id(args: &Args) -> Res<()> {
    let key = keypair(args)?;
    emit(json!({
        "event": "id", "peer": key.public().to_peer_id().to_string(),
        "seed_hex": seed(args)?.map(hex::encode),
        "public_key_protobuf_hex": hex::encode(key.public().encode_protobuf()),
    }));
    Ok(())
}

#[tokio::main]
async fn main() {
    let run = async {
        let args = Args::parse(std::env::args().skip(1))?;
        match args.words.first().map(String::as_str) {
            Some("listen") => listen(&args).await,
            Some("dial") => dial(&args).await,
            Some("gossip") => gossip(&args).await,
            Some("dht") => dht::run(&args).await,
            Some("dht-table") => dht_table::run(&args),
            Some("id") => show_id(&args),
            _ => Err("peer listen | dial ADDR --do WHAT | gossip ADDR... --topic T | dht ADDR --do WHAT KEY | dht-table | id".into()),
        }
    };
    let status = match run.await {
        Ok(()) => 0,
        Err(e) => {
            emit(json!({"event": "error", "error": e.to_string()}));
            1
        }
    };
    // Leaves at once: a reader blocked on stdin would hold the runtime open.
    std::process::exit(status);
}

