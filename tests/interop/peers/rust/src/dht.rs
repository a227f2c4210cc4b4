//! Kademlia and multicast DNS: the parts of `listen` that serve them, and the verb `dht`.
//!
//! rust-libp2p leaves much to its user, and this is what it leaves: putting identified peers into the routing
//! table, bootstrapping, checking records before they are stored, choosing among the records found.

use crate::{connect, dht_series, emit, keypair, make_swarm, with, Args, Parts, Peer, PeerEvent, Res};
use futures::StreamExt as _;
use libp2p::{
    identify, identity, kad, mdns,
    swarm::{dial_opts::DialOpts, SwarmEvent},
    Multiaddr, PeerId, StreamProtocol, Swarm,
};
use serde_json::{json, Value};
use std::{
    collections::{BTreeMap, HashSet},
    time::{Duration, Instant},
};

type Store = kad::store::MemoryStore;

fn protocol(args: &Args) -> Res<StreamProtocol> {
    let name = args.text("dht-protocol").unwrap_or("/ipfs/kad/1.0.0").to_owned();
    Ok(StreamProtocol::try_from_owned(name)?)
}

pub fn behaviour(local: PeerId, args: &Args, mode: kad::Mode) -> Res<kad::Behaviour<Store>> {
    let mut config = kad::Config::default();
    config.set_protocol_names(vec![protocol(args)?]);
    config.set_record_filtering(kad::StoreInserts::FilterBoth);
    if args.has("dht-disjoint") {
        config.disjoint_query_paths(true);
    }
    let mut kad = kad::Behaviour::with_config(local, Store::new(local), config);
    kad.set_mode(Some(mode));
    Ok(kad)
}

/// The library speaks on every interface that is not the loopback and offers no choice; so that nothing leaves
/// this machine, `--mdns` runs only where the loopback is the only interface (a network namespace), and finds
/// others only if it has one more address there:
/// `unshare -n sh -c 'ip link set lo up multicast on; ip addr add 10.77.0.1/32 dev lo;
///  ip route add 224.0.0.0/4 dev lo src 10.77.0.1; peer listen --mdns'`
pub fn mdns(local: PeerId) -> Res<mdns::tokio::Behaviour> {
    let table = std::fs::read_to_string("/proc/net/dev")?;
    for line in table.lines().skip(2) {
        let name = line.split(':').next().unwrap_or("").trim();
        if name != "lo" {
            return Err(format!("--mdns would speak on {name}; run it in a network namespace of its own (dht.rs)").into());
        }
    }
    Ok(mdns::tokio::Behaviour::new(mdns::Config::default(), local)?)
}

/// What go-libp2p's validators admit: `/pk/<peer id>` holds the public key of that id; `/test/` holds anything.
fn valid(key: &[u8], value: &[u8]) -> bool {
    if let Some(id) = key.strip_prefix(b"/pk/") {
        return identity::PublicKey::try_decode_protobuf(value).is_ok_and(|k| k.to_peer_id().to_bytes() == id);
    }
    key.starts_with(b"/test/")
}

pub fn serves(info: &identify::Info, protocol: &StreamProtocol) -> bool {
    info.protocols.contains(protocol)
}

pub fn admit(kad: &mut kad::Behaviour<Store>, peer: &PeerId, info: &identify::Info) {
    for addr in &info.listen_addrs {
        kad.add_address(peer, addr.clone());
    }
}

fn table(kad: &mut kad::Behaviour<Store>) -> BTreeMap<PeerId, Vec<String>> {
    let mut all = BTreeMap::new();
    for bucket in kad.kbuckets() {
        for entry in bucket.iter() {
            let addrs = entry.node.value.iter().map(|a| a.to_string()).collect();
            all.insert(*entry.node.key.preimage(), addrs);
        }
    }
    all
}

// ---------------------------------------------------------------- serving

pub struct Node {
    protocol: StreamProtocol,
    bootstrap: Vec<Multiaddr>,
    manual: bool,
    started: Instant,
    joined: bool,
    query: Option<kad::QueryId>,
    requests: BTreeMap<&'static str, u64>,
}

impl Node {
    pub fn new(args: &Args) -> Res<Self> {
        Ok(Self {
            protocol: protocol(args)?,
            bootstrap: args.all("bootstrap").iter().map(|a| a.parse()).collect::<Result<_, _>>()?,
            manual: args.has("dht-manual"),
            started: Instant::now(),
            joined: false,
            query: None,
            requests: BTreeMap::new(),
        })
    }

