"""SQLite files that a program keeps beside the network: one file, one process, one thread, group commits.

::

    Database                an open file; writes that wait are committed together
    ├── Schema              whose file it is, and how it came to its version; given by who opens it
    └── Component           tables of one part of a program, in whatever file it is given

What a call has returned from survives the end of the process, by whatever signal.
"""
