"""AutoNAT 1 and 2 without I/O: messages, who may ask for what, what is dialled, what is believed (specs/autonat.md)."""
