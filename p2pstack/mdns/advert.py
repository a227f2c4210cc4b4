"""What we say: who we are and where, in the form that both go's and rust's peers understand (MDNS-01).

go wants TXT, SRV and an address of the SRV's target in one packet; rust wants PTR among the answers and TXT among the
additional records. So every answer has all that, in these places.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntFlag

from p2pstack.identity.multiaddrs import Multiaddr, with_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.names import META, Name, encode_name
from p2pstack.mdns.packet import Kind, Packet, Question, Record, encode, pointer
from p2pstack.mdns.segment import Ip, ip_of
from p2pstack.mdns.sightings import PREFIX

__all__ = ["MAX_SENT", "Advert", "Wanted", "asks_for_peers", "peer_name", "query"]

MAX_SENT = 1_400
"""Bytes of what we send: a packet that no network cuts. Addresses that do not fit are left out (MDNS-03)."""

MAX_STRING = 255

NAME_SIZE = 40
"""Characters of our name: 32 to 63 (MDNS-02)."""

PORT = 4001
"""In the SRV record, as go: peers take the port from the addresses."""

_ALPHABET = b"abcdefghijklmnopqrstuvwxyz0123456789"


class Wanted(IntFlag):
    """What has been asked for."""

    NOTHING = 0
    PEERS = 1
    SERVICES = 2
    INSTANCE = 4
    HOST = 8


def peer_name(entropy: bytes) -> bytes:
    """Return a name of 40 letters and digits, made of as many random bytes. It is not the peer id (MDNS-02)."""
    return bytes(_ALPHABET[byte % len(_ALPHABET)] for byte in entropy[:NAME_SIZE])


def query(service: Name, number: int) -> bytes:
    """Return the question for the peers of a service (MDNS-01)."""
    return encode(Packet(number, questions=(Question(service, Kind.PTR),)))


def asks_for_peers(packet: Packet, service: Name) -> bool:
    """Whether a query asks all peers of the service: it does not list those that need not answer."""
    wanted = (Question(service, Kind.PTR), Question(service, Kind.ANY))
    return not packet.answers and any(question in wanted for question in packet.questions)


@dataclass(frozen=True, slots=True)
class Advert:
    """What is said on one segment."""

    service: Name
    name: bytes
    peer: PeerId
    addresses: tuple[Multiaddr, ...]
    ttl: int

    @property
    def instance(self) -> Name:
        """What the peer is called."""
        return (self.name, *self.service)

    @property
    def target(self) -> Name:
        """What the machine is called."""
        return (self.name, b"local")

    def wanted(self, packet: Packet) -> Wanted:
        """Return what a query asks of us, without what it says to know (RFC 6762, 7.1)."""
        wanted = Wanted.NOTHING
        for question in packet.questions:
            wanted |= self._wanted(question)
        for known in packet.answers:
            if known.name == self.service and known.target == self.instance and known.ttl * 2 >= self.ttl:
                wanted &= ~Wanted.PEERS
        return wanted

    def _wanted(self, question: Question) -> Wanted:
        kinds: Sequence[int]
        if question.name == self.service:
            kinds, wanted = (Kind.PTR,), Wanted.PEERS
        elif question.name == META:
            kinds, wanted = (Kind.PTR,), Wanted.SERVICES
        elif question.name == self.instance:
            kinds, wanted = (Kind.SRV, Kind.TXT), Wanted.INSTANCE
        elif question.name == self.target:
            kinds, wanted = (Kind.A, Kind.AAAA), Wanted.HOST
        else:
            return Wanted.NOTHING
        return wanted if question.kind in {*kinds, Kind.ANY} else Wanted.NOTHING

    def answer(self, wanted: Wanted, number: int, *, leaving: bool = False) -> bytes:
        """Return the answer to what is wanted, with the number of who asked; ``leaving`` takes all of it back."""
        ttl = 0 if leaving else self.ttl
        texts = [PREFIX + str(with_peer(address, self.peer)).encode() for address in self.addresses]
        texts = [text for text in texts if len(text) <= MAX_STRING]
        while True:
            packet = encode(self._packet(wanted, number, ttl, texts))
            if len(packet) <= MAX_SENT or not texts:
                return packet
            texts.pop()

    def _packet(self, wanted: Wanted, number: int, ttl: int, texts: Sequence[bytes]) -> Packet:
        machine = b"\x00\x00\x00\x00" + PORT.to_bytes(2, "big") + encode_name(self.target)
        text = b"".join(bytes((len(each),)) + each for each in texts)
        hosts = [Record(self.target, _kind(ip), ttl, ip.packed, unique=True) for ip in self._hosts()]
        named = [
            Record(self.instance, Kind.SRV, ttl, machine, unique=True),
            Record(self.instance, Kind.TXT, ttl, text or b"\x00", unique=True),
        ]
        answers: list[Record] = []
        if wanted & Wanted.SERVICES:
            answers.append(pointer(META, self.service, ttl))
        if wanted & Wanted.PEERS:
            answers.append(pointer(self.service, self.instance, ttl))
            return Packet(number, True, (), tuple(answers), (*named, *hosts))
        if wanted & Wanted.INSTANCE:
            return Packet(number, True, (), (*answers, *named), tuple(hosts))
        if wanted & Wanted.HOST:
            answers += hosts
        return Packet(number, True, (), tuple(answers))

    def _hosts(self) -> Iterable[Ip]:
        """Return one address of the machine by each version of IP."""
        found: dict[int, Ip] = {}
        for address in self.addresses:
            ip = ip_of(address)
            if ip is not None:
                found.setdefault(ip.version, ip)
        return found.values()


def _kind(ip: Ip) -> Kind:
    return Kind.A if ip.version == 4 else Kind.AAAA
