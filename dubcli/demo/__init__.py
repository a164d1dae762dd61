"""The sample film: a public-domain photograph that speaks, made here from start to end."""
