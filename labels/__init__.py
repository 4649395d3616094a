"""Labels: sensitivity labels, policies and the decision on an item."""
