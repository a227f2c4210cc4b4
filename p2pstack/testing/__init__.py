"""Machines in memory under a clock that the test moves; for users' tests as well."""
