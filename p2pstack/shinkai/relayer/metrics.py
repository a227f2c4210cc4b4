"""A relay's figures, and their text form for Prometheus (SHK-111; specs/shinkai.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from p2pstack.shinkai.relayer.relayer import ShinkaiRelayer

__all__ = ["CONTENT_TYPE", "Metric", "metrics_of", "render"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = "p2pstack_relay_"

_REFUSALS = {"refused": "request", "answer-refused": "answer", "registration-refused": "registration"}


Labels: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One figure by its labels. ``kind`` is ``counter``, which only grows, or ``gauge``."""

    name: str
    kind: str
    help: str
    values: Mapping[Labels, float]


def metrics_of(relayer: ShinkaiRelayer) -> list[Metric]:
    """Return the figures of a relay as they are now."""
    usage = relayer.usage()
    counters = {name: count for name, count in relayer.counters.items() if name != "bytes"}
    events: dict[Labels, float] = {
        (("event", name),): float(count) for name, count in counters.items() if "." not in name
    }
    refused: dict[Labels, float] = {
        (("what", _REFUSALS[what]), ("reason", reason)): float(counters[f"{what}.{reason}"])
        for what, _, reason in (name.partition(".") for name in counters)
        if what in _REFUSALS
    }
    hops: dict[Labels, float] = {
        (("kind", kind.name.lower()), ("status", status.name.lower())): float(count)
        for (kind, status), count in relayer.circuits.answers.items()
    }
    return [
        Metric(
            name="registered",
            kind="gauge",
            help="Peers that are registered, by a name or without one.",
            values={(("kind", kind),): float(usage[f"max_{kind}"].current) for kind in ("named", "local")},
        ),
        Metric(
            name="limit_used",
            kind="gauge",
            help="How much of a limit is taken.",
            values={(("limit", name),): float(used.current) for name, used in usage.items()},
        ),
        Metric(
            name="limit",
            kind="gauge",
            help="The limit.",
            values={(("limit", name),): float(used.limit) for name, used in usage.items()},
        ),
        Metric(name="events_total", kind="counter", help="What happened to peers and messages.", values=events),
        Metric(name="refused_total", kind="counter", help="What was refused, by reason.", values=refused),
        Metric(
            name="message_bytes_total",
            kind="counter",
            help="Bytes of messages that were handed on, both ways.",
            values={(): float(relayer.counters["bytes"])},
        ),
        Metric(name="hop_answers_total", kind="counter", help="Requests of the circuit relay, by status.", values=hops),
        Metric(
            name="circuit_bytes_total",
            kind="counter",
            help="Bytes that have passed circuits, both ways.",
            values={(): float(relayer.circuits.bytes_passed)},
        ),
    ]


def render(metrics: Iterable[Metric]) -> str:
    """Return the text form, a line for each value."""
    lines = []
    for metric in metrics:
        name = _PREFIX + metric.name
        lines += [f"# HELP {name} {metric.help}", f"# TYPE {name} {metric.kind}"]
        lines += [f"{name}{_labels(labels)} {value:.15g}" for labels, value in sorted(metric.values.items())]
    return "\n".join(lines) + "\n"


def _labels(labels: Labels) -> str:
    pairs = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{pairs}}}" if pairs else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
