"""multistream-select 1.0 as pure machines: who speaks which protocol, agreed in one round trip (specs/multistream.md).

>>> from p2pstack.multistream import Initiator, Responder
>>> dialer, listener = Initiator(["/mplex/6.7.0", "/yamux/1.0.0"]), Responder({"/yamux/1.0.0"}.__contains__)
>>> while not (dialer.done and listener.done):
...     for data in dialer.data_to_send(): listener.receive_data(data)
...     for data in listener.data_to_send(): dialer.receive_data(data)
>>> dialer.protocol, listener.protocol
('/yamux/1.0.0', '/yamux/1.0.0')
"""

from p2pstack.multistream.config import MultistreamConfig
from p2pstack.multistream.initiator import Initiator, Lister
from p2pstack.multistream.negotiator import Negotiator
from p2pstack.multistream.responder import Responder

__all__ = ["Initiator", "Lister", "MultistreamConfig", "Negotiator", "Responder"]
