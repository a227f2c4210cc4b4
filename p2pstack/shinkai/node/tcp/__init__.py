"""Messages over plain TCP: one port, on which libp2p may be spoken too, and a client (SHK-84 to SHK-87)."""
