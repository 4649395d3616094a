"""Clean copies of data: what was found is masked, tokenised or encrypted, everything else is kept."""
