"""Inbox names, against the real crate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.shinkai.errors import InvalidInbox
from p2pstack.shinkai.inboxes import MAX_PARTS, InboxName
from p2pstack.shinkai.names import ShinkaiName
from tests.vectors import load

VECTORS: dict[str, Any] = load("shinkai")


@pytest.mark.req("SHK-04")
@pytest.mark.parametrize("case", VECTORS["inbox_names_parsed"]["vectors"], ids=lambda case: case["input"])
def test_inboxes_read_by_the_real_crate(case: dict[str, Any]) -> None:
    if case["ok"]:
        assert str(InboxName.parse(case["input"])) == case["value"]
        return
    with pytest.raises(InvalidInbox) as caught:
        InboxName.parse(case["input"])
    assert caught.value.reason == "invalid-inbox"


@pytest.mark.req("SHK-05")
@pytest.mark.parametrize("case", VECTORS["inbox_names_built"]["vectors"], ids=lambda case: case["inbox"])
def test_inboxes_built_by_the_real_crate(case: dict[str, Any]) -> None:
    inbox = InboxName.of_message(
        case["sender"],
        case["sender_subidentity"],
        case["recipient"],
        case["recipient_subidentity"],
        end_to_end=case["is_e2e"],
    )
    assert inbox.value == case["inbox"]
    assert inbox == InboxName.parse(case["inbox"])


@pytest.mark.req("SHK-04")
def test_what_an_inbox_name_says() -> None:
    inbox = InboxName.parse("INBOX::@@Bob.shinkai/Main::@@alice.shinkai::TRUE")
    assert inbox.end_to_end
    assert inbox.identities == (ShinkaiName.parse("@@bob.shinkai/main"), ShinkaiName.parse("@@alice.shinkai"))
    assert inbox.job_id is None
    job = InboxName.of_job("Job_1")
    assert (job.value, job.job_id, job.end_to_end, job.identities) == ("job_inbox::job_1::false", "job_1", False, ())
    assert InboxName.parse("job_inbox::a::b::false").job_id == "a"


@pytest.mark.req("SHK-04")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "inbox",
        "inbox::false",
        "inbox::@@alice.shinkai::yes",
        "inbox::@@alice.shinkai::false ",
        "inbox::alice::false",
        "inbox::@@alice.shinkai::::false",
        "outbox::@@alice.shinkai::false",
        "job_inbox::x::true",
        "job_inbox::::false",
        "::".join(["inbox", *["@@a.shinkai"] * MAX_PARTS, "false"]),
    ],
)
def test_what_is_no_inbox(text: str) -> None:
    with pytest.raises(InvalidInbox):
        InboxName.parse(text)


@pytest.mark.req("SHK-04")
def test_an_inbox_of_99_names() -> None:
    inbox = InboxName.parse("::".join(["inbox", *["@@a.shinkai"] * (MAX_PARTS - 2), "false"]))
    assert len(inbox.identities) == 99


@pytest.mark.req("SHK-05")
def test_invalid_names_make_no_inbox() -> None:
    with pytest.raises(InvalidInbox, match="no inbox follows"):
        InboxName.of_message("@@alice.shinkai", "main", "@@b-b.shinkai", "", end_to_end=False)
    with pytest.raises(InvalidInbox):
        InboxName.of_job("")


@given(st.text(max_size=40) | st.from_regex(r"\A(job_)?inbox::[@a-z.\-:/]{0,30}::(true|false)\Z"))
def test_any_text_is_an_inbox_or_refused(text: str) -> None:
    try:
        inbox = InboxName.parse(text)
    except InvalidInbox:
        return
    assert InboxName.parse(inbox.value) == inbox
