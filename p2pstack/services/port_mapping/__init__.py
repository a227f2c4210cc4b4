"""Having a router at home pass a port on to us: PCP, NAT-PMP and UPnP (specs/port-mapping.md)."""
