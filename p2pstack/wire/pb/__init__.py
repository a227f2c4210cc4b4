"""Generated protobuf modules; the schemas are in specs/proto/, the generator is scripts/generate_protobuf.py."""
