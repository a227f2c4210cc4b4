//! Peers behind NATs: where to listen, reservations at relays, and `dial --do dcutr`.

use crate::{connect, emit, is_circuit, report, target_of, Args, Peer, PeerEvent, Res};
use futures::StreamExt;
use libp2p::{
    identify,
    multiaddr::{Multiaddr, Protocol},
    relay,
    swarm::{ConnectionId, SwarmEvent},
    PeerId, Swarm,
};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

const RELAY_TIMEOUT: Duration = Duration::from_secs(10);

pub fn listen_ip(args: &Args) -> Res<IpAddr> {
    args.num("listen-ip", IpAddr::V4(Ipv4Addr::LOCALHOST))
}

pub fn tcp_address(ip: IpAddr, port: u16) -> Multiaddr {
    Multiaddr::from(ip).with(Protocol::Tcp(port))
}

/// Whether this is the address, of a peer on all interfaces, that nobody else can dial.
pub fn is_loopback_of_all(listen_ip: IpAddr, address: &Multiaddr) -> bool {
    let loopback = address.iter().any(|part| matches!(part, Protocol::Ip4(ip) if ip.is_loopback()));
    listen_ip.is_unspecified() && loopback
}

/// Tells of a reservation once it can be used for hole punching: the relay has to have told how it sees us.
#[derive(Default)]
pub struct Reservations {
    accepted: HashSet<PeerId>,
    observers: HashSet<PeerId>,
    addresses: HashMap<PeerId, Multiaddr>,
    told: HashSet<PeerId>,
}

impl Reservations {
    pub fn on_event(&mut self, event: &SwarmEvent<PeerEvent>) {
        match event {
            SwarmEvent::Behaviour(PeerEvent::RelayClient(relay::client::Event::ReservationReqAccepted {
                relay_peer_id,
                ..
            })) => {
                self.accepted.insert(*relay_peer_id);
            }
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, .. })) => {
                self.observers.insert(*peer_id);
            }
            SwarmEvent::NewListenAddr { address, .. } if is_circuit(address) => {
                if let Some(relay) = address.iter().find_map(peer_of) {
                    self.addresses.insert(relay, address.clone());
                }
            }
            SwarmEvent::ListenerClosed { addresses, .. } => {
                for address in addresses.iter().filter(|address| is_circuit(address)) {
                    if let Some(relay) = address.iter().find_map(peer_of) {
                        self.accepted.remove(&relay);
                        self.addresses.remove(&relay);
                        self.told.remove(&relay);
                        emit(json!({"event": "reservation-lost", "addr": address.to_string()}));
                    }
                }
            }
            _ => return,
        }
        for (relay, address) in &self.addresses {
            if self.accepted.contains(relay) && self.observers.contains(relay) && self.told.insert(*relay) {
                emit(json!({"event": "reserved", "addr": address.to_string()}));
            }
        }
    }
}

fn peer_of(part: Protocol) -> Option<PeerId> {
    match part {
        Protocol::P2p(peer) => Some(peer),
        _ => None,
    }
}

/// Listens, so that there is a port to punch a hole for.
pub async fn listen_to_punch(swarm: &mut Swarm<Peer>, ip: IpAddr) -> Res<()> {
    swarm.listen_on(tcp_address(ip, 0))?;
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
            if is_loopback_of_all(ip, &address) {
                continue;
            }
            if ip.is_loopback() {
                swarm.add_external_address(address);
            }
            return Ok(());
        }
    }
}

/// Connects through a relay, waits for a direct connection to the same peer, and for a ping over it.
pub async fn punch(swarm: &mut Swarm<Peer>, addr: &Multiaddr, wait: Duration) -> Res<()> {
    if !is_circuit(addr) {
        return Err("--do dcutr needs --dcutr and a circuit address".into());
    }
    let relay = addr.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
    tokio::time::timeout(RELAY_TIMEOUT, meet(swarm, &relay)).await.map_err(|_| "no identify with the relay")??;
    let target = target_of(addr).ok_or("the circuit names no peer")?;
    let start = Instant::now();
    connect(swarm, addr).await?;
    emit(json!({"event": "relayed", "seconds": start.elapsed().as_secs_f64()}));
    tokio::time::timeout(wait, direct(swarm, target, start))
        .await
        .map_err(|_| format!("no direct connection within {} s", wait.as_secs_f64()))?
}

/// Connects to the relay; returns when both have told what they see of each other.
async fn meet(swarm: &mut Swarm<Peer>, relay: &Multiaddr) -> Res<()> {
    let peer = connect(swarm, relay).await?;
    let (mut sent, mut received) = (false, false);
    while !(sent && received) {
        let event = swarm.select_next_some().await;
        report(&event);
        match event {
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Sent { peer_id })) => sent |= peer_id == peer,
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, .. })) => {
                received |= peer_id == peer
            }
            _ => {}
        }
    }
    Ok(())
}

async fn direct(swarm: &mut Swarm<Peer>, target: PeerId, start: Instant) -> Res<()> {
    let mut made: HashMap<ConnectionId, serde_json::Value> = HashMap::new();
    loop {
        let event = swarm.select_next_some().await;
        report(&event);
        match event {
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. }
                if peer_id == target && !endpoint.is_relayed() =>
            {
                let direction = if endpoint.is_dialer() { "outbound" } else { "inbound" };
                made.insert(
                    connection_id,
                    json!({"event": "direct", "remote": endpoint.get_remote_address().to_string(),
                           "direction": direction, "seconds": start.elapsed().as_secs_f64()}),
                );
            }
            SwarmEvent::ConnectionClosed { connection_id, .. } => {
                made.remove(&connection_id);
            }
            SwarmEvent::Behaviour(PeerEvent::Ping(ping)) => {
                if let (Some(mut event), Ok(rtt)) = (made.remove(&ping.connection), ping.result) {
                    event["rtt_us"] = json!(rtt.as_nanos() as f64 / 1e3);
                    emit(event);
                    return Ok(());
                }
            }
            _ => {}
        }
    }
}
