"""A Shinkai node: sends, tries again, receives, and keeps what it has accepted (specs/shinkai.md, SHK-80 to SHK-97).

::

    ShinkaiNode                 start and end, ``send``, ``inbox``, status
    ├── Outgoing                one attempt: libp2p first, then TCP; acknowledgements
    ├── RetryWorker             what was accepted and not delivered is tried again
    ├── NetworkJobManager       what came in: verified, decrypted, dispatched
    ├── MessageStore            messages that were received and sent, and what the program has not taken yet
    ├── tcp/                    frames over plain TCP, on a port of its own or on that of libp2p
    └── WsManager               clients that want to be told of new messages
"""

from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.node import Node, ShinkaiNode
from p2pstack.shinkai.node.results import Attempt, ReceivedMessage, SendResult, SendState
from p2pstack.shinkai.node.status import NodeStatus

__all__ = [
    "Attempt",
    "Node",
    "NodeConfig",
    "NodeStatus",
    "ReceivedMessage",
    "SendResult",
    "SendState",
    "ShinkaiNode",
]
