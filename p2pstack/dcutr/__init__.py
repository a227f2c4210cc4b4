"""Direct connection upgrade through relay: how two peers behind NATs meet (specs/dcutr.md). Pure."""
