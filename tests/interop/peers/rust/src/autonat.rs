//! AutoNAT 1 as server and client: it asks soon and often, and does so on private networks, too.

use std::time::Duration;

use libp2p::autonat::{Behaviour, Config, Event, OutboundProbeEvent};
use libp2p::{Multiaddr, PeerId};
use serde_json::json;

use crate::{emit, Args, Res};

/// Serves and asks where `--autonat` is given; `--ask` is one more address to ask about.
pub fn behaviour(local: PeerId, args: &Args) -> Res<Option<Behaviour>> {
    if !args.has("autonat") {
        return Ok(None);
    }
    let config = Config {
        boot_delay: Duration::from_millis(500),
        retry_interval: Duration::from_secs(1),
        throttle_server_period: Duration::from_millis(500),
        throttle_clients_peer_max: 30,
        only_global_ips: false,
        ..Config::default()
    };
    let mut made = Behaviour::new(local, config);
    for addr in args.all("ask") {
        made.probe_address(addr.parse::<Multiaddr>()?);
    }
    Ok(Some(made))
}

/// Prints what was found out, what answers came, and what was answered.
pub fn report(event: &Event) {
    emit(match event {
        Event::StatusChanged { new, .. } => json!({"event": "autonat-status", "status": format!("{new:?}")}),
        Event::OutboundProbe(e) => {
            json!({"event": "autonat-asked", "answered": !matches!(e, OutboundProbeEvent::Request { .. }),
                   "detail": format!("{e:?}")})
        }
        Event::InboundProbe(e) => json!({"event": "autonat-served", "detail": format!("{e:?}")}),
    })
}
