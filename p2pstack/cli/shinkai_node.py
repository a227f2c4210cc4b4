"""``p2pstack node``: a Shinkai node in a terminal, or under a supervisor, until it is told to stop."""

from __future__ import annotations

import argparse
import contextlib
import os

from p2pstack.cli.control_actions import NodeActions
from p2pstack.cli.control_server import ControlServer
from p2pstack.cli.output import Output
from p2pstack.cli.running import raise_descriptor_limit, run, stop_requests
from p2pstack.cli.shinkai_events import show_event, show_events
from p2pstack.cli.shinkai_logs import StatusLog, log_records
from p2pstack.cli.shinkai_settings import Settings, open_directory, read_settings
from p2pstack.errors import P2PError
from p2pstack.identity.keys import PublicKey
from p2pstack.services.bootstrap import BootstrapConnected, BootstrapFailed
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.shinkai.directory.errors import IdentityNotFound
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.network.events import PeerDown, PeerUp, RelayDown, RelayReserved, RelayUp
from p2pstack.shinkai.node import ShinkaiNode
from p2pstack.shinkai.node.ws import WsManager

__all__ = ["run_node", "serve"]

NOTICES = (PeerUp, PeerDown, RelayUp, RelayReserved, RelayDown)
"""What libp2p tells that is shown, ..."""

HOST_EVENTS = (HolePunched, HolePunchFailed, BootstrapConnected, BootstrapFailed)
"""... and what its hosts do."""


def run_node(options: argparse.Namespace, output: Output) -> int:
    """Run the node that the arguments, its folder and the environment describe."""
    settings = read_settings(options, os.environ)
    raise_descriptor_limit()
    run(serve(settings, StatusLog(output)), options.loop)
    return 0


async def serve(settings: Settings, log: StatusLog) -> None:
    """Run a node until SIGTERM, or until the task is cancelled, as Ctrl-C does.

    Raises:
        P2PError: it can't be started.
        OSError: the same, by a port or a file.
        OutputGone: nobody reads its status lines any more.
    """
    with log_records(log, settings.level), stop_requests(stdin=False) as stop:
        for note in settings.notes:
            log.event("note", note, "yellow", note=note)
        async with contextlib.AsyncExitStack() as stack:
            directory = await open_directory(settings.directory, settings.chain)
            stack.push_async_callback(directory.close)
            ws = None
            if settings.ws is not None:
                ws = await stack.enter_async_context(WsManager(*settings.ws))
                where = f"{settings.ws[0]}:{ws.port}"
                log.event("websocket", f"tells WebSocket clients of messages at {where}", listening=where)
            node = ShinkaiNode(
                settings.name,
                keys=settings.keys,
                directory=directory,
                data=settings.data,
                config=settings.config,
                profile=settings.profile,
                listen=settings.listen,
                relay=settings.proxy or settings.relay,
                proxy=settings.proxy,
                bootstrap=settings.peers,
                ws_manager=ws,
            )
            streams = [node.events()]
            started = False
            try:
                async with node:
                    # At once: what connects meanwhile is shown.
                    for manager in node.libp2p_managers:
                        streams += [manager.notices(*NOTICES), manager.host.events(*HOST_EVENTS)]
                    async with ControlServer(settings.data, NodeActions(node).all()):
                        started = True
                        await _show_start(node, settings, directory, log)
                        await show_events(streams, stop, lambda event: show_event(event, log))
                        await _show_end(node, log)
            finally:
                if started:
                    text = f"{settings.name} has stopped; what was accepted is on disk"
                    log.event("stopped", text, name=str(settings.name))


async def _show_start(node: ShinkaiNode, settings: Settings, directory: Directory, log: StatusLog) -> None:
    status = await node.status()
    log.event(
        "started",
        f"{status.name} is running, profile {status.profile}",
        "bold green",
        name=status.name,
        profile=status.profile,
        listening=status.listening,
        addresses=status.addresses,
        peer_ids=status.peer_ids,
        libp2p=status.libp2p,
        libp2p_error=status.libp2p_error,
        data=str(settings.data),
        directory=_directory(settings),
        queued=status.queue.rows,
        untaken=status.messages.untaken,
        pid=os.getpid(),
    )
    log.output.fields(
        [
            ("listens on", status.listening or "nothing but libp2p"),
            ("libp2p", status.addresses if status.libp2p else f"not running: {status.libp2p_error}"),
            ("directory", _directory(settings)),
            ("folder", str(settings.data)),
            ("to deliver", status.queue.rows),
            ("in the inbox", status.messages.untaken),
        ]
    )
    log.output.line(f"  `p2pstack send NAME TEXT --data {settings.data}` sends, Ctrl-C ends it.", "dim")
    await _check_directory(node, settings, directory, log)


def _directory(settings: Settings) -> str:
    if settings.directory is not None:
        return str(settings.directory)
    return f"contract {settings.chain.contract}"


async def _check_directory(node: ShinkaiNode, settings: Settings, directory: Directory, log: StatusLog) -> None:
    """Tell of what would have others refuse this node's messages. Only of a file: a chain is not waited for."""
    if settings.directory is None:
        return
    name = str(node.name.node)
    try:
        record = await directory.lookup(node.name)
    except IdentityNotFound:
        text = f"{settings.directory} does not list {name}: nodes that read it refuse its messages"
        log.event("unlisted", text, "yellow", name=name)
        log.output.line(f"  `p2pstack identity show --data {settings.data}` tells what to list.", "dim")
        return
    except P2PError as error:
        log.event("directory", f"{settings.directory}: {error}", "yellow", reason=str(error))
        return
    ours: tuple[PublicKey, object] = (node.keys.signature.public_key, node.keys.encryption.public)
    if (record.signature_key, record.encryption_key) != ours:
        text = f"{settings.directory} lists other keys for {name}: others will refuse its messages"
        log.event("other_keys", text, "red", name=name)


async def _show_end(node: ShinkaiNode, log: StatusLog) -> None:
    status = await node.status()
    text = f"stopping; {status.queue.rows} to deliver, {status.messages.untaken} in the inbox"
    log.event("stopping", text, queued=status.queue.rows, untaken=status.messages.untaken)
