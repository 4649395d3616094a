"""The hook of coding agents: a call comes on standard input, a verdict goes out."""
