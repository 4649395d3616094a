"""The cascade engine: cheap triggers on all text, exact evaluation where something may be."""
