"""Acting on records that were found: one file per store, each with the purge that follows a deletion."""
