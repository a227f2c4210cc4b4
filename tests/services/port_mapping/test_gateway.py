from __future__ import annotations

import sys
from pathlib import Path

import pytest

from p2pstack.services.port_mapping import gateway
from p2pstack.services.port_mapping.gateway import default_gateway, gateway_of

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
LAN = "eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the kernel prints addresses in its byte order")


def route(gateway: str, *, destination: str = "00000000", flags: str = "0003", metric: int = 0) -> str:
    return f"eth0\t{destination}\t{gateway}\t{flags}\t0\t0\t{metric}\t00000000\t0\t0\t0\n"


@little_endian
def test_the_default_route_with_the_lowest_metric() -> None:
    assert gateway_of(HEAD + LAN + route("0101A8C0", metric=100) + route("FE00000A", metric=20)) == "10.0.0.254"


@pytest.mark.parametrize(
    "routes",
    [
        "",
        HEAD,
        HEAD + LAN,
        HEAD + route("00000000", flags="0001"),
        HEAD + route("0101A8C0", destination="0000000A"),
        HEAD + route("xyz"),
        HEAD + route("0101A8C0FF"),
        HEAD + "eth0\t00000000\n",
        HEAD + "\n\x00\n",
    ],
)
def test_no_default_route(routes: str) -> None:
    assert gateway_of(routes) is None


@little_endian
def test_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gateway, "ROUTES", tmp_path / "route")
    assert default_gateway() is None
    (tmp_path / "route").write_text(HEAD + route("0101A8C0"))
    assert default_gateway() == "192.168.1.1"
