"""Names, against the real crate's verdicts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.names import ENDINGS, ShinkaiName, SubidentityType, is_local, is_valid, repair, validate
from tests.vectors import load

CASES: list[dict[str, Any]] = load("shinkai")["shinkai_names"]["vectors"]


@pytest.mark.req("SHK-01", "SHK-02", "SHK-03")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["input"] or "empty")
def test_names_of_the_real_crate(case: dict[str, Any]) -> None:
    assert is_valid(case["input"]) is case["is_fully_valid_without_repair"]
    if not case["ok"]:
        with pytest.raises(InvalidName) as caught:
            ShinkaiName.parse(case["input"])
        assert caught.value.reason == "invalid-name"
        return
    name = ShinkaiName.parse(case["input"])
    assert str(name) == name.full_name == case["full_name"]
    assert name.node_name == case["node_name"]
    assert name.profile_name == case["profile_name"]
    assert name.subidentity_type == case["subidentity_type"]
    assert name.subidentity_name == case["subidentity_name"]


@pytest.mark.req("SHK-02")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("@@alice.shinkai/main/agent/a/b", "more than four parts"),
        ("@@alice.shinkai\n", "node part"),
        ("@@alice-b.shinkai", "node part"),
        ("@@ñ.shinkai", "node part"),
        ("@@alice.SHINKAI", "node part"),
        ("alice.shinkai", "node part"),
        ("@@alice.shinkai/main/Agent/x", "neither agent nor device"),
        ("@@alice.shinkai/main/agent", "needs a name"),
        ("@@alice.shinkai/main.shinkai", "other characters"),
        ("@@alice.shinkai/mäin", "other characters"),
        ("@@alice.shinkai/main/agent/x\n", "other characters"),
    ],
)
def test_what_is_no_name_as_it_stands(text: str, why: str) -> None:
    with pytest.raises(InvalidName, match=why):
        validate(text)
    assert not is_valid(text)


@pytest.mark.req("SHK-01")
def test_repair_touches_the_node_part_alone() -> None:
    assert repair("alice/main") == "@@alice.shinkai/main"
    assert repair("@@alice.sep-shinkai/x.shinkai") == "@@alice.sep-shinkai/x.shinkai"
    assert repair("@alice.shinkai") == "@@@alice.shinkai"
    assert repair("@@Alice.SHINKAI") == "@@Alice.SHINKAI.shinkai"


@pytest.mark.req("SHK-02")
def test_an_empty_profile_and_an_empty_device_are_names() -> None:
    assert ShinkaiName.parse("@@alice.shinkai/").profile_name == ""
    name = ShinkaiName.parse("@@alice.shinkai//device/")
    assert (name.profile_name, name.subidentity_type, name.subidentity_name) == ("", SubidentityType.DEVICE, "")


@pytest.mark.req("SHK-03")
def test_names_that_differ_in_case_are_equal() -> None:
    one = ShinkaiName.parse("@@Alice.shinkai/Main/device/Phone")
    two = ShinkaiName.parse("@@alice.shinkai/main/device/phone")
    assert one == two
    assert hash(one) == hash(two)
    assert one.subidentity_name == "Phone"
    assert one != ShinkaiName.parse("@@alice.shinkai/main/agent/phone")


def test_a_name_contains_what_lies_below_it() -> None:
    node, profile = ShinkaiName.parse("@@alice.shinkai"), ShinkaiName.parse("@@alice.shinkai/main")
    assert node.contains(node)
    assert node.contains(profile)
    assert not profile.contains(node)
    assert not node.contains(ShinkaiName.parse("@@alice_b.shinkai"))
    assert not profile.contains(ShinkaiName.parse("@@alice.shinkai/mainly"))
    assert profile.node == node


def test_a_name_under_a_node() -> None:
    assert str(ShinkaiName.under("alice", "Main/agent/x")) == "@@alice.shinkai/main/agent/x"
    assert str(ShinkaiName.under("@@alice.shinkai", "")) == "@@alice.shinkai"
    with pytest.raises(InvalidName):
        ShinkaiName.under("@@alice.shinkai", "main/x")


@given(st.text(max_size=40) | st.text("@aZ_./- \n", max_size=30))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        name = ShinkaiName.parse(text)
    except InvalidName:
        assert not is_valid(text)
        return
    assert is_valid(str(name))
    assert ShinkaiName.parse(str(name)) == name
    assert name.node.contains(name)
    assert name.node_name.endswith(ENDINGS)


@pytest.mark.req("SHK-101")
def test_a_node_without_a_name_is_one_of_localhost() -> None:
    assert is_local(ShinkaiName.parse("@@localhost.sep-shinkai"))
    assert is_local(ShinkaiName.parse("@@LocalHost.shinkai/main"))
    assert not is_local(ShinkaiName.parse("@@localhostess.shinkai"))
