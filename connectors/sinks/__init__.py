"""Sinks: one file per kind of place that events go to."""
