"""Measures of a dubbed mouth, shared by the report and the tests; every one is also taken of the source.

Scores that reward movement are higher for mumming than for real film, so no single number says that a shot is
good: each measure stands beside the source's own.
"""
