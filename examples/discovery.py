import asyncio
import sys

from p2pstack import Gossipsub, Host, Kademlia, PeerId


async def main(entrance, peer):
    async with Host(listen=["/ip4/0.0.0.0/tcp/0"]) as host, Kademlia(host) as dht, Gossipsub(host) as pubsub:
        joined = await dht.bootstrap([entrance])
        if not joined.reached:
            sys.exit(f"nobody was reached: {joined.failed}")
        connection = await host.connect(PeerId.from_string(peer))
        result = await pubsub.publish("news", b"hello from Python")
        print("found", connection.peer_id, "and sent to", result.peers, "peers")


asyncio.run(main(*sys.argv[1:]))
