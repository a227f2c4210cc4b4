from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RendezvousMessage(_message.Message):
    __slots__ = ("type", "register", "register_response", "unregister", "discover", "discover_response")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    REGISTER_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    UNREGISTER_FIELD_NUMBER: _ClassVar[int]
    DISCOVER_FIELD_NUMBER: _ClassVar[int]
    DISCOVER_RESPONSE_FIELD_NUMBER: _ClassVar[int]
    type: int
    register: RendezvousRegister
    register_response: RendezvousRegisterResponse
    unregister: RendezvousUnregister
    discover: RendezvousDiscover
    discover_response: RendezvousDiscoverResponse
    def __init__(self, type: _Optional[int] = ..., register: _Optional[_Union[RendezvousRegister, _Mapping[str, object]]] = ..., register_response: _Optional[_Union[RendezvousRegisterResponse, _Mapping[str, object]]] = ..., unregister: _Optional[_Union[RendezvousUnregister, _Mapping[str, object]]] = ..., discover: _Optional[_Union[RendezvousDiscover, _Mapping[str, object]]] = ..., discover_response: _Optional[_Union[RendezvousDiscoverResponse, _Mapping[str, object]]] = ...) -> None: ...

class RendezvousRegister(_message.Message):
    __slots__ = ("ns", "signed_peer_record", "ttl")
    NS_FIELD_NUMBER: _ClassVar[int]
    SIGNED_PEER_RECORD_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    ns: bytes
    signed_peer_record: bytes
    ttl: int
    def __init__(self, ns: _Optional[bytes] = ..., signed_peer_record: _Optional[bytes] = ..., ttl: _Optional[int] = ...) -> None: ...

class RendezvousRegisterResponse(_message.Message):
    __slots__ = ("status", "status_text", "ttl")
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    status: int
    status_text: bytes
    ttl: int
    def __init__(self, status: _Optional[int] = ..., status_text: _Optional[bytes] = ..., ttl: _Optional[int] = ...) -> None: ...

class RendezvousUnregister(_message.Message):
    __slots__ = ("ns",)
    NS_FIELD_NUMBER: _ClassVar[int]
    ns: bytes
    def __init__(self, ns: _Optional[bytes] = ...) -> None: ...

class RendezvousDiscover(_message.Message):
    __slots__ = ("ns", "limit", "cookie")
    NS_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    ns: bytes
    limit: int
    cookie: bytes
    def __init__(self, ns: _Optional[bytes] = ..., limit: _Optional[int] = ..., cookie: _Optional[bytes] = ...) -> None: ...

class RendezvousDiscoverResponse(_message.Message):
    __slots__ = ("registrations", "cookie", "status", "status_text")
    REGISTRATIONS_FIELD_NUMBER: _ClassVar[int]
    COOKIE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    registrations: _containers.RepeatedCompositeFieldContainer[RendezvousRegister]
    cookie: bytes
    status: int
    status_text: bytes
    def __init__(self, registrations: _Optional[_Iterable[_Union[RendezvousRegister, _Mapping[str, object]]]] = ..., cookie: _Optional[bytes] = ..., status: _Optional[int] = ..., status_text: _Optional[bytes] = ...) -> None: ...
