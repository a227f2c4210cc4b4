"""Cryptographic functions over plain bytes; the only importer of ``cryptography`` and ``nacl``. Pure.

Each task is done by the package that is faster at it: AEAD, RSA and ECDSA by ``cryptography``, X25519 and Ed25519 by
``nacl``. The four signature modules have the same seven functions, so that keys can treat them alike.
"""
