"""Connectors: where records come from (sources) and where events go (sinks)."""
