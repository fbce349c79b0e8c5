"""`bench report`: runs as one page that opens from disk, and as Markdown, CSV, Parquet and MLPerf-style log lines.

A report is made from records, their logs, the run's environment and certificates. `blocks.py` has what a page is made
of, the modules beside it turn records into that, `page.py` and `markdown.py` write it out.
"""
