"""Work made of independent calls, spread over processes and machines.

``run`` gives a list of items to whoever works (``pools``): itself, so many processes, an executor, a Dask
client, anything that works as ``map`` does. What travels is cut into pieces (``pieces``), its function is
sent so that a worker unpacks it once (``sending``), and results come back in the order of the items,
whoever was first.
"""

from polyad.workers.run import run

__all__ = ["run"]
