import asyncio
import os
import sys
from pathlib import Path

from p2pstack.shinkai import EncryptionSecretKey, FileDirectory, NodeKeys, ShinkaiNode, secret_from_hex


async def main(name, listen, people, data):
    keys = NodeKeys(
        secret_from_hex(os.environ["IDENTITY_SECRET_KEY"]),
        EncryptionSecretKey.from_hex(os.environ["ENCRYPTION_SECRET_KEY"]),
    )
    directory = await FileDirectory.open(Path(people))
    node = ShinkaiNode(name, keys=keys, directory=directory, data=Path(data), listen=listen)

    @node.on_message
    async def answer(message):
        result = await node.send_text(message.sender, f"You said: {message.text}")
        print(message.sender, "wrote, and was answered:", result.state)

    async with node:
        print("listening on", node.listen_address)
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
