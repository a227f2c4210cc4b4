"""The Shinkai bridge: what Shinkai nodes say to each other, on top of libp2p (specs/shinkai.md).

Everything that a program with a node needs as a rule is here; docs/shinkai.md shows how it goes together. A name is
loaded when it is first used, so that whoever needs a small part does not pay for the node.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from p2pstack.shinkai.builder import ShinkaiMessageBuilder
    from p2pstack.shinkai.contents import JobCreation, JobMessage
    from p2pstack.shinkai.directory.cache import CachedDirectory
    from p2pstack.shinkai.directory.chain import ChainDirectory
    from p2pstack.shinkai.directory.config import CacheConfig, ChainConfig, FileDirectoryConfig
    from p2pstack.shinkai.directory.errors import (
        DirectoryError,
        DirectoryUnavailable,
        IdentityNotFound,
        InvalidIdentity,
    )
    from p2pstack.shinkai.directory.file import FileDirectory
    from p2pstack.shinkai.directory.interface import Directory
    from p2pstack.shinkai.directory.memory import MemoryDirectory
    from p2pstack.shinkai.directory.records import IdentityRecord
    from p2pstack.shinkai.errors import InvalidName, MessageError
    from p2pstack.shinkai.keys import (
        EncryptionPublicKey,
        EncryptionSecretKey,
        NodeKeys,
        public_from_hex,
        public_to_hex,
        secret_from_hex,
        secret_to_hex,
    )
    from p2pstack.shinkai.message import EncryptionMethod, ShinkaiMessage
    from p2pstack.shinkai.names import ShinkaiName
    from p2pstack.shinkai.network.config import FindingConfig, ManagerConfig
    from p2pstack.shinkai.network.events import PeerDiscovered, PeerDown, PeerUp
    from p2pstack.shinkai.network.profiles import Profile
    from p2pstack.shinkai.node.config import InboxConfig, NodeConfig, SendConfig, TcpConfig
    from p2pstack.shinkai.node.events import LibP2PUnavailable, MessageAccepted, MessageDelivered, MessageFailed
    from p2pstack.shinkai.node.node import ShinkaiNode
    from p2pstack.shinkai.node.results import Attempt, ReceivedMessage, SendResult, SendState
    from p2pstack.shinkai.node.status import NodeStatus
    from p2pstack.shinkai.node.ws import WsManager
    from p2pstack.shinkai.relayer.config import RelayerConfig
    from p2pstack.shinkai.relayer.relayer import ShinkaiRelayer
    from p2pstack.shinkai.schemas import MessageSchemaType

__all__ = [
    "Attempt",
    "CacheConfig",
    "CachedDirectory",
    "ChainConfig",
    "ChainDirectory",
    "Directory",
    "DirectoryError",
    "DirectoryUnavailable",
    "EncryptionMethod",
    "EncryptionPublicKey",
    "EncryptionSecretKey",
    "FileDirectory",
    "FileDirectoryConfig",
    "FindingConfig",
    "IdentityNotFound",
    "IdentityRecord",
    "InboxConfig",
    "InvalidIdentity",
    "InvalidName",
    "JobCreation",
    "JobMessage",
    "LibP2PUnavailable",
    "ManagerConfig",
    "MemoryDirectory",
    "MessageAccepted",
    "MessageDelivered",
    "MessageError",
    "MessageFailed",
    "MessageSchemaType",
    "NodeConfig",
    "NodeKeys",
    "NodeStatus",
    "PeerDiscovered",
    "PeerDown",
    "PeerUp",
    "Profile",
    "ReceivedMessage",
    "RelayerConfig",
    "SendConfig",
    "SendResult",
    "SendState",
    "ShinkaiMessage",
    "ShinkaiMessageBuilder",
    "ShinkaiName",
    "ShinkaiNode",
    "ShinkaiRelayer",
    "TcpConfig",
    "WsManager",
    "public_from_hex",
    "public_to_hex",
    "secret_from_hex",
    "secret_to_hex",
]

_LOADED_LATER = {
    "Attempt": "p2pstack.shinkai.node.results",
    "CacheConfig": "p2pstack.shinkai.directory.config",
    "CachedDirectory": "p2pstack.shinkai.directory.cache",
    "ChainConfig": "p2pstack.shinkai.directory.config",
    "ChainDirectory": "p2pstack.shinkai.directory.chain",
    "Directory": "p2pstack.shinkai.directory.interface",
    "DirectoryError": "p2pstack.shinkai.directory.errors",
    "DirectoryUnavailable": "p2pstack.shinkai.directory.errors",
    "EncryptionMethod": "p2pstack.shinkai.message",
    "EncryptionPublicKey": "p2pstack.shinkai.keys",
    "EncryptionSecretKey": "p2pstack.shinkai.keys",
    "FileDirectory": "p2pstack.shinkai.directory.file",
    "FileDirectoryConfig": "p2pstack.shinkai.directory.config",
    "FindingConfig": "p2pstack.shinkai.network.config",
    "IdentityNotFound": "p2pstack.shinkai.directory.errors",
    "IdentityRecord": "p2pstack.shinkai.directory.records",
    "InboxConfig": "p2pstack.shinkai.node.config",
    "InvalidIdentity": "p2pstack.shinkai.directory.errors",
    "InvalidName": "p2pstack.shinkai.errors",
    "JobCreation": "p2pstack.shinkai.contents",
    "JobMessage": "p2pstack.shinkai.contents",
    "LibP2PUnavailable": "p2pstack.shinkai.node.events",
    "ManagerConfig": "p2pstack.shinkai.network.config",
    "MemoryDirectory": "p2pstack.shinkai.directory.memory",
    "MessageAccepted": "p2pstack.shinkai.node.events",
    "MessageDelivered": "p2pstack.shinkai.node.events",
    "MessageError": "p2pstack.shinkai.errors",
    "MessageFailed": "p2pstack.shinkai.node.events",
    "MessageSchemaType": "p2pstack.shinkai.schemas",
    "NodeConfig": "p2pstack.shinkai.node.config",
    "NodeKeys": "p2pstack.shinkai.keys",
    "NodeStatus": "p2pstack.shinkai.node.status",
    "PeerDiscovered": "p2pstack.shinkai.network.events",
    "PeerDown": "p2pstack.shinkai.network.events",
    "PeerUp": "p2pstack.shinkai.network.events",
    "Profile": "p2pstack.shinkai.network.profiles",
    "ReceivedMessage": "p2pstack.shinkai.node.results",
    "RelayerConfig": "p2pstack.shinkai.relayer.config",
    "SendConfig": "p2pstack.shinkai.node.config",
    "SendResult": "p2pstack.shinkai.node.results",
    "SendState": "p2pstack.shinkai.node.results",
    "ShinkaiMessage": "p2pstack.shinkai.message",
    "ShinkaiMessageBuilder": "p2pstack.shinkai.builder",
    "ShinkaiName": "p2pstack.shinkai.names",
    "ShinkaiNode": "p2pstack.shinkai.node.node",
    "ShinkaiRelayer": "p2pstack.shinkai.relayer.relayer",
    "TcpConfig": "p2pstack.shinkai.node.config",
    "WsManager": "p2pstack.shinkai.node.ws",
    "public_from_hex": "p2pstack.shinkai.keys",
    "public_to_hex": "p2pstack.shinkai.keys",
    "secret_from_hex": "p2pstack.shinkai.keys",
    "secret_to_hex": "p2pstack.shinkai.keys",
}


def __getattr__(name: str) -> object:
    """Load one of the names that are loaded when first used (PEP 562)."""
    module = _LOADED_LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value
