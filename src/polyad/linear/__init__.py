"""Lazy linear operators: a derivative at a point as a matrix that is never formed.

``operator`` says what all of them can do from the products alone, ``estimates`` what is estimated with random
directions. The others are one file each: the function that makes the operator, and its products.
"""
