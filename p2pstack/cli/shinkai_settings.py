"""What ``p2pstack node`` is told: by its arguments, by the file ``.secret``, and by the original's environment.

Arguments win. Of names and keys ``.secret`` comes next, as in the original, then the environment.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.people_shinkai import DEFAULT_DATA
from p2pstack.cli.secret_file import FILE, is_open_to_others, read_secret, write_secret
from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.multiaddrs import parse, peer_id_of, tcp_endpoint
from p2pstack.shinkai.directory.cache import CachedDirectory
from p2pstack.shinkai.directory.chain import ChainDirectory
from p2pstack.shinkai.directory.config import ChainConfig
from p2pstack.shinkai.directory.file import FileDirectory
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.errors import InvalidKey, InvalidName
from p2pstack.shinkai.keys import EncryptionSecretKey, NodeKeys, secret_from_hex, secret_to_hex
from p2pstack.shinkai.limits.config import ConnectionRateConfig
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import FindingConfig, ManagerConfig
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node.config import NodeConfig, TcpConfig

__all__ = [
    "DEFAULT_NAME",
    "DIRECTORY_FILE",
    "Settings",
    "finding_config",
    "keep_keys",
    "keys_of",
    "open_directory",
    "read_address",
    "read_chain",
    "read_identity",
    "read_level",
    "read_number",
    "read_settings",
]

DEFAULT_NAME = "@@localhost.sep-shinkai"
"""Who a node is that was not told, as in the original."""

DIRECTORY_FILE = "directory.json"
"""In a node's folder: who is who."""

NAME, IDENTITY_KEY, ENCRYPTION_KEY = "GLOBAL_IDENTITY_NAME", "IDENTITY_SECRET_KEY", "ENCRYPTION_SECRET_KEY"
"""In the environment and in ``.secret``."""

PUBLIC = "public"
"""Stands for the servers that the original asks."""

