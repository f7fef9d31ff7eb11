"""The report: a study as one HTML file that opens offline."""
