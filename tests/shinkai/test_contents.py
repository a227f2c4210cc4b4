"""The texts of jobs and offerings."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError
from p2pstack.shinkai import contents
from p2pstack.shinkai.contents import JobCreation, JobMessage, VectorSearchMode
from p2pstack.shinkai.errors import MalformedMessage, MessageError
from tests.shinkai.messages import MESSAGES, json_values, texts

JOB = next(vector for vector in MESSAGES if vector["label"] == "job_message")
JOB_TEXT: str = json.loads(JOB["after_outer_decrypt_json"])["body"]["unencrypted"]["message_data"]["unencrypted"][
    "message_raw_content"
]


@pytest.mark.req("SHK-25")
def test_the_job_s_message_of_the_real_crate() -> None:
    job = JobMessage.from_json(JOB_TEXT)
    assert job == JobMessage(job_id="jobid_1", content="hello hello, are u there?", parent="")
    assert job.to_json() == JOB_TEXT


@pytest.mark.req("SHK-25")
def test_all_of_a_job_s_message() -> None:
    text = (
        '{"job_id":"1","content":"c","reasoning_content":"r","parent":"p","sheet_job_data":"s","tools":["t"],'
        '"callback":{"ToolPlayground":{"tool_router_key":"k","code":"x"}},'
        '"metadata":{"tps":"1.5","duration_ms":null,"function_calls":[{"name":"f","arguments":{"n":[1,2.5]}}]},'
        '"tool_key":"k","fs_files_paths":["a/b"],"job_filenames":["f"]}'
    )
    job = JobMessage.from_json(text)
    assert job.tools == ("t",)
    assert job.metadata["function_calls"][0]["arguments"] == {"n": [1, 2.5]}
    assert job.fs_files_paths == ("a/b",)
    assert job.to_json() == text


@pytest.mark.req("SHK-25")
def test_what_may_be_missing_and_what_is_skipped() -> None:
    job = JobMessage(job_id="1", content="c")
    assert JobMessage.from_json('{"content":"c","x":[{}],"job_id":"1"}') == job
    assert JobMessage.from_json('{"content":"c","job_id":"1","tools":null,"parent":null}') == job
    assert JobMessage.from_json(
        '{"content":"c","job_id":"1","fs_files_paths":[{"path":"p","x":1}]}'
    ).fs_files_paths == ("p",)


@pytest.mark.req("SHK-13", "SHK-25")
def test_a_job_s_message_may_be_an_array_that_ends_early() -> None:
    first = '["1","c",null,null,null,null,null,null,null'
    job = JobMessage(job_id="1", content="c")
    assert JobMessage.from_json(f"{first}]") == JobMessage.from_json(f"{first},[],[]]") == job
    assert JobMessage.from_json(f'{first},["p"]]').fs_files_paths == ("p",)
    for wrong in (f"{first},[],[],1]", '["1","c",null]', '["1"]'):
        with pytest.raises(MalformedMessage, match="11 fields"):
            JobMessage.from_json(wrong)


@pytest.mark.req("SHK-25")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{}",
        '{"job_id":"1"}',
        '{"job_id":1,"content":"c"}',
        '{"job_id":"1","content":"c","parent":1}',
        '{"job_id":"1","content":"c","tools":"t"}',
        '{"job_id":"1","content":"c","tools":[1]}',
        '{"job_id":"1","content":"c","job_filenames":null}',
        '{"job_id":"1","content":"c","fs_files_paths":[null]}',
        '{"job_id":"1","content":"c","fs_files_paths":[{}]}',
        '{"job_id":"1","content":"c","metadata":{"x":1e999}}',
        '{"job_id":"1","content":"c","callback":"\\ud800"}',
    ],
)
def test_what_is_no_job_s_message(text: str) -> None:
    with pytest.raises(MalformedMessage):
        JobMessage.from_json(text)


@pytest.mark.req("SHK-25")
def test_a_job_s_creation() -> None:
    text = (
        '{"scope":{"vector_fs_items":["a"],"vector_fs_folders":["b"],"vector_search_mode":"FillUpTo25k"},'
        '"is_hidden":false,"associated_ui":null}'
    )
    creation = JobCreation(items=("a",), folders=("b",), is_hidden=False)
    assert creation.to_json() == text
    assert JobCreation.from_json(text) == creation
    short = JobCreation.from_json('{"scope":{"vector_fs_items":[],"vector_fs_folders":[{"path":"b"}]}}')
    assert short == JobCreation(folders=("b",))
    assert short.search_mode is VectorSearchMode.FILL_UP_TO_25K
    interface = JobCreation.from_json('{"scope":[[],[],"FillUpTo25k"],"associated_ui":{"Cron":"1"}}').associated_ui
    assert interface == {"Cron": "1"}


@pytest.mark.req("SHK-25")
@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"scope":{}}',
        '{"scope":{"vector_fs_items":[],"vector_fs_folders":null}}',
        '{"scope":{"vector_fs_items":[],"vector_fs_folders":[],"vector_search_mode":"All"}}',
        '{"scope":{"vector_fs_items":[],"vector_fs_folders":[]},"is_hidden":0}',
    ],
)
def test_what_creates_no_job(text: str) -> None:
    with pytest.raises(MalformedMessage):
        JobCreation.from_json(text)


@pytest.mark.req("SHK-26")
def test_offerings() -> None:
    assert contents.offering_request("@@bob.shinkai") == '{"agent_identity":"@@bob.shinkai"}'
    assert contents.read_offering_request('{"agent_identity":"@@bob.shinkai","x":1}') == "@@bob.shinkai"
    tools: list[dict[str, Any]] = [{"network_tool": {"name": "n"}, "tool_offering": {"price": 1.5}}]
    text = contents.offerings(tools)
    assert text == '[{"network_tool":{"name":"n"},"tool_offering":{"price":1.5}}]'
    assert contents.read_offerings(text) == tools
    assert contents.read_offerings("[1]") == [1]
    for wrong in ("", "{}", '{"agent_identity":null}'):
        with pytest.raises(MalformedMessage):
            contents.read_offering_request(wrong)
        with pytest.raises(MalformedMessage):
            contents.read_offerings(wrong)


def test_what_has_no_json_is_the_caller_s_mistake() -> None:
    with pytest.raises(LocalError):
        JobMessage(job_id="1", content="c", metadata=object()).to_json()


@given(texts, texts, st.none() | st.lists(texts, max_size=2).map(tuple), json_values)
def test_any_job_s_message_survives(job_id: str, content: str, tools: tuple[str, ...] | None, metadata: object) -> None:
    job = JobMessage(job_id=job_id, content=content, tools=tools, metadata=metadata, job_filenames=("a", content))
    again = JobMessage.from_json(job.to_json())
    assert JobMessage.from_json(again.to_json()) == again
    assert (again.job_id, again.content, again.tools, again.job_filenames) == (job_id, content, tools, ("a", content))


@given(st.text(max_size=60) | json_values.map(json.dumps))
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (JobMessage.from_json, JobCreation.from_json, contents.read_offering_request, contents.read_offerings):
        try:
            value = read(text)
        except MessageError:
            continue
        assert value is not None
