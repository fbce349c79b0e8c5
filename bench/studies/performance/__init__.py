"""How fast the wings are: against the libraries they stand beside, and against their own step in a bare loop.

`python -m bench.studies.performance`. Speeds of one machine on one day mean little elsewhere; what is held to a
target is the ratio of two contestants within a round, a few minutes apart.
"""