    /// Dials the bootstrap peers, once the own address is known.
    pub fn join(&mut self, swarm: &mut Swarm<Peer>) -> Res<()> {
        self.started = Instant::now();
        for addr in std::mem::take(&mut self.bootstrap) {
            swarm.dial(addr)?;
        }
        Ok(())
    }

    pub fn on_event(&mut self, swarm: &mut Swarm<Peer>, event: &SwarmEvent<PeerEvent>) {
        if let SwarmEvent::Behaviour(PeerEvent::Mdns(event)) = event {
            return on_mdns(swarm, event);
        }
        let Some(kad) = swarm.behaviour_mut().kad.as_mut() else { return };
        match event {
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, info }))
                if serves(info, &self.protocol) =>
            {
                admit(kad, peer_id, info);
                if !self.joined {
                    self.joined = true;
                    if self.manual {
                        self.report_joined(kad, true);
                    } else {
                        self.query = kad.bootstrap().ok();
                    }
                }
            }
            SwarmEvent::Behaviour(PeerEvent::Kad(kad::Event::OutboundQueryProgressed { id, result, step, .. }))
                if Some(*id) == self.query && step.last =>
            {
                self.query = None;
                let ok = matches!(result, kad::QueryResult::Bootstrap(Ok(_)));
                self.report_joined(kad, ok);
            }
            SwarmEvent::Behaviour(PeerEvent::Kad(kad::Event::InboundRequest { request })) => {
                self.serve(kad, request);
            }
            _ => {}
        }
    }

    fn serve(&mut self, kad: &mut kad::Behaviour<Store>, request: &kad::InboundRequest) {
        use kad::{store::RecordStore as _, InboundRequest::*};
        let kind = match request {
            FindNode { .. } => "FIND_NODE",
            GetProvider { .. } => "GET_PROVIDERS",
            GetRecord { .. } => "GET_VALUE",
            AddProvider { record } => {
                if let Some(record) = record {
                    let _ = kad.store_mut().add_provider(record.clone());
                }
                "ADD_PROVIDER"
            }
            PutRecord { record, .. } => {
                if let Some(record) = record {
                    if valid(record.key.as_ref(), &record.value) {
                        let _ = kad.store_mut().put(record.clone());
                    }
                }
                "PUT_VALUE"
            }
        };
        *self.requests.entry(kind).or_default() += 1;
    }

    fn report_joined(&self, kad: &mut kad::Behaviour<Store>, ok: bool) {
        let peers = table(kad);
        emit(json!({"event": "dht-joined", "ok": ok, "seconds": self.started.elapsed().as_secs_f64(),
                    "size": peers.len(), "peers": peers.keys().map(|p| p.to_string()).collect::<Vec<_>>()}));
    }

    /// The DHT's part of the closing summary: empty where none was served.
    pub fn summary(&self, swarm: &mut Swarm<Peer>) -> Value {
        let Some(kad) = swarm.behaviour_mut().kad.as_mut() else { return json!({}) };
        let peers: Vec<String> = table(kad).keys().map(|p| p.to_string()).collect();
        json!({"dht_requests": self.requests, "dht_table": peers.len(), "dht_peers": peers})
    }
}

fn on_mdns(swarm: &mut Swarm<Peer>, event: &mdns::Event) {
    let (kind, list) = match event {
        mdns::Event::Discovered(list) => ("mdns", list),
        mdns::Event::Expired(list) => ("mdns-expired", list),
    };
    let mut by_peer = BTreeMap::<PeerId, Vec<Multiaddr>>::new();
    for (peer, addr) in list {
        by_peer.entry(*peer).or_default().push(addr.clone());
    }
    for (peer, addrs) in by_peer {
        emit(json!({"event": kind, "peer": peer.to_string(),
                    "addrs": addrs.iter().map(|a| a.to_string()).collect::<Vec<_>>()}));
        if kind == "mdns" && !swarm.is_connected(&peer) {
            if let Err(e) = swarm.dial(DialOpts::peer_id(peer).addresses(addrs).build()) {
                emit(json!({"event": "mdns-dial-failed", "peer": peer.to_string(), "reason": e.to_string()}));
            }
        }
    }
}

// ---------------------------------------------------------------- the verb

enum Op {
    Find(PeerId),
    Put(Vec<u8>, Vec<u8>),
    Get(Vec<u8>),
    Provide(Vec<u8>),
    Providers(Vec<u8>),
    Closest(Vec<u8>),
}

