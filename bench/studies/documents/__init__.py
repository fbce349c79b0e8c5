"""The pages of the manual that are generated: docs/results.md from measured files, docs/reference.md from the code."""
