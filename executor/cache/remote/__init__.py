"""Caches shared between hosts: layers as blobs in a bucket, and pointers that say which layers a cache is made of."""
