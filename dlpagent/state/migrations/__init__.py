"""Migrations of the state database, run by dlpagent.state.migrate."""
