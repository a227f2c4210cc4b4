"""Who is who: names of nodes, the keys that are theirs, and where they can be reached (SHK-60 to SHK-67).

::

    Directory               a protocol: ``lookup(name)``, ``close()``
    ├── MemoryDirectory     what the program puts into it
    ├── FileDirectory       a JSON file, read again when it changes
    ├── ChainDirectory      the registry on chain, by JSON-RPC over HTTP
    └── CachedDirectory     another one, with what it said remembered for a while
"""
