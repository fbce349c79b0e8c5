"""The families' rooms in this wing; `pt_impl.family` finds them by name."""
