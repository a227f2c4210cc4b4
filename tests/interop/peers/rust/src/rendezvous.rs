//! Rendezvous: a point (`listen --rendezvous`), and who registers with one or looks for others there
//! (`dial ADDR --do rendezvous-register | rendezvous-discover --namespace NS`).

use std::time::Duration;

use libp2p::{
    futures::StreamExt,
    identity::Keypair,
    rendezvous::{client, server, Namespace},
    swarm::SwarmEvent,
    Multiaddr, PeerId, Swarm,
};
use serde_json::json;

use crate::{emit, report, Args, Peer, PeerEvent, Res};

pub fn point(args: &Args) -> Option<server::Behaviour> {
    args.has("rendezvous").then(|| server::Behaviour::new(server::Config::default()))
}

pub fn client(args: &Args, key: &Keypair) -> Option<client::Behaviour> {
    args.text("do").is_some_and(|what| what.starts_with("rendezvous-")).then(|| client::Behaviour::new(key.clone()))
}

/// Prints what a point has been asked for.
pub fn report_point(event: &server::Event) {
    emit(json!({"event": "rendezvous-served", "detail": format!("{event:?}")}))
}

/// Asks `point` one thing; a discovery is asked again with the cookie, and prints what is new then as well.
pub async fn ask(swarm: &mut Swarm<Peer>, point: PeerId, args: &Args, what: &str) -> Res<()> {
    let namespace = args.text("namespace").map(|ns| Namespace::new(ns.to_owned())).transpose()?;
    if let Some(addr) = args.text("addr") {
        swarm.add_external_address(addr.parse::<Multiaddr>()?);
    }
    let ttl = args.text("ttl").map(str::parse).transpose()?;
    let limit = args.text("limit").map(str::parse).transpose()?;
    let asked = swarm.behaviour_mut().rendezvous_client.as_mut().ok_or("no rendezvous client")?;
    match what {
        "rendezvous-register" => {
            asked.register(namespace.clone().ok_or("--namespace is missing")?, point, ttl)?;
        }
        "rendezvous-discover" => asked.discover(namespace.clone(), None, limit, point),
        other => return Err(format!("dial: unknown --do {other}").into()),
    }
    let mut again = true;
    tokio::time::timeout(Duration::from_secs(10), async {
        loop {
            match swarm.select_next_some().await {
                SwarmEvent::Behaviour(PeerEvent::RendezvousClient(event)) => match event {
                    client::Event::Registered { ttl, namespace, .. } => {
                        emit(json!({"event": "rendezvous-registered", "namespace": namespace.to_string(), "ttl": ttl}));
                        return Ok(());
                    }
                    client::Event::RegisterFailed { error, .. } | client::Event::DiscoverFailed { error, .. } => {
                        emit(json!({"event": "rendezvous-failed", "error": format!("{error:?}")}));
                        return Ok(());
                    }
                    client::Event::Discovered { registrations, cookie, .. } => {
                        let found: Vec<_> = registrations
                            .iter()
                            .map(|each| json!({"peer": each.record.peer_id().to_string(), "ttl": each.ttl,
                                "namespace": each.namespace.to_string(),
                                "addrs": each.record.addresses().iter().map(|a| a.to_string()).collect::<Vec<_>>()}))
                            .collect();
                        let wire = hex::encode(cookie.clone().into_wire_encoding());
                        emit(json!({"event": "rendezvous-discovered", "found": found, "cookie_hex": wire}));
                        if !std::mem::take(&mut again) {
                            return Ok(());
                        }
                        if let Some(asked) = swarm.behaviour_mut().rendezvous_client.as_mut() {
                            asked.discover(namespace.clone(), Some(cookie), limit, point);
                        }
                    }
                    client::Event::Expired { .. } => {}
                },
                other => report(&other),
            }
        }
    })
    .await
    .map_err(|_| "rendezvous: timed out")?
}
