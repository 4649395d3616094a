"""The HTTP service: dlpagent's own API under /v1, Presidio's beside it, and room for pages."""
