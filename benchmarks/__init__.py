"""Measures p2pstack beside go-libp2p, rust-libp2p, py-libp2p and js-libp2p, on one machine in one run.

`python -m benchmarks` compares the stacks, `python -m benchmarks scaling` draws cost curves of p2pstack, and
`python -m benchmarks micro` times its single parts in memory. README.md in this folder says how to read the results.
"""
