"""The families' rooms in this wing; `tf_impl.family` finds them by name."""
