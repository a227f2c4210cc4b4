"""The Shinkai bridge: what Shinkai nodes say to each other, on top of libp2p (specs/shinkai.md)."""
