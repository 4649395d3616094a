"""The agent: watched folders and scheduled sweeps, as one long-running process."""
