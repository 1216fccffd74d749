"""The loops of the colorings: plain Python that runs on lists, and on arrays when numba compiles it.

Every function takes its working memory, so that one text serves both. -1 stands for "no color yet", "none".
Buckets of vertices, the first free color and roots of trees are written out where they are needed: in
Python a call would take longer than what it does, and the time without numba is bounded by that.

References
----------
.. [1] A. H. Gebremedhin, F. Manne, A. Pothen, *What Color Is Your Jacobian?*, SIAM Review 47 (2005).
.. [2] A. H. Gebremedhin, A. Tarafdar, F. Manne, A. Pothen, *New acyclic and star coloring algorithms with
   application to computing Hessians*, SIAM J. Sci. Comput. 29 (2007), algorithms 3.1 and 4.1.
"""

from __future__ import annotations

from typing import Any

__all__ = ["BITS", "acyclic", "distance2", "few", "star"]

Row = Any  # a list or an array of integers
# colors that a number of 64 bits with a sign can hold, and one bit less
BITS = 62


def distance2(
    ptr: Row,
    idx: Row,
    eptr: Row,
    eidx: Row,
    order: Row,
    colors: Row,
    mark: Row,
    slot: Row,
    used: Row,
    free: Row,
) -> int:
    """Greedy coloring of vertices that share no line ([1]_, algorithm 3.1 on the bipartite graph).

    A dense line (``slot`` not -1) keeps the colors it has seen in ``used`` and where the first free one is in
    ``free``: looking at all its vertices each time would be quadratic.
    """
    n = len(colors)
    dense = len(free) > 0
    count = 0
    for k in range(len(order)):
        v = order[k]
        low = 0
        for a in range(ptr[v], ptr[v + 1]):
            e = idx[a]
            if dense and slot[e] >= 0:
                s = slot[e]
                if free[s] > low:
                    low = free[s]
            else:
                for w in eidx[eptr[e] : eptr[e + 1]]:
                    c = colors[w]
                    if c >= 0:
                        mark[c] = v
        c = low
        searching = True
        while searching:
            while c < count and mark[c] == v:
                c += 1
            searching = False
            if dense:
                for a in range(ptr[v], ptr[v + 1]):
                    s = slot[idx[a]]
                    if s >= 0 and used[s * n + c] != 0:
                        searching = True
                if searching:
                    c += 1
        colors[v] = c
        if c >= count:
            count = c + 1
        if dense:
            for a in range(ptr[v], ptr[v + 1]):
                s = slot[idx[a]]
                if s >= 0:
                    used[s * n + c] = 1
                    while free[s] < n and used[s * n + free[s]] != 0:
                        free[s] += 1
    return count


def few(ptr: Row, idx: Row, order: Row, bits: Row, taken: Row) -> int:
    """As ``distance2`` with each color as a bit of a number; -1 if these do not suffice, else all bits.

    It looks at each entry twice, where the other looks at each pair of entries of a line.
    """
    last = 1 << (BITS - 1)
    union = 0
    for v in order:
        seen = 0
        for e in idx[ptr[v] : ptr[v + 1]]:
            seen |= taken[e]
        bit = ~seen & (seen + 1)  # the lowest that is not there
        if bit > last:
            return -1
        bits[v] = bit
        union |= bit
        for e in idx[ptr[v] : ptr[v + 1]]:
            taken[e] |= bit
    return union


def star(
    ptr: Row,
    idx: Row,
    edge: Row,
    order: Row,
    colors: Row,
    forbidden: Row,
    first_by: Row,
    first: Row,
    first_edge: Row,
    treated: Row,
    star_of: Row,
    hub: Row,
) -> int:
    """Greedy star coloring ([2]_, algorithm 4.1): no path on four vertices has two colors."""
    count = 0
    stars = 0
    for k in range(len(order)):
        v = order[k]
        for a in range(ptr[v], ptr[v + 1]):
            w = idx[a]
            cw = colors[w]
            if cw < 0:
                continue
            forbidden[cw] = v
            if first_by[cw] == v:
                q = first[cw]
                if treated[q] != v:
                    treated[q] = v
                    for b in range(ptr[q], ptr[q + 1]):
                        c = colors[idx[b]]
                        if c >= 0:
                            forbidden[c] = v
                treated[w] = v
                for b in range(ptr[w], ptr[w + 1]):
                    c = colors[idx[b]]
                    if c >= 0:
                        forbidden[c] = v
            else:
                first_by[cw] = v
                first[cw] = w
                first_edge[cw] = edge[a]
                for b in range(ptr[w], ptr[w + 1]):
                    x = idx[b]
                    if x != v and colors[x] >= 0 and hub[star_of[edge[b]]] == x:
                        forbidden[colors[x]] = v
        c = 0
        while c < count and forbidden[c] == v:
            c += 1
        colors[v] = c
        if c >= count:
            count = c + 1
        for a in range(ptr[v], ptr[v + 1]):
            w = idx[a]
            cw = colors[w]
            if cw < 0:
                continue
            found = False
            for b in range(ptr[w], ptr[w + 1]):
                x = idx[b]
                if x != v and colors[x] == c:
                    hub[star_of[edge[b]]] = w
                    star_of[edge[a]] = star_of[edge[b]]
                    found = True
                    break
            if not found:
                if first[cw] != w:
                    hub[star_of[first_edge[cw]]] = v
                    star_of[edge[a]] = star_of[first_edge[cw]]
                else:
                    hub[stars] = -1
                    star_of[edge[a]] = stars
                    stars += 1
    return count


def acyclic(
    ptr: Row,
    idx: Row,
    edge: Row,
    order: Row,
    colors: Row,
    forbidden: Row,
    first_by: Row,
    first_edge: Row,
    parent: Row,
    visited_by: Row,
    visited: Row,
) -> int:
    """Greedy acyclic coloring ([2]_, algorithm 3.1): every cycle has three colors or more."""
    count = 0
    for k in range(len(order)):
        v = order[k]
        for a in range(ptr[v], ptr[v + 1]):
            cw = colors[idx[a]]
            if cw >= 0:
                forbidden[cw] = v
        for a in range(ptr[v], ptr[v + 1]):
            w = idx[a]
            if colors[w] < 0:
                continue
            for b in range(ptr[w], ptr[w + 1]):
                x = idx[b]
                if x == v or colors[x] < 0 or forbidden[colors[x]] == v:
                    continue
                r = edge[b]
                while parent[r] != r:
                    parent[r] = parent[parent[r]]
                    r = parent[r]
                if visited_by[r] != v:
                    visited_by[r] = v
                    visited[r] = w
                elif visited[r] != w:
                    forbidden[colors[x]] = v
        c = 0
        while c < count and forbidden[c] == v:
            c += 1
        colors[v] = c
        if c >= count:
            count = c + 1
        for a in range(ptr[v], ptr[v + 1]):
            w = idx[a]
            cw = colors[w]
            if cw < 0:
                continue
            r = edge[a]
            while parent[r] != r:
                parent[r] = parent[parent[r]]
                r = parent[r]
            if first_by[cw] != v:
                first_by[cw] = v
                first_edge[cw] = edge[a]
            else:
                s = first_edge[cw]
                while parent[s] != s:
                    parent[s] = parent[parent[s]]
                    s = parent[s]
                if s != r:
                    parent[r] = s
                    r = s
            for b in range(ptr[w], ptr[w + 1]):
                x = idx[b]
                if x != v and colors[x] == c:
                    s = edge[b]
                    while parent[s] != s:
                        parent[s] = parent[parent[s]]
                        s = parent[s]
                    if s != r:
                        parent[s] = r
    return count
