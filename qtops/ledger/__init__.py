"""The change ledger: an append-only chained log and the views that are rebuilt from it.

Pure: `entry`, `chain`, `rules`, `yamltext`, `markdown`, `blocks`. With I/O: `store`, `evidence`,
`signing`, `tags`.
"""
