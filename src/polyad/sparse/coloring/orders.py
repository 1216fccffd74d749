"""The loops that choose the next vertex as they go: orders by degree, and DSATUR. See ``kernels``.

Vertices of the same degree are a list with links in both directions, of which ``head`` knows the first. The
moves from one list to another are written out, as everything is that would be a call in Python.

References
----------
.. [1] A. H. Gebremedhin, F. Manne, A. Pothen, *What Color Is Your Jacobian?*, SIAM Review 47 (2005).
.. [2] D. Brélaz, *New methods to color the vertices of a graph*, Comm. ACM 22 (1979).
"""

from __future__ import annotations

from polyad.sparse.coloring.kernels import Row

__all__ = ["dynamic", "saturation"]


def dynamic(
    ptr: Row,
    idx: Row,
    eptr: Row,
    eidx: Row,
    mode: int,
    degree: Row,
    order: Row,
    mark: Row,
    key: Row,
    head: Row,
    after: Row,
    before: Row,
) -> int:
    """Degrees (mode 0), or an order: smallest last (1), dynamic largest first (2), incidence degree (3)."""
    n = len(degree)
    for v in range(n):
        d = 0
        mark[v] = v
        for a in range(ptr[v], ptr[v + 1]):
            e = idx[a]
            for w in eidx[eptr[e] : eptr[e + 1]]:
                if mark[w] != v:
                    mark[w] = v
                    d += 1
        degree[v] = d
    if mode == 0:
        return 0
    top = 0
    for k in range(n):
        v = n - 1 - k
        key[v] = 0 if mode == 3 else degree[v]
        top = max(top, key[v])
        h = head[key[v]]
        after[v] = h
        before[v] = -1
        if h >= 0:
            before[h] = v
        head[key[v]] = v
    for v in range(n):
        mark[v] = -1
    level = 0 if mode == 1 else top
    step = 1 if mode == 3 else -1
    for k in range(n):
        if mode == 1:
            while head[level] < 0:
                level += 1
        else:
            while head[level] < 0:
                level -= 1
        v = head[level]
        head[level] = after[v]
        if after[v] >= 0:
            before[after[v]] = -1
        key[v] = -1
        order[n - 1 - k if mode == 1 else k] = v
        for a in range(ptr[v], ptr[v + 1]):
            e = idx[a]
            for w in eidx[eptr[e] : eptr[e + 1]]:
                if key[w] < 0 or mark[w] == v:
                    continue
                mark[w] = v
                if before[w] >= 0:
                    after[before[w]] = after[w]
                else:
                    head[key[w]] = after[w]
                if after[w] >= 0:
                    before[after[w]] = before[w]
                key[w] += step
                h = head[key[w]]
                after[w] = h
                before[w] = -1
                if h >= 0:
                    before[h] = w
                head[key[w]] = w
                if (mode == 1 and key[w] < level) or (mode == 3 and key[w] > level):
                    level = key[w]
    return 0


def saturation(
    ptr: Row,
    idx: Row,
    eptr: Row,
    eidx: Row,
    rank: Row,
    cap: int,
    colors: Row,
    seen: Row,
    key: Row,
    head: Row,
    after: Row,
    before: Row,
) -> int:
    """DSATUR ([2]_): next the vertex beside the most colors; -1 if ``cap`` colors do not do.

    Among those with as many the one that came there last is taken, at first the first of ``rank``.
    """
    n = len(colors)
    count = 0
    for k in range(len(rank)):
        v = rank[len(rank) - 1 - k]
        h = head[0]
        after[v] = h
        before[v] = -1
        if h >= 0:
            before[h] = v
        head[0] = v
        key[v] = 0
    level = 0
    for _ in range(len(rank)):
        while head[level] < 0:
            level -= 1
        v = head[level]
        head[level] = after[v]
        if after[v] >= 0:
            before[after[v]] = -1
        key[v] = -1
        c = 0
        while c < cap and seen[c * n + v] != 0:
            c += 1
        if c == cap:
            return -1
        colors[v] = c
        if c >= count:
            count = c + 1
        for a in range(ptr[v], ptr[v + 1]):
            e = idx[a]
            for w in eidx[eptr[e] : eptr[e + 1]]:
                if key[w] < 0 or seen[c * n + w] != 0:
                    continue
                seen[c * n + w] = 1
                if before[w] >= 0:
                    after[before[w]] = after[w]
                else:
                    head[key[w]] = after[w]
                if after[w] >= 0:
                    before[after[w]] = before[w]
                key[w] += 1
                h = head[key[w]]
                after[w] = h
                before[w] = -1
                if h >= 0:
                    before[h] = w
                head[key[w]] = w
                if key[w] > level:
                    level = key[w]
    return count
