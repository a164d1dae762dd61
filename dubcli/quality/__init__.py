"""Measures of a dubbed mouth, shared by the report and the tests; each is also taken of the source.

Scores that reward movement are higher for exaggerated mouths than for real film, so no single number is
enough: each measure is reported together with that of the source.
"""
