"""Who a peer is and where: keys, peer ids, addresses, signed envelopes and peer records. Pure."""
