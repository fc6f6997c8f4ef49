"""Dashboards, alert rules and scrape configuration: ours written, others' judged and mended."""
