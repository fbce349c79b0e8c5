"""The tables and figures of Adhikari et al. (DocBERT, 2019), measured: `python -m bench.studies.docbert`."""
