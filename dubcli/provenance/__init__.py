"""Provenance: a signed statement of what was changed in a film, and reading it back (C2PA)."""
