"""A node's file for a test, with a clock that the test moves."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import MessageType
from p2pstack.shinkai.storage.config import QueueConfig
from p2pstack.shinkai.storage.job_queue import NetworkJob
from p2pstack.shinkai.storage.leases import Table
from p2pstack.shinkai.storage.schema import NODE_SCHEMA
from p2pstack.storage.config import StorageConfig
from p2pstack.storage.schema import open_connection


class Clock:
    """Seconds since 1970, as the test has them."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def job(content: bytes = b"{}") -> NetworkJob:
    return NetworkJob(
        receiver_address=Endpoint("0.0.0.0", 9552),
        unsafe_sender_address=Endpoint("127.211.1.2", 10_001),
        message_type=MessageType.SHINKAI_MESSAGE,
        content=content,
        date_created=5.0,
    )


def connection(path: Path, config: StorageConfig | None = None) -> sqlite3.Connection:
    return open_connection(path, NODE_SCHEMA, config or StorageConfig(lock_timeout=0.01))


def retry_table(config: QueueConfig) -> Table:
    return Table("retry", ("recipient", "address", "save", "message"), config)
