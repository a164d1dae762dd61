"""Settings: their models, their precedence, and where each value came from."""
