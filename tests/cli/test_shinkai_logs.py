from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta, timezone

import pytest

from p2pstack.cli.output import Output, OutputGone
from p2pstack.cli.shinkai_logs import StatusLog, log_records

NOON = datetime(2025, 6, 3, 12, 0, 0, 123_456, tzinfo=UTC)
LOGGER = logging.getLogger("p2pstack.shinkai")


def status_log(*, as_json: bool) -> tuple[StatusLog, io.StringIO]:
    stream = io.StringIO()
    return StatusLog(Output(as_json=as_json, stream=stream), lambda: NOON), stream


def test_an_event_for_machines() -> None:
    log, stream = status_log(as_json=True)
    log.event("started", "it runs", "red", name="@@alice.shinkai")
    assert json.loads(stream.getvalue()) == {
        "time": "2025-06-03T12:00:00.123+00:00",
        "event": "started",
        "name": "@@alice.shinkai",
    }


def test_an_event_for_people_has_their_time() -> None:
    log, stream = status_log(as_json=False)
    log.event("started", "it runs", name="@@alice.shinkai")
    assert stream.getvalue() == f"{NOON.astimezone():%H:%M:%S} it runs\n"
    far = NOON.astimezone(timezone(timedelta(hours=5)))
    other = io.StringIO()
    StatusLog(Output(stream=other), lambda: far).event("started", "it runs")
    assert other.getvalue() == stream.getvalue()


def test_log_records_of_the_library_for_machines() -> None:
    log, stream = status_log(as_json=True)
    level = logging.getLogger("p2pstack").level
    with log_records(log, logging.WARNING):
        LOGGER.info("not told")
        LOGGER.warning("a %s", "warning")
        try:
            int("why")
        except ValueError:
            LOGGER.exception("failed")
    LOGGER.warning("no longer told")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"]) == ("log", "warning", "p2pstack.shinkai")
    assert first["message"] == "a warning"
    assert second["message"].startswith("failed\nTraceback")
    assert second["message"].endswith("'why'")

    assert logging.getLogger("p2pstack").level == level


def test_log_records_for_people_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log, stream = status_log(as_json=False)
    with log_records(log, logging.DEBUG):
        LOGGER.debug("a\x1b[31m line")
    assert stream.getvalue() == ""
    assert capsys.readouterr().err == "p2pstack: debug: a\\x1b[31m line\n"


def test_a_record_that_nobody_reads_ends_nothing() -> None:
    class Broken(io.StringIO):
        def write(self, _: str) -> int:
            raise BrokenPipeError

    log = StatusLog(Output(as_json=True, stream=Broken()))
    with log_records(log, logging.INFO):
        LOGGER.info("to nobody")
    with pytest.raises(OutputGone):
        log.event("stopped", "")
