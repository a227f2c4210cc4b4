import asyncio
import sys

from p2pstack import Gossipsub, Host


async def main(address):
    async with Host() as host, Gossipsub(host) as pubsub:
        await host.connect(address)
        async with pubsub.subscribe("news") as news:
            result = await pubsub.publish("news", b"hello from Python")
            print("sent to", result.peers, "peers")
            async for message in news:
                print(message.author, message.data)


asyncio.run(main(sys.argv[1]))
