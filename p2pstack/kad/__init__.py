"""The Kademlia DHT: routing table, lookups, records and answers, without I/O (specs/kad.md)."""
