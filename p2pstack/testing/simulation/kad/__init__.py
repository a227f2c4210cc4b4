"""DHT networks under a simulated clock: the production tables, lookups and answers, without sockets (specs/kad.md)."""
