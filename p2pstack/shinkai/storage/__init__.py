"""What a node keeps on disk, in one SQLite file: messages that are still to be delivered, and jobs (specs/shinkai.md).

::

    open_database           the file, with its tables; how it is read and written stands in p2pstack.storage
    ├── RetryQueue          messages on their way out, with attempts, due times and dead letters
    └── JobQueue            messages that came in and wait for their handler, each once within a replay window

Whatever a call of a queue has returned from survives the end of the process, by whatever signal.
"""
