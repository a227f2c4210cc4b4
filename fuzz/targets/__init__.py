"""The targets, a module a layer. Each is a function ``run(data)`` that raises when a rule is broken."""
