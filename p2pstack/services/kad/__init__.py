"""The Kademlia DHT on a host: requests over streams, and what is kept for others (specs/kad.md)."""
