"""Texts as they read once encodings, escapes and disguises are undone, with the way back to the original."""
