"""The harness: plans, launches, watches, measures, stores, plots. Imports neither torch nor tensorflow, ever."""
