"""The sample film: a talking portrait, rendered from a public-domain photograph."""