_LEVELS = {
    "off": logging.CRITICAL + 1,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": logging.DEBUG,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A node as it is to be. ``notes`` are for whoever has started it."""

    name: ShinkaiName
    keys: NodeKeys
    data: Path
    listen: str
    profile: Profile
    directory: Path | None
    """The file; None: the registry on chain."""

    chain: ChainConfig
    peers: tuple[str, ...]
    relay: str | None
    """The multiaddr of a relay ..."""

    proxy: ShinkaiName | None
    """... or its name."""

    ws: tuple[str, int] | None
    config: NodeConfig
    level: int
    notes: list[str] = field(default_factory=list)


def read_settings(options: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """Read the settings; make the folder, and in it the keys, if there are none.

    Raises:
        CommandError: something is not what it has to be.
        OSError: the folder or a file in it can't be made or read.
    """
    notes: list[str] = []
    data = options.data if options.data is not None else Path(environ.get("NODE_STORAGE_PATH") or DEFAULT_DATA)
    name, keys = read_identity(options, environ, data, notes)
    relay, proxy = _relay(options.relay, environ, notes)
    chain = read_chain(options, environ)
    directory = None if chain is not None else options.directory or data / DIRECTORY_FILE
    listen = options.listen or f"{_host(environ.get('NODE_IP') or '0.0.0.0')}:{read_number(environ, 'NODE_PORT', 9552)}"  # noqa: S104
    return Settings(
        name=name,
        keys=keys,
        data=data,
        listen=listen,
        profile=Profile(options.profile),
        directory=directory,
        chain=chain or ChainConfig(),
        peers=tuple(map(read_address, options.peer)),
        relay=relay,
        proxy=proxy,
        ws=_ws(options, environ, notes),
        config=_config(options, environ),
        level=read_level(options.log, environ),
        notes=notes,
    )


def keys_of(values: Mapping[str, str]) -> tuple[str | None, str | None]:
    """Return the signature and the encryption secret that a mapping holds, in hex, each None where it has none."""
    return values.get(IDENTITY_KEY) or None, values.get(ENCRYPTION_KEY) or None


def keep_keys(data: Path, name: ShinkaiName, keys: NodeKeys) -> Path:
    """Write a name and its keys into the folder's ``.secret``, made with its folder; return where that is.

    Raises:
        OSError: it can't be written.
    """
    return _keep(data, {NAME: name.full_name, **_secrets(keys)})


def _secrets(keys: NodeKeys) -> dict[str, str]:
    return {IDENTITY_KEY: secret_to_hex(keys.signature), ENCRYPTION_KEY: keys.encryption.to_hex()}


def _keep(data: Path, values: Mapping[str, str]) -> Path:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data / FILE
    write_secret(path, values)
    return path


async def open_directory(file: Path | None, chain: ChainConfig) -> Directory:
    """Open the directory in ``file``, which need not be there yet; None: the registry on ``chain``.

    Raises:
        DirectoryError: the file can't be used.
    """
    if file is not None:
        return await FileDirectory.open(file)
    return CachedDirectory(ChainDirectory(chain))


def read_identity(
    options: argparse.Namespace,
    environ: Mapping[str, str],
    data: Path,
    notes: list[str],
    *,
    variable: str = NAME,
    default: str | None = DEFAULT_NAME,
) -> tuple[ShinkaiName, NodeKeys]:
    """Return name and keys by argument, ``.secret`` and environment; keys that there are none of are made and kept.

    The name may stand in the environment's ``variable``; without any it is ``default``.

    Raises:
        CommandError: the name or a key is none, or there is no name.
        OSError: the file can't be read or written.
    """
    path = data / FILE
    kept = read_secret(path)
    if is_open_to_others(path):
        notes.append(f"{path} can be read by others than you: chmod 600 {path}")
    text = options.name or kept.get(NAME) or environ.get(variable) or default
    if text is None:
        raise CommandError(f"it has no name: give it one by --name, or by {variable} in the environment")
    name = _name(text)
    if options.name and kept.get(NAME) and _name(kept[NAME]) != name:
        notes.append(f"the keys in {path} were made for {kept[NAME]}, and are used for {name}")
    keys = NodeKeys.generate(os.urandom)
    given = {key: value for key in (IDENTITY_KEY, ENCRYPTION_KEY) if (value := kept.get(key) or environ.get(key))}
    try:
        if IDENTITY_KEY in given:
            keys = NodeKeys(secret_from_hex(given[IDENTITY_KEY]), keys.encryption)
        if ENCRYPTION_KEY in given:
            keys = NodeKeys(keys.signature, EncryptionSecretKey.from_hex(given[ENCRYPTION_KEY]))
    except InvalidKey as error:
        raise CommandError(f"{IDENTITY_KEY} and {ENCRYPTION_KEY} have 64 hex digits each") from error
    made = {key: value for key, value in _secrets(keys).items() if key not in given}
    if made and _flag(environ, "NO_SECRET_FILE"):
        notes.append("the keys are new and not kept, as NO_SECRET_FILE asks: what is sent to them later is lost")
    elif made:
        notes.append(f"new keys, kept in {_keep(data, {NAME: name.full_name, **made})}")
    return name, keys


def _name(text: str) -> ShinkaiName:
    try:
        return ShinkaiName.parse(text)
    except InvalidName as error:
        raise CommandError(str(error)) from error


def read_address(text: str) -> str:
    """Return a multiaddr as it is, if it is one: else libp2p would not start, and the node go on without.

    Raises:
        CommandError: it is none, or nobody can be dialled there.
    """
    try:
        address = parse(text)
        if peer_id_of(address) is None and not text.startswith("/dnsaddr/"):
            tcp_endpoint(address)
    except DecodeError as error:
        raise CommandError(f"{text!r} is no multiaddr of a peer: {error}") from error
    return text


def _relay(given: str | None, environ: Mapping[str, str], notes: list[str]) -> tuple[str | None, ShinkaiName | None]:
    if given is not None:
        return (read_address(given), None) if given.startswith("/") else (None, _name(given))
    text = environ.get("PROXY_IDENTITY")
    if not text:
        return None, None
    try:
        return None, ShinkaiName.parse(text)
    except InvalidName as error:
        # As in the original, whose operators may have left something there.
        notes.append(f"PROXY_IDENTITY is ignored: {error}")
        return None, None


def read_chain(options: argparse.Namespace, environ: Mapping[str, str]) -> ChainConfig | None:
    """Return how the registry on chain is asked; None where a file is used.

    Raises:
        CommandError: it can't be asked like that.
    """
    if options.directory is not None:
        return None
    urls = options.rpc_url or [url for url in [environ.get("RPC_URL")] if url]
    contract = environ.get("CONTRACT_ADDRESS")
    if not urls and not contract:
        return None
    defaults = ChainConfig()
    endpoints = tuple(each for url in urls for each in (defaults.endpoints if url == PUBLIC else (url,)))
    try:
        return ChainConfig(endpoints=endpoints or defaults.endpoints, contract=contract or defaults.contract)
    except ConfigError as error:
        raise CommandError(f"the registry can't be asked: {error}") from error


def _ws(options: argparse.Namespace, environ: Mapping[str, str], notes: list[str]) -> tuple[str, int] | None:
    port = options.ws_port or read_number(environ, "NODE_WS_PORT", 0)
    if not port:
        return None
    host = environ.get("NODE_IP") or "127.0.0.1"
    if host not in {"127.0.0.1", "::1", "localhost"}:
        notes.append("WebSocket clients are told messages in the clear: they can connect from this machine alone")
        host = "127.0.0.1"
    return host, port


def _config(options: argparse.Namespace, environ: Mapping[str, str]) -> NodeConfig:
    rate = ConnectionRateConfig()
    try:
        rate = ConnectionRateConfig(
            per_second=read_number(environ, "MAX_CONNECTIONS", int(rate.per_second)),
            burst=read_number(environ, "BURST_ALLOWANCE", rate.burst),
            concurrent=read_number(environ, "MAX_CONNECTIONS_PER_IP", rate.concurrent),
        )
        workers = read_number(environ, "NETWORK_JOB_MANAGER_THREADS", NodeConfig().job_workers)
        return NodeConfig(
            libp2p=not options.no_libp2p,
            tcp=TcpConfig(rate=rate),
            job_workers=workers,
            manager=ManagerConfig(finding=_finding(options)),
        )
    except ConfigError as error:
        raise CommandError(f"the environment asks for what can't work: {error}") from error


def _finding(options: argparse.Namespace) -> FindingConfig:
    interfaces = None if options.interfaces is None else tuple(options.interfaces)
    return replace(finding_config(options), mdns=options.mdns, interfaces=interfaces)


def finding_config(options: argparse.Namespace) -> FindingConfig:
    """Return how the DHT is taken part in, of a node or a relay.

    Raises:
        CommandError: its name is none.
    """
    try:
        return FindingConfig(dht=options.dht, protocol=options.dht_protocol or FindingConfig().protocol)
    except ConfigError as error:
        raise CommandError(f"--dht-protocol: {error}") from error


def read_level(given: str | None, environ: Mapping[str, str]) -> int:
    """Return from which level on log lines are printed. RUST_LOG may name modules, which are not ours: they pass."""
    if given is not None:
        return _LEVELS[given]
    for item in environ.get("RUST_LOG", "").lower().split(","):
        if item.strip() in _LEVELS:
            return _LEVELS[item.strip()]
    return logging.DEBUG if _flag(environ, "LOG_ALL") else logging.WARNING


def _flag(environ: Mapping[str, str], key: str) -> bool:
    return environ.get(key, "").strip().lower() in {"1", "true"}


def read_number(environ: Mapping[str, str], key: str, default: int) -> int:
    """Return the whole number that a variable of the environment holds, ``default`` where it is not set.

    Raises:
        CommandError: it holds something else.
    """
    text = environ.get(key, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit()):
        raise CommandError(f"{key} is no number: {text!r}")
    return int(text)


def _host(text: str) -> str:
    return f"[{text}]" if ":" in text and not text.startswith("[") else text
