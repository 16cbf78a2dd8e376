"""A small application before and after it moved to the key ring. docs/adopt.md tells the steps."""
