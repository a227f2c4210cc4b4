"""Rendezvous: messages, cookies, and what a rendezvous point keeps and answers; no I/O (specs/rendezvous.md)."""
