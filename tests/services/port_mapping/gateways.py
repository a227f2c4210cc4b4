"""Gateways on the loopback: one for PCP and NAT-PMP, on an address of its own, and one for UPnP."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv6Address
from typing import cast

import pytest

from p2pstack.services.port_mapping.pcp import PORT

__all__ = ["OUTSIDE", "Igd", "Router", "igd", "on_linux", "router"]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 is there on Linux alone")

OUTSIDE = IPv4Address("5.10.0.1")

_numbers = itertools.count(1)


class Router(asyncio.DatagramProtocol):
    """Maps ports as NAT-PMP and PCP ask for it. What it does wrong is set from outside.

    ``mappings`` has the internal ports by external one. ``speaks`` names the protocols; ``result`` is what it answers
    with; ``lifetime`` what it grants at most; ``ports`` the external ports that it prefers to those asked for;
    ``deaf`` is how many questions it overhears; ``noise`` what it sends before each answer.
    """

    def __init__(self) -> None:
        self.address = f"127.{os.getpid() % 200 + 20}.{next(_numbers)}.1"
        self.outside = OUTSIDE
        self.speaks = {"PCP", "NAT-PMP"}
        self.result = 0
        self.lifetime = 7_200
        self.ports: list[int] = []
        self.deaf = 0
        self.noise: list[bytes] = []
        self.mappings: dict[int, int] = {}
        self.asked: list[str] = []
        self.nonces: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None
        self.news = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        self.news.set()
        if self.deaf:
            self.deaf -= 1
            self.asked.append("overheard")
            return
        answer = self._pcp(data) if data[0] == 2 else self._natpmp(data)
        if answer is not None and self._transport is not None:
            for each in (*self.noise, answer):
                self._transport.sendto(each, sender)

    def _natpmp(self, data: bytes) -> bytes | None:
        if "NAT-PMP" not in self.speaks:
            return None
        head = struct.pack(">BBHI", 0, 128 | data[1], self.result, 1)
        if data[1] == 0:
            self.asked.append("address")
            return head + (b"" if self.result else self.outside.packed)
        internal, external, seconds = struct.unpack(">HHI", data[4:12])
        external, seconds = self._map(internal, external, seconds)
        return head + struct.pack(">HHI", internal, external, seconds)

    def _pcp(self, data: bytes) -> bytes | None:
        if "PCP" not in self.speaks:
            # What a gateway answers that knows NAT-PMP alone; one that knows neither says nothing.
            return bytes((0, 128, 0, 1, 0, 0, 0, 1)) if "NAT-PMP" in self.speaks else None
        opcode, seconds = data[1], int.from_bytes(data[4:8], "big")
        if opcode == 0:
            self.asked.append("announce")
            return struct.pack(">BBBBII12x", 2, 128, 0, self.result, 0, 1)
        nonce = data[24:36]
        self.nonces.append(nonce)
        internal, external = struct.unpack(">HH", data[40:44])
        external, seconds = self._map(internal, external, seconds)
        head = struct.pack(">BBBBII12x", 2, 129, 0, self.result, seconds, 1)
        outside = IPv6Address(f"::ffff:{self.outside}").packed
        return head + nonce + struct.pack(">B3xHH", 6, internal, external) + outside

    def _map(self, internal: int, external: int, seconds: int) -> tuple[int, int]:
        if not seconds:
            self.asked.append("unmap")
            self.mappings = {port: each for port, each in self.mappings.items() if each != internal}
            return 0, 0
        self.asked.append("map")
        if self.result:
            return external, seconds
        if external not in self.mappings and self.ports:
            external = self.ports.pop(0)
        self.mappings[external] = internal
        return external, min(seconds, self.lifetime)


@asynccontextmanager
async def router(*, speaks: tuple[str, ...] = ("PCP", "NAT-PMP")) -> AsyncIterator[Router]:
    """A gateway for PCP and NAT-PMP."""
    fake = Router()
    fake.speaks = set(speaks)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: fake, local_addr=(fake.address, PORT))
    try:
        yield fake
    finally:
        transport.close()


_SERVICE = "urn:schemas-upnp-org:service:WANIPConnection:1"
_DESCRIPTION = f"""<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><deviceList>
<device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType><serviceList><service>
<serviceType>urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1</serviceType>
<controlURL>/cif</controlURL><SCPDURL>/cif.xml</SCPDURL></service></serviceList><deviceList>
<device><deviceType>urn:schemas-upnp-org:device:WANConnectionDevice:1</deviceType><serviceList><service>
<serviceType>{_SERVICE}</serviceType><controlURL>/ctl</controlURL><SCPDURL>/ctl.xml</SCPDURL>
</service></serviceList></device></deviceList></device></deviceList></device></root>
"""


class Igd:
    """A UPnP gateway: answers searches by multicast on the loopback, serves its description and four actions.

    ``taken`` are external ports of others (718); ``permanent``: it knows no lifetimes (725); ``error``: it refuses all
    mappings with that code; ``silent``: it takes connections and says nothing.
    """

    def __init__(self) -> None:
        self.port = 0
        self.outside = str(OUTSIDE)
        self.mappings: dict[int, tuple[str, int, int]] = {}
        self.actions: list[str] = []
        self.taken: set[int] = set()
        self.permanent = False
        self.error = 0
        self.silent = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one HTTP request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if self.silent:
                await reader.read()
                return
            length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
            body = (await reader.readexactly(int(length[1]))).decode() if length else ""
            status, text = self._answer(head, body)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(text)}\r\n"
                f"Connection: close\r\n\r\n{text}".encode()
            )
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _answer(self, head: str, body: str) -> tuple[str, str]:
        if head.startswith("GET "):
            return "200 OK", _DESCRIPTION
        action = re.search(r'SOAPAction: *"[^#]+#(\w+)"', head, re.IGNORECASE)
        assert action is not None
        self.actions.append(action[1])
        values = dict(re.findall(r"<(New\w+)>([^<]*)</", body))
        match action[1]:
            case "GetStatusInfo":
                found = {"NewConnectionStatus": "Connected", "NewLastConnectionError": "ERROR_NONE", "NewUptime": "9"}
            case "GetExternalIPAddress":
                found = {"NewExternalIPAddress": self.outside}
            case "AddPortMapping":
                code = self._add(values)
                if code:
                    return "500 Internal Server Error", _envelope(_fault(code))
                found = {}
            case _:
                self.mappings.pop(int(values["NewExternalPort"]), None)
                found = {}
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in found.items())
        return "200 OK", _envelope(f'<u:{action[1]}Response xmlns:u="{_SERVICE}">{inner}</u:{action[1]}Response>')

    def _add(self, values: dict[str, str]) -> int:
        external, seconds = int(values["NewExternalPort"]), int(values["NewLeaseDuration"])
        if self.error:
            return self.error
        if external in self.taken:
            return 718
        if self.permanent and seconds:
            return 725
        assert values["NewProtocol"] == "TCP"
        self.mappings[external] = (values["NewInternalClient"], int(values["NewInternalPort"]), seconds)
        return 0


def _envelope(inner: str) -> str:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        f's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{inner}</s:Body></s:Envelope>'
    )


def _fault(code: int) -> str:
    return (
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
        '<UPnPError xmlns="urn:schemas-upnp-org:control-1-0">'
        f"<errorCode>{code}</errorCode><errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"
    )


class _Searches(asyncio.DatagramProtocol):
    """Answers every search with where the description is."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        if data.startswith(b"M-SEARCH") and self._transport is not None:
            kind = "urn:schemas-upnp-org:device:InternetGatewayDevice:1"
            self._transport.sendto(
                f"HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {kind}\r\nUSN: uuid:1::{kind}\r\nEXT:\r\n"
                f"SERVER: fake UPnP/1.1\r\nLOCATION: http://127.0.0.1:{self._port}/root.xml\r\n\r\n".encode(),
                sender,
            )


def _multicast_socket() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    group = socket.inet_aton("239.255.255.250")
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + socket.inet_aton("127.0.0.1"))
    sock.bind(("239.255.255.250", 1900))
    return sock


@asynccontextmanager
async def igd() -> AsyncIterator[Igd]:
    """A UPnP gateway."""
    fake, tasks = Igd(), list[asyncio.Task[None]]()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(fake.serve(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Searches(fake.port), sock=_multicast_socket())
    try:
        yield fake
    finally:
        transport.close()
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