impl Op {
    fn parse(args: &Args) -> Res<Self> {
        let word = |i: usize| args.words.get(i).ok_or("dht ADDR --do WHAT KEY [VALUE]");
        let key = || -> Res<Vec<u8>> { Ok(hex::decode(word(2)?)?) };
        Ok(match args.text("do").unwrap_or("") {
            "find-peer" => Op::Find(word(2)?.parse()?),
            "put" => Op::Put(key()?, hex::decode(word(3)?)?),
            "get" => Op::Get(key()?),
            "provide" => Op::Provide(key()?),
            "find-providers" => Op::Providers(key()?),
            "closest" => Op::Closest(key()?),
            other => return Err(format!("dht: unknown --do {other}").into()),
        })
    }

    fn start(&self, kad: &mut kad::Behaviour<Store>) -> Res<kad::QueryId> {
        let name = |k: &Vec<u8>| kad::RecordKey::new(k);
        Ok(match self {
            Op::Find(peer) => kad.get_closest_peers(*peer),
            Op::Put(key, value) => {
                if !valid(key, value) {
                    return Err("no validator admits this record".into());
                }
                kad.put_record(kad::Record::new(name(key), value.clone()), kad::Quorum::One).map_err(|e| e.to_string())?
            }
            Op::Get(key) => kad.get_record(name(key)),
            Op::Provide(key) => kad.start_providing(name(key)).map_err(|e| e.to_string())?,
            Op::Providers(key) => kad.get_providers(name(key)),
            Op::Closest(key) => kad.get_closest_peers(key.clone()),
        })
    }
}

/// Many lookups, one event.
async fn run_series(swarm: &mut Swarm<Peer>, protocol: &StreamProtocol, op: &Op, args: &Args, wait: Duration) -> Res<()> {
    let Op::Closest(key) = op else { return Err("--count is for --do closest alone".into()) };
    let series = match tokio::time::timeout(wait, dht_series::look_up(swarm, protocol, key, args)).await {
        Ok(series) => series?,
        Err(_) => dht_series::Series { failure: Some("timed out".into()), ..Default::default() },
    };
    let peers: Vec<Value> = series.peers.iter().map(|p| json!({"id": p.to_string(), "addrs": []})).collect();
    let mut out = json!({"event": "dht", "op": "closest", "ok": series.failure.is_none(), "peers": peers, "value_hex": null,
                         "seconds": series.seconds, "seconds_each": series.each, "requests": series.requests,
                         "responses": series.responses, "failures": series.failures});
    if let Some(reason) = series.failure {
        out = with(out, json!({"reason": reason}));
    }
    emit(out);
    Ok(())
}

