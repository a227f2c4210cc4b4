import asyncio
import os

from p2pstack.shinkai import IdentityRecord, MemoryDirectory, NodeKeys, ShinkaiNode

directory = MemoryDirectory()


def new_node(name):
    return ShinkaiNode(name, keys=NodeKeys.generate(os.urandom), directory=directory, listen="127.0.0.1:0")


def tell_where(node):
    record = IdentityRecord(
        name=node.name,
        encryption_key=node.keys.encryption.public,
        signature_key=node.keys.signature.public_key,
        address_or_proxy_nodes=(str(node.listen_address),),
    )
    directory.add(record)


async def main():
    async with new_node("@@alice.shinkai") as alice, new_node("@@bob.shinkai") as bob:
        tell_where(alice)
        tell_where(bob)

        @bob.on_message
        async def answer(message):
            await bob.send_text(message.sender, f"You said: {message.text}")

        result = await alice.send_text("@@bob.shinkai", "Hello Bob")
        print(result.state, "by", result.via)
        async for message in alice.inbox():
            print(message.sender, "writes:", message.text)
            break


asyncio.run(main())
