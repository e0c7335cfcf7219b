"""Steps from one version of the ledger's schema to the next. A released step is never changed."""
