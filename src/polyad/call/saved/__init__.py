"""Prepared objects in files: what was compiled is kept beside what they were made of."""
