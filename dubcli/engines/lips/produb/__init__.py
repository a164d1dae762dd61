"""The learnt lip engine: a network, trained on the film's own footage, that corrects what `exemplar` draws.

`view` makes what the network sees, in training and rendering alike; `pairs` the pictures it learns from;
`network`, `losses`, `training` and `checkpoint` do the learning; `engine` trains and renders.
"""