/// One operation as a client, one event.
pub async fn run(args: &Args) -> Res<()> {
    let addr: Multiaddr = args.words.get(1).ok_or("dht ADDR --do WHAT KEY [VALUE]")?.parse()?;
    let op = Op::parse(args)?;
    let wait = Duration::from_secs_f64(args.num("wait", 10.0)?);
    let hold = Duration::from_secs_f64(args.num("hold", 0.0)?);
    let protocol = protocol(args)?;
    let key = keypair(args)?;
    let parts = Parts { kad: Some(kad::Mode::Client), serve: true, ..Parts::default() };
    let (mut swarm, _control) = make_swarm(&key, args, parts)?;
    if matches!(op, Op::Provide(_)) || !hold.is_zero() {
        // A provider is announced with its external addresses, so it must have one; the others only dial.
        swarm.listen_on("/ip4/127.0.0.1/tcp/0".parse()?)?;
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                swarm.add_external_address(address);
                break;
            }
        }
    }
    let mut expected: HashSet<PeerId> = HashSet::new();
    for more in args.all("bootstrap") {
        expected.insert(connect(&mut swarm, &more.parse()?).await?);
    }
    let first = connect(&mut swarm, &addr).await?;
    expected.insert(first);
    for addr in args.all("bootstrap").iter().chain(std::iter::once(&args.words[1])) {
        let addr: Multiaddr = addr.parse()?;
        if let (Some(peer), Some(kad)) = (crate::target_of(&addr), swarm.behaviour_mut().kad.as_mut()) {
            kad.add_address(&peer, addr);
        }
    }
    let kad = |swarm: &mut Swarm<Peer>, f: &mut dyn FnMut(&mut kad::Behaviour<Store>)| {
        if let Some(k) = swarm.behaviour_mut().kad.as_mut() {
            f(k)
        }
    };

    if args.num("count", 1)? > 1 {
        return run_series(&mut swarm, &protocol, &op, args, wait).await;
    }
    let start = Instant::now();
    let mut id: Res<kad::QueryId> = Err("no kademlia".into());
    kad(&mut swarm, &mut |k| id = op.start(k));
    let id = match id {
        Ok(id) => id,
        Err(e) => {
            emit(json!({"event": "dht", "op": args.text("do"), "ok": false, "peers": [], "value_hex": null,
                        "seconds": 0, "requests": 0, "responses": 0, "failures": 0, "reason": e.to_string()}));
            return Ok(());
        }
    };
    let mut found = Vec::<PeerId>::new();
    let mut values = Vec::<Vec<u8>>::new();
    let mut failure: Option<String> = None;
    let mut counts = (0, 0, 0);
    let end = tokio::time::sleep(wait);
    tokio::pin!(end);
    loop {
        let event = tokio::select! {
            _ = &mut end => { failure = Some("timed out".into()); break }
            e = swarm.select_next_some() => e,
        };
        match event {
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, info }))
                if serves(&info, &protocol) =>
            {
                kad(&mut swarm, &mut |k| admit(k, &peer_id, &info));
            }
            SwarmEvent::Behaviour(PeerEvent::Kad(kad::Event::OutboundQueryProgressed { id: q, result, stats, step }))
                if q == id =>
            {
                counts = (stats.num_requests(), stats.num_successes(), stats.num_failures());
                match result {
                    kad::QueryResult::GetClosestPeers(Ok(ok)) => found.extend(ok.peers),
                    kad::QueryResult::GetClosestPeers(Err(e)) => failure = Some(e.to_string()),
                    kad::QueryResult::GetRecord(Ok(kad::GetRecordOk::FoundRecord(r))) => {
                        if valid(r.record.key.as_ref(), &r.record.value) {
                            values.push(r.record.value);
                        }
                    }
                    kad::QueryResult::GetRecord(Err(e)) => failure = Some(e.to_string()),
                    kad::QueryResult::PutRecord(Err(e)) => failure = Some(e.to_string()),
                    kad::QueryResult::StartProviding(Err(e)) => failure = Some(e.to_string()),
                    kad::QueryResult::GetProviders(Ok(kad::GetProvidersOk::FoundProviders { providers, .. })) => {
                        for p in providers {
                            if !found.contains(&p) {
                                found.push(p);
                            }
                        }
                    }
                    kad::QueryResult::GetProviders(Err(e)) => failure = Some(e.to_string()),
                    _ => {}
                }
                if step.last {
                    break;
                }
            }
            _ => {}
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let mut known = BTreeMap::new();
    kad(&mut swarm, &mut |k| known = table(k));
    let value = values.iter().max();
    match &op {
        Op::Find(target) => {
            found.retain(|p| p == target);
            if found.is_empty() && failure.is_none() {
                failure = Some("the target is not among the closest that answered".into());
            }
        }
        Op::Get(_) => failure = if value.is_some() { None } else { failure.or(Some("not found".into())) },
        Op::Providers(_) if found.is_empty() => failure = failure.or(Some("no provider found".into())),
        // The library calls these a success also where nobody answered.
        Op::Closest(_) | Op::Provide(_) if counts.1 == 0 => failure = failure.or(Some("no peer answered".into())),
        _ => {}
    }
    let peers: Vec<Value> = found
        .iter()
        .map(|p| json!({"id": p.to_string(), "addrs": known.get(p).cloned().unwrap_or_default()}))
        .collect();
    let mut out = json!({"event": "dht", "op": args.text("do"), "ok": failure.is_none(), "peers": peers,
                         "value_hex": value.map(hex::encode), "seconds": seconds,
                         "requests": counts.0, "responses": counts.1, "failures": counts.2});
    if let Some(reason) = failure {
        out = with(out, json!({"reason": reason}));
    }
    emit(out);
    // The library reports these as done when it has handed the last messages to the connections' tasks.
    let least = if matches!(op, Op::Provide(_) | Op::Put(..)) { Duration::from_millis(500) } else { Duration::ZERO };
    let end = tokio::time::sleep(hold.max(least));
    tokio::pin!(end);
    loop {
        tokio::select! {
            _ = &mut end => return Ok(()),
            _ = swarm.select_next_some() => {}
        }
    }
}
