"""Records as words, tables and figures that several features share."""
