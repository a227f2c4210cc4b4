"""Fuzzing of everything that reads bytes of a peer: ``python -m fuzz TARGET --seconds N``.

A target takes any bytes, feeds them to a parser or machine in cuts that the bytes themselves describe, lets only the
documented errors pass, and checks what must hold afterwards. Three engines make the bytes: mutations of a small corpus
(the default, needs nothing), hypothesis, and atheris, which is guided by coverage.
"""
