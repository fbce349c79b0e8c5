"""Prepared stores: sources of pages, decoding, synthetic pages, and the job that writes a store."""
