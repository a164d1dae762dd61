"""Active speakers: which face says which speech."""
