"""The texts that messages of some schemas carry: jobs and tool offerings, as JSON of their own (SHK-25, SHK-26).

What other code of a node works on, and this stack does not (callbacks, statistics, tools), is kept as the JSON it is.
Numbers in it are int within 64 bits and float beyond, as in the original.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import MalformedMessage
from p2pstack.shinkai.json_form import fields, string, unit_name

__all__ = [
    "MAX_STRUCTURE",
    "JobCreation",
    "JobMessage",
    "VectorSearchMode",
    "offering_request",
    "offerings",
    "read_offering_request",
    "read_offerings",
]

MAX_STRUCTURE = 1_048_576
"""Characters outside of texts: a node with many tools has a long offering."""

_JOB_DEFAULTS: Mapping[str, object] = {
    "reasoning_content": None,
    "parent": None,
    "sheet_job_data": None,
    "tools": None,
    "callback": None,
    "metadata": None,
    "tool_key": None,
    "fs_files_paths": [],
    "job_filenames": [],
}
_JOB = ("job_id", "content", *_JOB_DEFAULTS)
_SCOPE = ("vector_fs_items", "vector_fs_folders", "vector_search_mode")
_CREATION = ("scope", "is_hidden", "associated_ui")


class VectorSearchMode(StrEnum):
    """How much of a job's files is looked through; there is one way."""

    FILL_UP_TO_25K = "FillUpTo25k"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMessage:
    """What goes with ``JobMessageSchema``: a text for a job.

    ``parent`` is the pagination hash of the message that is answered, empty in the first one. ``callback`` and
    ``metadata`` are JSON that is kept as it came.
    """

    job_id: str
    content: str
    reasoning_content: str | None = None
    parent: str | None = None
    sheet_job_data: str | None = None
    tools: tuple[str, ...] | None = None
    callback: Any = None
    metadata: Any = None
    tool_key: str | None = None
    fs_files_paths: tuple[str, ...] = ()
    job_filenames: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return the text that goes into a message, fields in the original's order.

        Raises:
            LocalError: there is no JSON for the callback or the metadata.
        """
        return json_text.compact({name: getattr(self, name) for name in _JOB})

    @classmethod
    def from_json(cls, text: str) -> JobMessage:
        """Read the text of a message. Other fields are skipped; all but ``job_id`` and ``content`` may be missing.

        Raises:
            MessageError: it is no job's message.
        """
        value = json_text.read_numbers(text, max_structure=MAX_STRUCTURE)
        found = dict(zip(_JOB, fields(value, _JOB, "a job's message", defaults=_JOB_DEFAULTS), strict=True))
        return cls(
            job_id=string(found["job_id"], "job_id"),
            content=string(found["content"], "content"),
            reasoning_content=_optional_string(found["reasoning_content"], "reasoning_content"),
            parent=_optional_string(found["parent"], "parent"),
            sheet_job_data=_optional_string(found["sheet_job_data"], "sheet_job_data"),
            tools=None if found["tools"] is None else _strings(found["tools"], "tools"),
            callback=json_text.plain(found["callback"]),
            metadata=json_text.plain(found["metadata"]),
            tool_key=_optional_string(found["tool_key"], "tool_key"),
            fs_files_paths=_paths(found["fs_files_paths"], "fs_files_paths"),
            job_filenames=_strings(found["job_filenames"], "job_filenames"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCreation:
    """What goes with ``JobCreationSchema``: the files and folders that a new job may look into."""

    items: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    search_mode: VectorSearchMode = VectorSearchMode.FILL_UP_TO_25K
    is_hidden: bool | None = None
    associated_ui: Any = None

    def to_json(self) -> str:
        """Return the text that goes into a message, fields in the original's order.

        Raises:
            LocalError: there is no JSON for ``associated_ui``.
        """
        scope = dict(zip(_SCOPE, (self.items, self.folders, self.search_mode), strict=True))
        return json_text.compact(dict(zip(_CREATION, (scope, self.is_hidden, self.associated_ui), strict=True)))

    @classmethod
    def from_json(cls, text: str) -> JobCreation:
        """Read the text of a message.

        Raises:
            MessageError: it creates no job.
        """
        value = json_text.read_numbers(text, max_structure=MAX_STRUCTURE)
        defaults = {"is_hidden": None, "associated_ui": None}
        scope, hidden, interface = fields(value, _CREATION, "a job's creation", defaults=defaults)
        mode_default = {"vector_search_mode": VectorSearchMode.FILL_UP_TO_25K.value}
        items, folders, mode = fields(scope, _SCOPE, "a job's scope", defaults=mode_default)
        if hidden is not None and not isinstance(hidden, bool):
            raise MalformedMessage("the field is_hidden is neither true nor false", requirement="SHK-25")
        return cls(
            items=_paths(items, "vector_fs_items"),
            folders=_paths(folders, "vector_fs_folders"),
            search_mode=unit_name(VectorSearchMode, mode, "vector_search_mode"),
            is_hidden=hidden,
            associated_ui=json_text.plain(interface),
        )


def offering_request(agent: str) -> str:
    """Return the text that asks what tools ``agent`` offers, by its name."""
    return json_text.compact({"agent_identity": agent})


def read_offering_request(text: str) -> str:
    """Return the name of the agent whose tools are asked for.

    Raises:
        MessageError: it is no such request.
    """
    value = json_text.read(text)
    (agent,) = fields(value, ("agent_identity",), "an offering request")
    return string(agent, "agent_identity")


def offerings(tools: Sequence[Mapping[str, Any]]) -> str:
    """Return the text that answers such a request: an array of ``{"network_tool": …, "tool_offering": …}``.

    Raises:
        LocalError: there is no JSON for something in it.
    """
    return json_text.compact([dict(tool) for tool in tools])


def read_offerings(text: str) -> list[Any]:
    """Return the tools of an answer; what each of them holds is not looked at.

    Raises:
        MessageError: it is no array.
    """
    value = json_text.plain(json_text.read_numbers(text, max_structure=MAX_STRUCTURE))
    if not isinstance(value, list):
        raise MalformedMessage("an offering is not an array", requirement="SHK-26")
    return value


def _optional_string(value: object, name: str) -> str | None:
    return None if value is None else string(value, name)


def _list(value: object, name: str) -> list[object]:
    if not isinstance(value, list):
        raise MalformedMessage(f"the field {name} is not an array", requirement="SHK-25")
    return value


def _strings(value: object, name: str) -> tuple[str, ...]:
    return tuple(string(item, name) for item in _list(value, name))


def _paths(value: object, name: str) -> tuple[str, ...]:
    """Return the paths of files, each a text or ``{"path": text}``."""
    return tuple(_path(item, name) for item in _list(value, name))


def _path(value: object, name: str) -> str:
    if isinstance(value, json_text.Members):
        (value,) = fields(value, ("path",), name)
    return string(value, name)
