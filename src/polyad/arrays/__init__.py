"""Arrays of every library: what they are, how they convert, how trees of them come apart.

* ``libraries``: one small class per array library, found without importing any;
* ``trees``: any nesting of containers as a flat tuple of leaves, and back;
* ``namespace``: the array namespace for functions written for every library at once.
"""
