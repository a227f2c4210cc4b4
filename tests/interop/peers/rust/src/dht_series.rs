//! `dht --do closest` with `--count`: many lookups in one process, `--window` of them under way at once.

use crate::{dht, Args, Peer, PeerEvent, Res};
use futures::StreamExt as _;
use libp2p::{
    identify, kad,
    swarm::{Swarm, SwarmEvent},
    PeerId, StreamProtocol,
};
use sha2::{Digest as _, Sha256};
use std::{collections::HashMap, time::Instant};

#[derive(Default)]
pub struct Series {
    pub peers: Vec<PeerId>,
    pub each: Vec<f64>,
    pub seconds: f64,
    pub requests: u32,
    pub responses: u32,
    pub failures: u32,
    pub failure: Option<String>,
}

/// The key of the lookup of that number, the same in all peers of the command line.
fn numbered(key: &[u8], number: usize) -> Vec<u8> {
    Sha256::new().chain_update(key).chain_update((number as u32).to_be_bytes()).finalize().to_vec()
}

/// `--warm` lookups of the numbers behind `--count`, which nobody counts, and then `--count` lookups.
pub async fn look_up(swarm: &mut Swarm<Peer>, protocol: &StreamProtocol, key: &[u8], args: &Args) -> Res<Series> {
    let count: usize = args.num("count", 1)?;
    let warm: usize = args.num("warm", 0)?;
    let window: usize = args.num("window", 1)?;
    let behind = (count..count + warm).map(|number| numbered(key, number)).collect();
    run(swarm, protocol, behind, window).await?;
    run(swarm, protocol, (0..count).map(|number| numbered(key, number)).collect(), window).await
}

async fn run(swarm: &mut Swarm<Peer>, protocol: &StreamProtocol, keys: Vec<Vec<u8>>, window: usize) -> Res<Series> {
    let mut series = Series { each: vec![0.0; keys.len()], ..Series::default() };
    let mut under_way = HashMap::new();
    let start = Instant::now();
    let mut next = keys.iter().enumerate();
    loop {
        let kad = swarm.behaviour_mut().kad.as_mut().ok_or("no kademlia")?;
        while under_way.len() < window.max(1) {
            let Some((number, key)) = next.next() else { break };
            under_way.insert(kad.get_closest_peers(key.clone()), (number, Instant::now()));
        }
        if under_way.is_empty() {
            series.seconds = start.elapsed().as_secs_f64();
            return Ok(series);
        }
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(PeerEvent::Identify(identify::Event::Received { peer_id, info })) => {
                if let Some(kad) = swarm.behaviour_mut().kad.as_mut() {
                    if dht::serves(&info, protocol) {
                        dht::admit(kad, &peer_id, &info);
                    }
                }
            }
            SwarmEvent::Behaviour(PeerEvent::Kad(kad::Event::OutboundQueryProgressed { id, result, stats, step }))
                if step.last =>
            {
                let Some((number, since)) = under_way.remove(&id) else { continue };
                series.each[number] = since.elapsed().as_secs_f64();
                series.requests += stats.num_requests();
                series.responses += stats.num_successes();
                series.failures += stats.num_failures();
                match result {
                    kad::QueryResult::GetClosestPeers(Ok(ok)) if number + 1 == keys.len() => series.peers = ok.peers,
                    kad::QueryResult::GetClosestPeers(Err(e)) => series.failure = Some(e.to_string()),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
