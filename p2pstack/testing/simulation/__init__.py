"""Networks of many nodes in one process, under a simulated clock; the same at every run with the same seed.

What a node runs is the code of production; what is simulated is time, the links and the malice of others. Clock, links
and connections know no protocol, gossipsub is put on top of them (specs/gossipsub.md).
"""
