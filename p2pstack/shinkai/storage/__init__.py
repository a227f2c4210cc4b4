"""What a node keeps on disk, in one SQLite file: messages that are still to be delivered, and jobs (specs/shinkai.md).

::

    Database                one file, one process, one thread that touches it; writes that wait are committed together
    ├── RetryQueue          messages on their way out, with attempts, due times and dead letters
    └── JobQueue            messages that came in and wait for their handler, each once within a replay window

Whatever a call of a queue has returned from survives the end of the process, by whatever signal.
"""
