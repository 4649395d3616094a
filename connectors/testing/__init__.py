"""Kits for tests: what connectors are held to, without the services they talk to."""
