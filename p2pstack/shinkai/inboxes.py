"""Names of inboxes: a conversation between names, or a job (SHK-04, SHK-05).

``inbox::<name>::<name>::<true or false>`` is a conversation, and says whether its contents are encrypted end to end.
``job_inbox::<id>::false`` holds the messages of a job.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.shinkai.errors import InvalidInbox, InvalidName, shown
from p2pstack.shinkai.names import ShinkaiName, is_valid

__all__ = ["MAX_PARTS", "InboxName"]

MAX_PARTS = 101
"""Parts between ``::`` that an inbox's name may have, the first and the last included."""


@dataclass(frozen=True, slots=True)
class InboxName:
    """The name of an inbox, in lower case; a job's has ``job_id`` and no ``identities``.

    Made by :meth:`parse`, :meth:`between` and :meth:`of_job`.
    """

    value: str
    end_to_end: bool
    identities: tuple[ShinkaiName, ...] = ()
    job_id: str | None = None

    @classmethod
    def parse(cls, text: str) -> InboxName:
        """Read an inbox's name; the names in it have to be valid without repair (SHK-04).

        Raises:
            InvalidInbox: it is none.
        """
        value = text.lower()
        kind, *middle = value.split("::")
        if not 3 <= 1 + len(middle) <= MAX_PARTS:
            raise _invalid(text, f"it has 3 to {MAX_PARTS} parts, not {1 + len(middle)}")
        last = middle.pop()
        if last not in {"true", "false"}:
            raise _invalid(text, "it ends with neither true nor false")
        if kind == "inbox":
            if not all(is_valid(name) for name in middle):
                raise _invalid(text, "a name in it is not valid")
            return cls(value, last == "true", tuple(ShinkaiName.parse(name) for name in middle))
        if kind == "job_inbox" and last == "false" and middle[0]:
            return cls(value, end_to_end=False, job_id=middle[0])
        raise _invalid(text, "it is neither inbox::<names> nor job_inbox::<id>::false")

    @classmethod
    def between(cls, first: ShinkaiName, second: ShinkaiName, *, end_to_end: bool) -> InboxName:
        """Return the inbox of two names, the same whichever comes first (SHK-05)."""
        names = sorted((first, second), key=str)
        value = "::".join(("inbox", *(str(name) for name in names), str(end_to_end).lower()))
        return cls(value, end_to_end, tuple(ShinkaiName.parse(str(name)) for name in names))

    @classmethod
    def of_job(cls, job_id: str) -> InboxName:
        """Return the inbox of a job.

        Raises:
            InvalidInbox: there can't be one of this id.
        """
        return cls.parse(f"job_inbox::{job_id}::false")

    @classmethod
    def of_message(
        cls, sender: str, sender_subidentity: str, recipient: str, recipient_subidentity: str, *, end_to_end: bool
    ) -> InboxName:
        """Return the inbox of a message by the names in it, which are repaired where it is possible (SHK-05).

        Raises:
            InvalidInbox: a name in it is invalid.
        """
        try:
            first = ShinkaiName.under(sender, sender_subidentity)
            second = ShinkaiName.under(recipient, recipient_subidentity)
        except InvalidName as error:
            raise InvalidInbox(f"no inbox follows from the names: {error}", requirement="SHK-05") from error
        return cls.between(first, second, end_to_end=end_to_end)

    def __str__(self) -> str:
        return self.value


def _invalid(text: str, why: str) -> InvalidInbox:
    return InvalidInbox(f"{shown(text)} is no inbox: {why}", requirement="SHK-04")
