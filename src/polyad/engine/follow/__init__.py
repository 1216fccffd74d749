"""Following code through packages: names by which a derivative would be lost lead to what knows boxes.

While a followed function runs, the namespaces of the modules that it reaches hold counterparts in place of
NumPy's conversions and makers of arrays, of ``math``, of some of Python's own functions, and of functions of
SciPy. A counterpart asks a switch of the thread first, so other threads get the ordinary functions; at the
end of the call the namespaces hold what they held before. ``docs/decisions/following.md`` says why so.
"""
