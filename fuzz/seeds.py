"""How the committed corpus was made: ``python -m fuzz.seeds`` writes it anew. Good inputs, and a few bad ones.

A leading byte 0 means "not cut" to :func:`fuzz.source.segments`, 0x81 with a 1 behind it "byte by byte".
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from fuzz import corpus
from p2pstack.autonat.v1 import Dial
from p2pstack.autonat.v2 import DialRequest
from p2pstack.connection.protocols import opening
from p2pstack.dcutr.messages import HolePunch, Kind
from p2pstack.gossipsub.codec import encode_rpc
from p2pstack.gossipsub.signing import build as build_message
from p2pstack.gossipsub.values import Extensions, IHave, PeerInfo, Prune, Rpc, Subscription
from p2pstack.identity import multiaddrs
from p2pstack.identity.envelope import Envelope
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.kad.messages import Message as KadMessage
from p2pstack.kad.messages import MessageType as KadType
from p2pstack.kad.messages import encode as encode_kad
from p2pstack.kad.records import Record
from p2pstack.kad.signed_records import SignedRecord
from p2pstack.mdns import packet as mdns
from p2pstack.mdns.advert import Advert, Wanted, peer_name, query
from p2pstack.mdns.names import SERVICE, service_name
from p2pstack.multistream.messages import HEADER, LS, NA, encode
from p2pstack.relay.messages import HopKind, HopMessage, Peer, Reservation, StopKind, StopMessage
from p2pstack.rendezvous import messages as rendezvous
from p2pstack.services.identify_message import Announcement
from p2pstack.shinkai.contents import JobCreation, JobMessage
from p2pstack.shinkai.frames import Frame, MessageType
from p2pstack.shinkai.frames import encode_frame as encode_shinkai_frame
from p2pstack.wire import uvarint
from p2pstack.wire.framing import encode_frame
from p2pstack.yamux.frames import ACK, FIN, RST, SYN
from tests.kad.making import contact as kad_contact
from tests.vectors import load
from tests.yamux.driving import data, go_away, ping, update

__all__ = ["build", "main"]

KEY = PrivateKey.from_seed(b"\x05" * 32)
ADDRESSES = (
    "/ip4/192.0.2.7/tcp/4001",
    "/ip6/2001:db8::1/tcp/4001",
    "/dns4/example.org/tcp/443/tls/ws",
    f"/ip4/192.0.2.7/udp/4001/quic-v1/p2p/{KEY.peer_id}/p2p-circuit",
    "/ip6zone/eth0/ip6/fe80::1/tcp/1",
)
ECHO = opening("/echo/1.0.0")


def _whole(payload: bytes) -> bytes:
    return b"\x00" + payload


def _single(payload: bytes) -> bytes:
    return b"\x81\x01" + payload


def _uncut(payloads: Sequence[bytes]) -> bytes:
    """Cut between these payloads, which are at most 15 and of 1 to 256 bytes each."""
    return bytes((len(payloads), *(len(payload) % 256 for payload in payloads))) + b"".join(payloads)


def build() -> dict[str, list[bytes]]:
    """Return the inputs of each target."""
    lower = {**_wire(), **_negotiations(), **_secrecy(), **_streams(), **_connections()}
    return {
        **lower,
        **_identities(),
        **_autonat(),
        **_dcutr(),
        **_pubsub(),
        **_routers(),
        **_relays(),
        **_kad(),
        **_rendezvous(),
        **_gateways(),
        **_lan(),
        **_replies(),
        **_shinkai_frames(),
        **_shinkai(),
    }


def _wire() -> dict[str, list[bytes]]:
    values = (0, 1, 127, 128, 300, 2**31, 2**63 - 1)
    varints = [b"\x08\x00" + uvarint.encode(value) for value in values]
    frames = b"".join(encode_frame(bytes(size)) for size in (0, 1, 100, 127))
    return {
        "uvarint": [*varints, b"\x08\x00\x81\x00", b"\x08\x02\x00\x00" + b"\xff" * 9, b"\x01\x00\x80"],
        "framing": [b"\x03" + _whole(frames), b"\x03" + _single(frames), b"\x05" + _whole(encode_frame(bytes(300)))],
    }


def _negotiations() -> dict[str, list[bytes]]:
    answers = (HEADER + encode("/echo/1.0.0") + b"rest", HEADER + NA + encode("/a"), HEADER + NA * 3)
    asked = (HEADER + encode("/a") + b"rest", HEADER + encode("/unknown") + LS + encode("/echo/1.0.0"), HEADER * 2)
    return {
        "multistream-initiator": [b"\x00" + cut(answer) for answer in answers for cut in (_whole, _single)]
        + [b"\x01" + _whole(answers[0]), b"\x01" + _whole(HEADER + NA)],
        "multistream-responder": [cut(proposals) for proposals in asked for cut in (_whole, _single)],
    }


def _secrecy() -> dict[str, list[bytes]]:
    first = bytes.fromhex(load("noise")["with_stream_muxers"]["frame_1"])
    payload = b"\x01\x00\x00"  # a good payload, nothing put into it
    return {
        "noise-handshake": [
            b"\x00" + _whole(first),
            b"\x00" + _whole(b"\x00\x20" + bytes(32)),
            b"\x01" + _single(b"\x00\x60" + bytes(96)),
            *(mode + payload for mode in (b"\x02", b"\x03")),
            b"\x02\x01\x00\x26\x22\x02\x12\x00",
            b"\x03",
        ],
        "noise-transport": [
            b"\x04\x02hi\x01\xbf\x00\x00",
            b"\x04\x02hi\xc0\x00\x05",
            b"\x05\xc0\x02\x00\x00",
            b"\x05\xc0\x01\x01",
        ],
    }


def _streams() -> dict[str, list[bytes]]:
    opened = [update(1, 0, SYN), data(1, b"hello"), data(3, b"body", SYN | FIN), data(5, bytes(200), SYN)]
    ended = [update(1, 0, FIN), update(3, 0x1001, RST), data(5, b"late", FIN), data(5, b"later"), go_away(0)]
    answers = [ping(1), ping(9, ACK), update(2, 0, ACK), data(4, b"x", ACK | FIN), update(2, 2**32 - 1)]
    talk = [(0, 0, 0), (0, 0, 0), (20, 0, 200), (16, 0, 90), (6, 0, 2), (12, 2, 0), (1, 0, 0), (17, 0, 50), (7, 0, 1)]
    talk += [(13, 0, 40), (25, 0, 0), (22, 1, 0), (26, 0, 0), (28, 1, 0), (4, 0, 2), (14, 2, 0), (31, 0, 5), (2, 0, 2)]
    return {
        "yamux-session": [
            b"\x00" + _whole(b"".join(opened + ended)),
            b"\x00" + _single(b"".join(opened[:3])),
            b"\x00" + _uncut(opened + ended),
            b"\x00" + _whole(b"".join(answers)),
            b"\x01" + _whole(update(2, 0, SYN) + data(2, bytes(1200)) + data(2)),
            b"\x00" + _whole(data(1, b"x", SYN)[:11]),
            b"\x00" + _whole(bytes((1,)) + data(1)),
        ],
        "yamux-stream-pair": [
            b"\x00" + bytes(value for step in talk for value in step),
            b"\x01" + bytes(value for step in reversed(talk) for value in step),
        ],
    }


def _connections() -> dict[str, list[bytes]]:
    frames = [data(1, ECHO + b"hi", SYN), data(3, HEADER + NA, SYN), update(1, 0, FIN), ping(1)]
    answers = [data(1, ECHO + b"hi", ACK), data(3, HEADER + NA, ACK), data(3, encode("/echo/1.0.0"), FIN), ping(1)]
    noise, yamux = opening("/noise"), opening("/yamux/1.0.0")
    common = [b"\x00" + _whole(noise), b"\x00" + _whole(b"GET / HTTP/1.1\r\n"), b"\x03" + _whole(yamux + ping(1))]
    return {
        "connection-client": [
            *common,
            b"\x01" + _whole(b"\x00\x60" + bytes(96)),
            b"\x05" + _uncut(answers),
            b"\x05" + _whole(b"".join(answers)),
        ],
        "connection-server": [
            *common,
            b"\x01" + _whole(b"\x00\x20" + b"\x09" + bytes(31)),
            b"\x04" + _whole(b"\x00\x10" + bytes(16)),
            b"\x05" + _uncut(frames),
            b"\x05" + _single(frames[0]),
        ],
    }


def _identities() -> dict[str, list[bytes]]:
    keys = load("keys")["spec_pairs"]
    good = [b"\x00" + bytes.fromhex(key["public_protobuf"]) for key in keys]
    # Not the RSA one: checking it takes 180 ms, and no peer sends private keys.
    good += [b"\x01" + bytes.fromhex(key["private_protobuf"]) for key in keys if key["type"] != "rsa"]
    addresses = [multiaddrs.parse(text) for text in ADDRESSES]
    record = PeerRecord(KEY.peer_id, 7, tuple(addresses[:2])).seal(KEY)
    announced = Announcement(
        public_key=KEY.public_key.to_protobuf(),
        addresses=addresses[:3],
        protocols=["/echo/1.0.0", "/ipfs/id/1.0.0"],
        agent="agent",
        protocol_version="1",
        record=record.to_bytes(),
    ).frames(addresses[0])
    envelope = Envelope.seal(KEY, "domain", b"type", b"payload").to_bytes()
    return {
        "peer-id": [
            KEY.peer_id.to_bytes(),
            str(KEY.peer_id).encode(),
            KEY.peer_id.to_cid().encode(),
            b"\x12\x20" + bytes(32),
        ],
        "keys": [
            *good,
            b"\x00\x08\x00\x12\x00",
        ],
        "multiaddr": [
            *(b"\x00" + address.to_bytes() for address in addresses),
            *(b"\x01" + text.encode() for text in ADDRESSES),
        ],
        "envelope": [b"\x00" + envelope, b"\x01\x00\x00\x0a", b"\x01\x00\x2b\x00"],
        "peer-record": [b"\x00" + record.to_bytes(), b"\x01" + record.payload],
        "identify": [
            b"\x02" + _whole(announced),
            b"\x00" + _single(announced[:60]),
            b"\x02" + _whole(encode_frame(b"")),
        ],
    }


def _autonat() -> dict[str, list[bytes]]:
    cases = [case for case in load("services")["messages"] if "autonat" in case["protocol"]]
    bodies = [(case["protocol"], bytes.fromhex(case["frame"])) for case in cases]
    first, second = (
        [body[uvarint.decode(body)[1] :] for protocol, body in bodies if f"/autonat/{number}" in protocol]
        for number in (1, 2)
    )
    public = [multiaddrs.parse(f"/ip4/{ip}/tcp/4001") for ip in ("5.10.0.2", "5.10.0.9", "9.9.9.9")]
    named = tuple(multiaddrs.parse(text) for text in ADDRESSES)
    # An answer is 4 + 5 times the number of its group, and 0x80 on top if it is good.
    talk = [(0, 0), *((n, value) for n in range(5) for value in (1, 4, 9, 14, 2))]
    talk += [(n, 129 + 5 * k) for n in range(3) for k in range(8)] + [(200, 3), (1, 0), (5, 4), (5, 9), (5, 14)]
    return {
        "autonat-v1": [*first, Dial(KEY.peer_id.to_bytes(), (*public, *named)).encode(), Dial(None, named).encode()],
        "autonat-v2": [*second, DialRequest((*named, *public), 7).encode(), DialRequest(tuple(public), 0).encode()],
        "autonat-reachability": [bytes(value for step in talk for value in step), bytes(range(256))],
    }


def _dcutr() -> dict[str, list[bytes]]:
    public = [f"/ip4/5.10.{number}.7/tcp/{4000 + port}" for number in range(3) for port in range(2)]
    near = ["/ip4/127.0.0.1/tcp/4001", "/ip4/10.0.0.1/tcp/4001", f"{public[0]}/p2p/{KEY.peer_id}", *ADDRESSES[3:]]
    lists = [
        tuple(multiaddrs.parse(text).to_bytes() for text in texts)
        for texts in (public, ADDRESSES[:3], near, ["/ip4/5.10.0.7/tcp/22"])
    ]
    connects = [HolePunch(Kind.CONNECT, addresses).encode() for addresses in lists]
    sync = HolePunch(Kind.SYNC).encode()
    good = [bytes((scope, len(connect))) + connect + sync for scope in (0, 1, 2) for connect in connects]
    alone = bytes((2, len(connects[0]))) + connects[0]
    return {"dcutr": [*good, alone, alone + connects[0], bytes((2, len(sync))) + sync + connects[0]]}


def _pubsub() -> dict[str, list[bytes]]:
    vectors = load("pubsub")
    bodies = [bytes.fromhex(case["frame"]) for case in vectors["rpc_frames"]]
    bodies = [body[uvarint.decode(body)[1] :] for body in bodies]
    # Not the one with an RSA key, which is mostly that key.
    ed25519, secp256k1 = (
        b"\x12" + encode_frame(bytes.fromhex(vectors["signed_messages"][n]["message"])) for n in (0, 1)
    )
    unknown = build_message("a", b"data", key=KEY, seqno=7).encoded + b"\x7a\x01a"
    return {
        "pubsub-rpc": [
            *(b"\x00" + body for body in bodies[1:12:2]),
            b"\x00" + ed25519,
            b"\x00" + secp256k1,
            b"\x01" + bodies[0] + bodies[2] + bodies[3],
            b"\x01" + (b"\x12" + encode_frame(bytes.fromhex("220161"))) * 4,
            b"\x00" + bodies[13] + bodies[8] + bodies[9] + bodies[10],
            b"\x00\x12" + encode_frame(unknown),
            b"\x00\x12" + encode_frame(b"\x7b\x08\x01\x7c\x08\x05\x22\x01a"),
            b"\x00\x1a" + encode_frame(b"\x2a" + encode_frame(b"".join(b"\x0a\x01" + bytes((n,)) for n in range(25)))),
        ]
    }


def _routers() -> dict[str, list[bytes]]:
    rpcs = (
        Rpc(subscriptions=[Subscription(True, "a"), Subscription(False, "b")], graft=["a", "b"]),
        Rpc(prune=[Prune("a", [PeerInfo(KEY.peer_id.to_bytes(), b"?")], 2**62)], graft=["a"]),
        Rpc(ihave=[IHave("a", [b"one", b"two"])], iwant=[b"one"], idontwant=[b"one", b"two"]),
        Rpc(extensions=Extensions(test=True), test_extension=True),
    )
    bodies = [frame[uvarint.decode(frame)[1] :] for rpc in rpcs for frame in encode_rpc(rpc)]
    heard = [bytes((0x40 | number, len(body))) + body + b"\x01" for number, body in enumerate(bodies)]
    passed = b"\x80\x05\xa0\xc0\x00"  # a message comes, is verified and accepted
    late, talk = b"\xf1", b"\x30\x20" + passed + b"\x83\x05\x86\xc5\xa0\xa0\xc0\x01"
    return {
        "gossipsub-router": [
            b"\x00" + b"".join(heard) + talk,
            b"\x01" + b"".join(heard * 2) + late * 5 + talk,
            b"\x02" + talk + b"\x01\x11\x21\x01\x21\x00" + late * 12 + b"".join(heard),
            b"\x03" + b"".join(bytes((0xE0 | number, number)) for number in range(8)) + late * 3 + talk,
            b"\x00\xf4" + talk + b"\x20\x01\x20\x00" + late * 6 + b"\xf3" + late,
        ]
    }


def _relays() -> dict[str, list[bytes]]:
    frames = [bytes.fromhex(case["frame"]) for case in load("services")["messages"] if "relay" in case["protocol"]]
    hops, stops = frames[:-2], frames[-2:]
    address = multiaddrs.parse(ADDRESSES[0])
    peer = Peer(KEY.peer_id, (address, address))
    named = HopMessage(kind=HopKind.CONNECT, peer=peer).encode()
    unsigned = HopMessage(kind=HopKind.STATUS, reservation=Reservation(2**64 - 1, (address,), b"voucher"), status=299)
    wrong = (b"\x03\x08\x01\x12", b"\x02\x08\x07", b"\x00", b"\x04\x08\x01\x12\x00", b"\x81\x20")
    return {
        "relay-hop": [
            *(_whole(frame) for frame in hops),
            _single(hops[0] + hops[2]),
            _whole(encode_frame(named) + encode_frame(unsigned.encode())),
            *(_whole(frame) for frame in wrong),
        ],
        "relay-stop": [
            *(_whole(frame) for frame in stops),
            _single(stops[0]),
            _whole(encode_frame(StopMessage(kind=StopKind.CONNECT, peer=peer).encode())),
            *(_whole(frame) for frame in wrong),
        ],
    }


def _kad() -> dict[str, list[bytes]]:
    vectors = load("kad")
    frames = [bytes.fromhex(case["frame"]) for case in vectors["requests"] if case["impl"] == "rust"]
    frames += [bytes.fromhex(case["response"]) for case in vectors["answers"][:2]]
    bodies = [frame[uvarint.decode(frame)[1] :] for frame in frames]
    record = SignedRecord(KEY.public_key, b"name", 7, b"data")
    signed = Record(key=record.key, value=record.seal(KEY), ttl=60)
    stored = encode_kad(KadMessage(type=KadType.PUT_VALUE, key=record.key, record=signed))
    shown = KadMessage(type=KadType.ADD_PROVIDER, key=b"key", providers=(kad_contact(8), kad_contact(7)))
    walk = bytes((0x10, 0, 0x0B, *range(20, 31), 0x20, 0, 0x33, 40, 41, 42, 0, 0, 1, 0, 0, 2, 0, 0, 7, *range(7)))
    return {
        "kad-message": [
            *(b"\x00" + body for body in bodies),
            b"\x00" + stored,
            b"\x07" + encode_kad(shown),
            b"\x00\x08\x04\x12\x01k" + b"\x42\x02\x0a\x00" * 45,
            b"\x00\x08\x09",
        ],
        "kad-query": [
            *(bytes((mode, 3, 60, 30)) + walk for mode in (0x00, 0x05, 0x4A, 0x80)),
            bytes((0x01, 7, 60, 3)) + walk * 3 + b"\xf2" + walk + b"\xf3",
            bytes((0x0C, 1, 2, 1)) + b"\x00\x00\x0b" + bytes(range(11)) + b"\xf1\xf1\xf3",
        ],
    }


def _rendezvous() -> dict[str, list[bytes]]:
    record = PeerRecord(KEY.peer_id, 7, (multiaddrs.parse(ADDRESSES[0]),)).seal(KEY, legacy=True).to_bytes()
    register = rendezvous.Register(b"app", record, 7_200)
    answer = rendezvous.DiscoverResponse(0, (register, rendezvous.Register(b"b", b"none")), bytes(8) + b"app")
    messages = (
        register,
        rendezvous.RegisterResponse(0, 7_200),
        rendezvous.RegisterResponse(102, text="no"),
        rendezvous.Unregister(b"app"),
        rendezvous.Discover(b"app", 9, bytes(8) + b"app"),
        rendezvous.Discover(),
        answer,
        rendezvous.DiscoverResponse(103, text="no"),
    )
    return {
        "rendezvous-message": [
            *map(rendezvous.encode, messages),
            b"\x08\x04\x32\xd2\x0f" + b"\x0a\x00" * 1_001,
        ],
        "rendezvous-point": [
            # three peers register and are asked for, page by page; one leaves, time passes, one renews
            bytes((0x00, 9, 0x04, 5, 0x08, 0, 0x02, 2, 0x02, 10, 0x05, 0x1F, 0x00, 9, 0x02, 19, 0x1F)),
            # too many namespaces, another's record, a ttl that is too long, a cookie of another namespace
            bytes((0x00, 9, 0x10, 9, 0x20, 9, 0x04, 0xC9, 0x04, 19, 0x02, 1, 0x12, 9, 0x12, 8, 0x03)),
        ],
    }


def _lan() -> dict[str, list[bytes]]:
    vectors = load("mdns")
    packets = [bytes.fromhex(case["packet"]) for case in (*vectors["packets"], *vectors["shapes"])]
    peers = [PrivateKey.from_seed(bytes((number,)) * 32).peer_id for number in (1, 2)]
    own = multiaddrs.parse("/ip4/192.168.1.7/tcp/4001")
    adverts = [Advert(service_name(SERVICE), peer_name(bytes(40)), peer, (own,), 2) for peer in peers]
    texts = [record for advert in adverts for record in _texts(advert)]
    small = [mdns.encode(mdns.Packet(is_answer=True, answers=(record,))) for record in texts]
    goodbye = adverts[0].answer(Wanted.PEERS, 0, leaving=True)

    def alone(packet: bytes) -> bytes:
        return b"\x07\x01\x00" + packet

    def before(packet: bytes) -> bytes:
        return b"\x07\x10\x01" + bytes((len(packet),)) + packet

    return {
        "mdns-packet": [
            *map(alone, packets),
            alone(adverts[0].answer(Wanted.PEERS, 0)),
            before(query(service_name(SERVICE), 7)) + b"".join(map(before, small)) + alone(goodbye),
            before(b"\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00\xc0\x0c\x00\x0c")
            + before(_pointers(15))
            + alone(_pointers(16)),
        ],
    }


def _pointers(count: int) -> bytes:
    """Return an answer with a name of so many pointers, each to the one before, and two records that share it."""
    head, name = b"\x00\x00\x84\x00\x00\x00\x00\x03\x00\x00\x00\x00", b"\x01a\x00"
    chain = b"".join((0xC00C if not number else 0xC017 + 2 * number).to_bytes(2, "big") for number in range(count))
    last = (0xC017 + 2 * count).to_bytes(2, "big")
    first = name + b"\x00\x10\x00\x01\x00\x00\x00\x09" + len(chain).to_bytes(2, "big") + chain
    return head + first + (last + b"\x00\x0c\x00\x01\x00\x00\x00\x09\x00\x02" + last) * 2


def _texts(advert: Advert) -> list[mdns.Record]:
    packet = mdns.decode(advert.answer(Wanted.INSTANCE, 0))
    return [record for record in packet.answers if record.kind == mdns.Kind.TXT] if packet is not None else []


def _gateways() -> dict[str, list[bytes]]:
    head, nonce = bytes.fromhex("0281000000000e1000000007") + bytes(12), bytes(range(12))
    lease = head + nonce + bytes.fromhex("060000000fa11388") + bytes(10) + bytes.fromhex("ffff050a0001")
    mapped = bytes.fromhex("00820000000000070fa1138800000e10")
    return {
        "gateway-answer": [
            b"\x00" + bytes.fromhex("0280000000000000") + bytes(16),
            b"\x00" + bytes.fromhex("0080000100000007"),
            b"\x01" + bytes.fromhex("0080000000000001050a0001"),
            b"\x02" + lease,
            b"\x02" + lease[:3] + b"\x08" + lease[4:],
            b"\x02" + lease[:44] + bytes(16),
            b"\x03" + mapped,
            b"\x03" + mapped[:10] + bytes(6),
        ]
    }


def _replies() -> dict[str, list[bytes]]:
    popped = b"*2\r\n$12\r\nlistenerAddr\r\n$4\r\n/ip4\r\n"
    return {
        "resp": [
            _single(b"+PONG\r\n:2\r\n$-1\r\n*-1\r\n*0\r\n$0\r\n\r\n"),
            _single(popped + b"-ERR unknown \xff\r\n"),
            _whole(popped + popped),
            _whole(b"*1\r\n:-9223372036854775808\r\n"),
            _whole(b"*1\r\n*0\r\n"),
            _whole(b"+a\nb\r\n"),
            _whole(b"$65537\r\n"),
        ]
    }


def _shinkai_frames() -> dict[str, list[bytes]]:
    vectors = load("shinkai")
    whole, *_, hello = (bytes.fromhex(case["frame_hex"]) for case in vectors["tcp_frames"]["vectors"])
    proof = vectors["tcp_relay_handshake"]
    challenge, answer, verdict = (
        bytes.fromhex(proof[key]) for key in ("challenge_frame_hex", "answer_frame_hex", "verdict_frame_hex")
    )
    short = encode_shinkai_frame(Frame("@@bob.shinkai", MessageType.SHINKAI_MESSAGE, b"{}"))
    return {
        "shinkai-frame": [
            b"\x00" + _single(whole + hello),
            b"\x01" + _whole(short + hello + short),
            b"\x01" + _single(short + hello + b"\x00\x00\x00\x08\x00\x00\x00\x02\xc3\xa9\x01x"),
            b"\x01" + _single(short + b"\x00\x00\x00\x06\x00\x00\x00\x01\xff\x01"),
            b"\x01" + _single(short + b"\x00\x00\x00\x09\x00\x00\x00\x04name\x02"),
            b"\x01" + _uncut([short, hello[:9], hello[9:], b"\x00\x00\x00\x77"]),
            b"\x01" + _single(b"\x00\x00\x00\x05\x00\x00\x00\x01"),
            b"\x01" + _single(b"\x00\x00\x00\x13\x00\x00\x00\x0e"),
            b"\x02" + _single(challenge + verdict),
            b"\x02" + _whole(b"\x00\x00\x00\x01\xff"),
            b"\x03" + _single(answer + b"more"),
        ]
    }


def _shinkai() -> dict[str, list[bytes]]:
    vectors = load("shinkai")
    texts = [vectors["messages"][number]["wire_json"].encode() for number in (0, 4, 7, 11)]
    job = JobMessage(job_id="a", content="b", tools=("c",), callback={"d": [1, 2.5, 2**64]}, fs_files_paths=("e",))
    pieces = (
        b"hash",
        b"",
        "\u00e9".encode(),
        b"content",
        b"main",
        b"main",
        b"inbox",
        b"00",
        b"@@a.shinkai",
        b"b",
        b"t",
    )
    any_texts = b"".join(bytes((len(piece),)) + piece for piece in (*pieces, b"", b"", b""))
    body = b'{"message_data":{"encrypted":{"content":"x"}},"internal_metadata":["","","","","None",null]}'
    steps = (b"\x00\x05\x01", b"\x01\x06\x06\x90", b"\x02\x02\x07\x18", b"\x03\x04\x02\x00\x00")
    edits = (b"", b"\x01\x40\x00\x02  ", b"\x01\xff\x00\x01:")
    names = (
        "alice",
        "@@ALICE.SHINKAI",
        "@@a.b.arb-sep-shinkai/Main/agent/gPT",
        "@@a.shinkai/",
        "@@a.shinkai/p/agent",
        "@@a.shinkai/\u00e9",
    )
    boxes = ("INBOX::@@Alice.shinkai::@@bob.shinkai/Main::FALSE", "job_inbox::id::more::false", "inbox::bob::true")
    return {
        "shinkai-message": [
            *(b"\x00" + text for text in texts),
            b"\x01" + texts[0][:-1] + b',"unknown":' + b"[" * 127 + b"]" * 127 + b"}",
            b"\x00" + texts[0].replace(b"ACK", b"\\ud83e"),
            *(b"\x02" + step for step in steps),
            b"\x03" + any_texts + b"\x0d\x00\x00\x01",
            b"\x03\x02\xc3\xa9\x01\xff" + any_texts,
            b"\x04" + job.to_json().encode(),
            b"\x04" + JobCreation(items=("a",), is_hidden=False).to_json().encode(),
            b'\x04[{"network_tool":{},"tool_offering":null}]',
            b'\x04{"agent_identity":"@@a.shinkai/main/agent/b"}',
        ],
        "shinkai-cipher": [
            *(b"\x00" + case["content"][:200].encode() for case in vectors["bad_ciphertexts"]["vectors"][:3]),
            b"\x01" + body,
            b"\x01" + b"[" * 200,
            b"\x02\x02\x00hi",
            b"\x02\x02\x00hiInvoice",
            b"\x02\x01\x00\xc3\xa9Invoice",
            b"\x02\x03\x3fhi",
            *(kind + edit for kind in (b"\x03\x00", b"\x03\x01") for edit in edits),
            b"\x03\x00\x01\x0a\x02\x0209",
        ],
        "shinkai-relay": [
            # a and b are registered, and write to each other; then a node without a name, and to it
            b"\x00\x00\x00\x00\x01\x01\x02\x00\x00\x01\x90\x03\x01\x00\x01\x00\x90",
            b"\x00\x00\x00\x00\x02\x02\x02\x02\x02\x00\x90\x02\x00\x00\x03\x42",
            b"\x00\x02\x02\x00\x01\x01\x03\x01\x02\x01\x03\x42\x03\x02\x01\x02\x03\x90",
            b"\x00\x00\x00\x00\x01\x00\x00\x01\x02\x01\x01\x02\x00\xa0\x03abc\x03\x90",
        ],
        "shinkai-name": [
            *(b"\x00" + name.encode() for name in names),
            *(b"\x01" + box.encode() for box in boxes),
            b"\x01inbox" + b"::@@a.shinkai" * 99 + b"::true",
            b"\x02\x05alice\x04main\x0d@@bob.shinkai\x00\x01",
            b"\x02\x05alice\x00\x03b-b\x00\x00",
        ],
    }


def main(folder: Path = corpus.FOLDER) -> int:
    """Write the corpus."""
    for target, inputs in build().items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(inputs):
            (folder / target / f"{number:02}").write_bytes(content)
    return 0


if __name__ == "__main__":
    sys.exit(main())
