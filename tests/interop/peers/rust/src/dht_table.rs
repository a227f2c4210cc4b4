//! The verb `dht-table`: how much memory routing tables take for their peers.

use crate::{dht, emit, Args, Res};
use futures::task::noop_waker;
use libp2p::{
    kad,
    multiaddr::{Multiaddr, Protocol},
    swarm::NetworkBehaviour as _,
    PeerId,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::{net::Ipv4Addr, task::Context};

/// By how much the resident memory grows for routing tables that `--peers` made-up peers each are offered to. Buckets
/// of this version have 20 places and no more, all of which are there from the start; of a thousand peers some hundred
/// and thirty get in: `in_table`. Pages are coarse, so that the mean of `--tables` is taken; a first one is not counted.
pub fn run(args: &Args) -> Res<()> {
    let peers: u32 = args.num("peers", 1000)?;
    let tables: u32 = args.num("tables", 10)?;
    let mut all = Vec::new();
    let mut number = 0;
    let mut before = 0;
    for index in 0..=tables {
        if index == 1 {
            before = resident_bytes()?;
        }
        let mut table = dht::behaviour(made_up(u32::MAX - index)?, args, kad::Mode::Server)?;
        for _ in 0..peers {
            number += 1;
            let address = Multiaddr::empty().with(Protocol::Ip4(Ipv4Addr::from(0x0a00_0000 | number))).with(Protocol::Tcp(4001));
            table.add_address(&made_up(number)?, address);
            // What it tells of that would pile up.
            while table.poll(&mut Context::from_waker(&noop_waker())).is_ready() {}
        }
        all.push(table);
    }
    let growth = resident_bytes()? - before;
    let held: usize = all.iter_mut().skip(1).map(|table| table.kbuckets().map(|bucket| bucket.num_entries()).sum::<usize>()).sum();
    emit(json!({"event": "dht-table-memory", "peers": peers, "tables": tables,
                "in_table": held as u32 / tables, "bytes": growth / i64::from(tables)}));
    Ok(())
}

/// The id of an Ed25519 peer, which holds its key.
fn made_up(number: u32) -> Res<PeerId> {
    let key = Sha256::digest(number.to_be_bytes());
    Ok(PeerId::from_bytes(&[&[0, 0x24, 8, 1, 0x12, 0x20], key.as_slice()].concat())?)
}

fn resident_bytes() -> Res<i64> {
    let pages = std::fs::read_to_string("/proc/self/statm")?;
    Ok(pages.split(' ').nth(1).ok_or("statm")?.parse::<i64>()? * 4096)
}
