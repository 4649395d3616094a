"""dlpagent bench: how fast this installation is on this machine, beside what it replaces."""
