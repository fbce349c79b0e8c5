"""`bench run` itself: request, checks, stores, plan, progress, execution, figures."""
