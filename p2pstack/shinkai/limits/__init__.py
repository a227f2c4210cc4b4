"""How much strangers and peers may take of a node: connections of an address, bytes of a peer (SHK-50 to SHK-53).

All of it is pure: ``now`` comes in, in seconds of any clock that only goes forward, and nothing waits in here.
"""
