"""The backends: one file per AD system.

* ``base``: the contract between operators and backends;
* ``derive``: every operator from one primitive;
* ``registry``: names, entry points, and the choice by the type of the input.
"""
