"""The public operators, one file each, all in the same order.

First the prepared class, which says what the operator needs and gives; then the three public
functions: plain, with the value, and the preparation. What they share, the call from the user's
arguments to the user's result, is in ``polyad.call``.
"""
