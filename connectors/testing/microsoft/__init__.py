"""A loopback Microsoft: Entra tokens, Graph and Logs Ingestion on this machine, with faults on demand."""
