"""Sources: one file per kind of place that holds records."""
