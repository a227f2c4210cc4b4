from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PubsubRpc(_message.Message):
    __slots__ = ("subscriptions", "publish", "control", "test_extension")
    SUBSCRIPTIONS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_FIELD_NUMBER: _ClassVar[int]
    CONTROL_FIELD_NUMBER: _ClassVar[int]
    TEST_EXTENSION_FIELD_NUMBER: _ClassVar[int]
    subscriptions: _containers.RepeatedCompositeFieldContainer[Subscription]
    publish: _containers.RepeatedCompositeFieldContainer[PubsubMessage]
    control: Control
    test_extension: TestExtension
    def __init__(self, subscriptions: _Optional[_Iterable[_Union[Subscription, _Mapping[str, object]]]] = ..., publish: _Optional[_Iterable[_Union[PubsubMessage, _Mapping[str, object]]]] = ..., control: _Optional[_Union[Control, _Mapping[str, object]]] = ..., test_extension: _Optional[_Union[TestExtension, _Mapping[str, object]]] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("subscribe", "topic")
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    subscribe: bool
    topic: bytes
    def __init__(self, subscribe: bool = ..., topic: _Optional[bytes] = ...) -> None: ...

class PubsubMessage(_message.Message):
    __slots__ = ("source", "data", "seqno", "topic", "signature", "key")
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    SEQNO_FIELD_NUMBER: _ClassVar[int]
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    source: bytes
    data: bytes
    seqno: bytes
    topic: bytes
    signature: bytes
    key: bytes
    def __init__(self, source: _Optional[bytes] = ..., data: _Optional[bytes] = ..., seqno: _Optional[bytes] = ..., topic: _Optional[bytes] = ..., signature: _Optional[bytes] = ..., key: _Optional[bytes] = ...) -> None: ...

class Control(_message.Message):
    __slots__ = ("ihave", "iwant", "graft", "prune", "idontwant", "extensions")
    IHAVE_FIELD_NUMBER: _ClassVar[int]
    IWANT_FIELD_NUMBER: _ClassVar[int]
    GRAFT_FIELD_NUMBER: _ClassVar[int]
    PRUNE_FIELD_NUMBER: _ClassVar[int]
    IDONTWANT_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    ihave: _containers.RepeatedCompositeFieldContainer[IHave]
    iwant: _containers.RepeatedCompositeFieldContainer[IWant]
    graft: _containers.RepeatedCompositeFieldContainer[Graft]
    prune: _containers.RepeatedCompositeFieldContainer[Prune]
    idontwant: _containers.RepeatedCompositeFieldContainer[IDontWant]
    extensions: Extensions
    def __init__(self, ihave: _Optional[_Iterable[_Union[IHave, _Mapping[str, object]]]] = ..., iwant: _Optional[_Iterable[_Union[IWant, _Mapping[str, object]]]] = ..., graft: _Optional[_Iterable[_Union[Graft, _Mapping[str, object]]]] = ..., prune: _Optional[_Iterable[_Union[Prune, _Mapping[str, object]]]] = ..., idontwant: _Optional[_Iterable[_Union[IDontWant, _Mapping[str, object]]]] = ..., extensions: _Optional[_Union[Extensions, _Mapping[str, object]]] = ...) -> None: ...

class IHave(_message.Message):
    __slots__ = ("topic", "ids")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    IDS_FIELD_NUMBER: _ClassVar[int]
    topic: bytes
    ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, topic: _Optional[bytes] = ..., ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class IWant(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Graft(_message.Message):
    __slots__ = ("topic",)
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    topic: bytes
    def __init__(self, topic: _Optional[bytes] = ...) -> None: ...

class Prune(_message.Message):
    __slots__ = ("topic", "peers", "backoff")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    BACKOFF_FIELD_NUMBER: _ClassVar[int]
    topic: bytes
    peers: _containers.RepeatedCompositeFieldContainer[PeerInfo]
    backoff: int
    def __init__(self, topic: _Optional[bytes] = ..., peers: _Optional[_Iterable[_Union[PeerInfo, _Mapping[str, object]]]] = ..., backoff: _Optional[int] = ...) -> None: ...

class PeerInfo(_message.Message):
    __slots__ = ("peer", "record")
    PEER_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    peer: bytes
    record: bytes
    def __init__(self, peer: _Optional[bytes] = ..., record: _Optional[bytes] = ...) -> None: ...

class IDontWant(_message.Message):
    __slots__ = ("ids",)
    IDS_FIELD_NUMBER: _ClassVar[int]
    ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Extensions(_message.Message):
    __slots__ = ("test",)
    TEST_FIELD_NUMBER: _ClassVar[int]
    test: bool
    def __init__(self, test: bool = ...) -> None: ...

class TestExtension(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
