from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class KadMessage(_message.Message):
    __slots__ = ("type", "key", "record", "closer_peers", "provider_peers", "cluster_level_raw")
    class MessageType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        PUT_VALUE: _ClassVar[KadMessage.MessageType]
        GET_VALUE: _ClassVar[KadMessage.MessageType]
        ADD_PROVIDER: _ClassVar[KadMessage.MessageType]
        GET_PROVIDERS: _ClassVar[KadMessage.MessageType]
        FIND_NODE: _ClassVar[KadMessage.MessageType]
        PING: _ClassVar[KadMessage.MessageType]
    PUT_VALUE: KadMessage.MessageType
    GET_VALUE: KadMessage.MessageType
    ADD_PROVIDER: KadMessage.MessageType
    GET_PROVIDERS: KadMessage.MessageType
    FIND_NODE: KadMessage.MessageType
    PING: KadMessage.MessageType
    TYPE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    CLOSER_PEERS_FIELD_NUMBER: _ClassVar[int]
    PROVIDER_PEERS_FIELD_NUMBER: _ClassVar[int]
    CLUSTER_LEVEL_RAW_FIELD_NUMBER: _ClassVar[int]
    type: KadMessage.MessageType
    key: bytes
    record: KadRecord
    closer_peers: _containers.RepeatedCompositeFieldContainer[KadPeer]
    provider_peers: _containers.RepeatedCompositeFieldContainer[KadPeer]
    cluster_level_raw: int
    def __init__(self, type: _Optional[_Union[KadMessage.MessageType, str]] = ..., key: _Optional[bytes] = ..., record: _Optional[_Union[KadRecord, _Mapping[str, object]]] = ..., closer_peers: _Optional[_Iterable[_Union[KadPeer, _Mapping[str, object]]]] = ..., provider_peers: _Optional[_Iterable[_Union[KadPeer, _Mapping[str, object]]]] = ..., cluster_level_raw: _Optional[int] = ...) -> None: ...

class KadPeer(_message.Message):
    __slots__ = ("id", "addrs", "connection")
    ID_FIELD_NUMBER: _ClassVar[int]
    ADDRS_FIELD_NUMBER: _ClassVar[int]
    CONNECTION_FIELD_NUMBER: _ClassVar[int]
    id: bytes
    addrs: _containers.RepeatedScalarFieldContainer[bytes]
    connection: int
    def __init__(self, id: _Optional[bytes] = ..., addrs: _Optional[_Iterable[bytes]] = ..., connection: _Optional[int] = ...) -> None: ...

class KadRecord(_message.Message):
    __slots__ = ("key", "value", "time_received", "publisher", "ttl")
    KEY_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    TIME_RECEIVED_FIELD_NUMBER: _ClassVar[int]
    PUBLISHER_FIELD_NUMBER: _ClassVar[int]
    TTL_FIELD_NUMBER: _ClassVar[int]
    key: bytes
    value: bytes
    time_received: bytes
    publisher: bytes
    ttl: int
    def __init__(self, key: _Optional[bytes] = ..., value: _Optional[bytes] = ..., time_received: _Optional[bytes] = ..., publisher: _Optional[bytes] = ..., ttl: _Optional[int] = ...) -> None: ...

class KadSignedRecord(_message.Message):
    __slots__ = ("name", "seq", "data")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEQ_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    name: bytes
    seq: int
    data: bytes
    def __init__(self, name: _Optional[bytes] = ..., seq: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...
