//! What the lines on stdin of a listening peer ask for (see the README beside the peers), and, with
//! `--gossip-events`, who comes into a mesh and leaves it.

use crate::{emit, now_ns, Args, Peer, Res};
use libp2p::{gossipsub, PeerId, Swarm};
use serde_json::json;
use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

const TICK: Duration = Duration::from_millis(5);

/// Messages that are still to be published, at a rate.
struct Burst {
    topic: String,
    size: usize,
    count: u64,
    rate: f64,
    begin: Instant,
    done: u64,
    failures: HashMap<String, u64>,
}

pub struct Commander {
    events: bool,
    topics: HashSet<String>,
    meshes: HashMap<String, HashSet<PeerId>>,
    bursts: Vec<Burst>,
    next: Instant,
}

impl Commander {
    pub fn new(args: &Args, topics: Vec<String>) -> Self {
        Self {
            events: args.has("gossip-events"),
            topics: topics.into_iter().collect(),
            meshes: HashMap::new(),
            bursts: vec![],
            next: Instant::now(),
        }
    }

    pub fn run(&mut self, swarm: &mut Swarm<Peer>, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Err(e) = self.obey(swarm, &words) {
            emit(json!({"event": "command-failed", "command": words.first(), "error": e.to_string()}));
        }
    }

    fn obey(&mut self, swarm: &mut Swarm<Peer>, words: &[&str]) -> Res<()> {
        let gossip = swarm.behaviour_mut().gossipsub.as_mut().ok_or("no gossipsub")?;
        match words {
            [] => {}
            ["subscribe", topic] => {
                gossip.subscribe(&gossipsub::IdentTopic::new(*topic))?;
                self.topics.insert((*topic).into());
            }
            ["unsubscribe", topic] => {
                gossip.unsubscribe(&gossipsub::IdentTopic::new(*topic))?;
                self.topics.remove(*topic);
            }
            ["publish", topic, data] => {
                gossip.publish(gossipsub::IdentTopic::new(*topic), hex::decode(data.trim_start_matches('-'))?).map_err(|e| format!("{e:?}"))?;
                emit(json!({"event": "published", "topic": topic, "count": 1}));
            }
            ["burst", topic, size, count, rate] => self.bursts.push(Burst {
                topic: (*topic).into(),
                size: size.parse::<usize>()?.max(16),
                count: count.parse()?,
                rate: rate.parse()?,
                begin: Instant::now(),
                done: 0,
                failures: HashMap::new(),
            }),
            ["connect", addr] => swarm.dial(addr.parse::<libp2p::Multiaddr>()?)?,
            ["disconnect", peer] => {
                let _ = swarm.disconnect_peer_id(peer.parse()?);
            }
            _ => return Err(format!("no such command with {} words", words.len() - 1).into()),
        }
        Ok(())
    }

    /// Resolves when it is time for `tick`; never, where there is nothing to do in it.
    pub async fn pause(&self) {
        if !self.events && self.bursts.is_empty() {
            return std::future::pending().await;
        }
        tokio::time::sleep_until(self.next.into()).await;
    }

    pub fn tick(&mut self, swarm: &mut Swarm<Peer>) {
        self.next = Instant::now() + TICK;
        let Some(gossip) = swarm.behaviour_mut().gossipsub.as_mut() else { return };
        self.publish(gossip);
        if self.events {
            self.compare(gossip);
        }
    }

    fn publish(&mut self, gossip: &mut gossipsub::Behaviour) {
        for burst in &mut self.bursts {
            let due = match burst.rate > 0.0 {
                true => (burst.begin.elapsed().as_secs_f64() * burst.rate) as u64 + 1,
                false => u64::MAX,
            };
            while burst.done < burst.count.min(due) {
                let mut data = vec![0u8; burst.size];
                data[..8].copy_from_slice(&burst.done.to_be_bytes());
                data[8..16].copy_from_slice(&now_ns().to_be_bytes());
                if let Err(e) = gossip.publish(gossipsub::IdentTopic::new(&burst.topic), data) {
                    *burst.failures.entry(format!("{e:?}")).or_default() += 1;
                }
                burst.done += 1;
            }
        }
        self.bursts.retain(|burst| {
            if burst.done == burst.count {
                emit(json!({"event": "published", "topic": burst.topic, "count": burst.count, "failures": burst.failures}));
            }
            burst.done < burst.count
        });
    }

    /// Tells how the meshes differ from when it was last asked: the library has no events for it.
    fn compare(&mut self, gossip: &gossipsub::Behaviour) {
        for topic in self.topics.iter().chain(self.meshes.keys()).cloned().collect::<HashSet<_>>() {
            let hash = gossipsub::IdentTopic::new(&topic).hash();
            let now: HashSet<PeerId> = gossip.mesh_peers(&hash).copied().collect();
            let before = self.meshes.insert(topic.clone(), now.clone()).unwrap_or_default();
            for peer in now.difference(&before) {
                emit(json!({"event": "graft", "peer": peer.to_string(), "topic": topic}));
            }
            for peer in before.difference(&now) {
                emit(json!({"event": "prune", "peer": peer.to_string(), "topic": topic}));
            }
        }
    }
}
