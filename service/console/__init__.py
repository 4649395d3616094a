"""The console: pages for the security team, made on the server (docs/console.md)."""
