"""Walrus: buckets and objects as in S3, and the store of machine images."""
