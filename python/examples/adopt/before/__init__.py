"""Before: versioned keys, each in a secret of its own, and everything around them written by hand."""
