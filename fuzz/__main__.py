"""The command line: ``python -m fuzz TARGET|all --seconds N``; see fuzz/README.md."""

from __future__ import annotations

import argparse
import secrets
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fuzz import engines, registry

__all__ = ["main"]

_ENGINES = {"random": engines.run_random, "hypothesis": engines.run_hypothesis}
_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; return the exit status: 0, 1 after a failure, 2 for a wrong use."""
    options = _parser().parse_args(arguments)
    names = list(registry.TARGETS) if options.target == "all" else [options.target]
    if options.replay is not None:
        return _replay(options.target, options.replay)
    seed = secrets.randbits(32) if options.seed is None else options.seed
    seconds = options.seconds / len(names)
    print(f"engine {options.engine}, seed {seed}, {seconds:.2g} s a target", flush=True)
    if options.engine == "atheris":
        return _run_atheris(names, seconds, seed)
    failed = 0
    for name in names:
        run = registry.load(name)
        outcome = _ENGINES[options.engine](run, registry.load_corpus(name), seconds, seed)
        failed |= _report(name, outcome)
    return failed


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Fuzz what reads bytes of a peer.")
    parser.add_argument("target", choices=["all", *registry.TARGETS], metavar="TARGET", help="a target, or all of them")
    parser.add_argument("--seconds", type=_positive, default=10.0, help="how long; all targets share it (default: 10)")
    parser.add_argument("--engine", choices=[*_ENGINES, "atheris"], default="random", help="default: random")
    parser.add_argument("--seed", type=int, help="of the engine's random numbers (default: a new one)")
    parser.add_argument("--replay", metavar="FILE|HEX", help="run this one input instead")
    parser.epilog = "Targets: " + ", ".join(registry.TARGETS)
    return parser


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds")
    return value


def _report(name: str, outcome: engines.Outcome) -> int:
    """Print what an engine has done, and return the exit status."""
    rate = outcome.executions / outcome.seconds if outcome.seconds else 0.0
    verdict = "ok" if outcome.failure is None else "FAILED"
    print(f"{name:<26} {outcome.executions:>9,} executions {rate:>10,.0f} a second   {verdict}", flush=True)
    return 0 if outcome.failure is None else _print_failure(name, outcome.failure)


def _print_failure(name: str, failure: engines.Failure) -> int:
    print(failure.text(), file=sys.stderr)
    print(f"{name} fails with this input of {len(failure.data)} bytes: {failure.data.hex()}", file=sys.stderr)
    print(f"repeat it: python -m fuzz {name} --replay {failure.data.hex() or '00'!s}", file=sys.stderr, flush=True)
    return 1


def _replay(name: str, given: str) -> int:
    if name == "all":
        return _misuse("an input is for one target, not for all")
    try:
        data = bytes.fromhex(given) if not _is_file(given) else Path(given).read_bytes()
    except ValueError:
        return _misuse(f"{given!r} is neither a file nor hex")
    run = registry.load(name)
    with engines.watchdog() as reset:
        reset()
        failure = engines.attempt(run, data)
    if failure is not None:
        return _print_failure(name, failure)
    print(f"{name}: {len(data)} bytes, ok")
    return 0


def _is_file(given: str) -> bool:
    try:
        return Path(given).is_file()
    except OSError:  # hex may be longer than a path can be
        return False


def _run_atheris(names: list[str], seconds: float, seed: int) -> int:
    if not engines.has_atheris():
        return _misuse("this engine needs the atheris package: pip install 'p2pstack[fuzz]'")
    if len(names) == 1:
        engines.run_atheris(names[0], seconds, seed, lambda outcome: _report(names[0], outcome))
    failed = 0
    for name in names:  # libFuzzer ends its process
        command = [sys.executable, "-m", "fuzz", name, "--engine", "atheris"]
        command += ["--seconds", str(seconds), "--seed", str(seed)]
        failed |= subprocess.run(command, check=False).returncode
    return 1 if failed else 0


def _misuse(message: str) -> int:
    print(f"fuzz: {message}", file=sys.stderr)
    return _USAGE


if __name__ == "__main__":
    sys.exit(main())
