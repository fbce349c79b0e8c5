"""`bench gate`: whether a revision, or an upgrade of what it runs on, trains slower than another.

The rule and its error rates: `rule.py`. How a pair is measured: `measure.py`. Tried on simulated and on real gates:
`python -m bench.studies.gate.simulate`, `python -m bench.studies.gate.shown`.
"""
