"""``p2pstack relay``: a relay in a terminal, or under a supervisor, until it is told to stop."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import AsyncIterator

from p2pstack.cli.metrics_server import MetricsServer
from p2pstack.cli.output import Output, data_size, printable
from p2pstack.cli.relay_settings import RelaySettings, read_relay_settings
from p2pstack.cli.running import raise_descriptor_limit, run, stop_requests
from p2pstack.cli.shinkai_events import show_events
from p2pstack.cli.shinkai_logs import StatusLog, log_records
from p2pstack.cli.shinkai_settings import open_directory
from p2pstack.errors import P2PError
from p2pstack.host.events import Event
from p2pstack.services.relay.server_events import (
    CircuitClosed,
    CircuitOpened,
    ReservationEnded,
    ReservationMade,
)
from p2pstack.shinkai.directory.errors import IdentityNotFound
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.relayer import ShinkaiRelayer
from p2pstack.shinkai.relayer.events import NodeRegistered, NodeUnregistered, RegistrationRefused
from p2pstack.shinkai.relayer.metrics import CONTENT_TYPE, metrics_of, render

__all__ = ["run_relay", "serve"]

CIRCUIT_EVENTS = (ReservationMade, ReservationEnded, CircuitOpened, CircuitClosed)
"""What the circuit relay tells that is shown."""


def run_relay(options: argparse.Namespace, output: Output) -> int:
    """Run the relay that the arguments, its folder and the environment describe."""
    settings = read_relay_settings(options, os.environ)
    raise_descriptor_limit()
    run(serve(settings, StatusLog(output)), options.loop)
    return 0


async def serve(settings: RelaySettings, log: StatusLog) -> None:
    """Run a relay until SIGTERM, or until the task is cancelled, as Ctrl-C does.

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
            relayer = ShinkaiRelayer(
                settings.name,
                settings.keys,
                directory=directory,
                config=settings.config,
                listen=[settings.listen],
                external=settings.external,
                bootstrap=settings.bootstrap,
            )
            streams = [relayer.events(), relayer.host.events(*CIRCUIT_EVENTS)]
            started = False
            try:
                async with relayer, _metrics(settings, relayer) as metrics:
                    started = True
                    _show_start(relayer, settings, metrics, log)
                    await _check_directory(relayer, settings, directory, log)
                    await show_events(streams, stop, lambda event: _show_event(event, log))
                    _show_end(relayer, log)
            finally:
                if started:
                    log.event("stopped", f"{settings.name} has stopped", name=str(settings.name))


@contextlib.asynccontextmanager
async def _metrics(settings: RelaySettings, relayer: ShinkaiRelayer) -> AsyncIterator[str]:
    """Serve figures, if they are asked for; gives where."""
    if settings.metrics is None:
        yield ""
        return
    async with MetricsServer(settings.metrics, lambda: render(metrics_of(relayer)), CONTENT_TYPE) as server:
        yield f"http://127.0.0.1:{server.port}/metrics"


def _show_start(relayer: ShinkaiRelayer, settings: RelaySettings, metrics: str, log: StatusLog) -> None:
    addresses = [str(address) for address in relayer.addresses]
    where = str(settings.directory) if settings.directory is not None else f"contract {settings.chain.contract}"
    log.event(
        "started",
        f"{relayer.name} is running",
        "bold green",
        name=str(relayer.name),
        peer_id=str(relayer.peer_id),
        addresses=addresses,
        directory=where,
        metrics=metrics,
        data=str(settings.data),
        pid=os.getpid(),
    )
    log.output.fields([("listens on", addresses), ("directory", where), ("figures", metrics or "not served")])
    log.output.line("  Ctrl-C ends it.", "dim")


async def _check_directory(
    relayer: ShinkaiRelayer, settings: RelaySettings, directory: Directory, log: StatusLog
) -> None:
    """Tell of what would have nodes not find this relay, or refuse what it signs. Of a file only."""
    if settings.directory is None:
        return
    name = str(relayer.name)
    try:
        record = await directory.lookup(relayer.name)
    except IdentityNotFound:
        log.event("unlisted", f"{settings.directory} does not list {name}: nodes can't find it", "yellow", name=name)
        return
    except P2PError as error:
        log.event("directory", f"{settings.directory}: {error}", "yellow", reason=str(error))
        return
    keys = relayer.keys
    if (record.signature_key, record.encryption_key) != (keys.signature.public_key, keys.encryption.public):
        text = f"{settings.directory} lists other keys for {name}: nodes will refuse what it signs"
        log.event("other_keys", text, "red", name=name)


def _show_event(event: Event, log: StatusLog) -> None:
    match event:
        case NodeRegistered(peer=peer, name=name, local=local):
            text = f"+ {name}" + (f" is {peer}" if local else "")
            log.event("registered", text, "green", peer_id=str(peer), name=name, local=local)
        case NodeUnregistered(peer=peer, name=name, reason=reason):
            log.event("unregistered", f"- {name}: {reason}", "dim", peer_id=str(peer), name=name, reason=reason)
        case RegistrationRefused(peer=peer, name=name, reason=reason):
            text = f"✗ {peer} is not registered as {printable(name)}: {reason}"
            log.event("registration_refused", text, "yellow", peer_id=str(peer), name=name, reason=reason)
        case ReservationMade(peer=peer, expires=expires, renewed=renewed):
            if not renewed:
                log.event("reserved", f"+ {peer} has a reservation", "dim", peer_id=str(peer), expires=expires)
        case ReservationEnded(peer=peer, reason=end):
            log.event(
                "reservation_ended", f"- {peer}, reservation: {end.value}", "dim", peer_id=str(peer), reason=end.value
            )
        case CircuitOpened(initiator=initiator, target=target):
            text = f"+ circuit from {initiator} to {target}"
            log.event("circuit_opened", text, "dim", initiator=str(initiator), target=str(target))
        case CircuitClosed(initiator=initiator, target=target, sent=sent, received=received, reason=end):
            text = f"- circuit from {initiator} to {target}, {data_size(sent + received)}: {end.value}"
            values = {"initiator": str(initiator), "target": str(target), "sent": sent, "received": received}
            log.event("circuit_closed", text, "dim", reason=end.value, **values)
        case _:
            pass


def _show_end(relayer: ShinkaiRelayer, log: StatusLog) -> None:
    counters = relayer.counters
    text = f"stopping; {counters['forwarded']} messages were handed on, {data_size(counters['bytes'])}"
    log.event(
        "stopping",
        text,
        registered=len(relayer.registrations),
        forwarded=counters["forwarded"],
        bytes=counters["bytes"],
        circuit_bytes=relayer.circuits.bytes_passed,
        counters=dict(counters),
    )
