"""The order in which the nodes of a graph are computed, and its cycles."""

from __future__ import annotations


def in_order(nodes, sources, targets) -> tuple[list[str], list[list[str]]]:
    """Names in the order of computation, and the cycles, which are not among them."""
    order, left = _peel(list(nodes), sources, targets)
    ring, _ = _peel(left, targets, sources)  # from behind: what is only fed by a cycle
    within = [name for name in left if name not in set(ring)]
    return order, _components(within, sources, targets)


def _peel(names, sources, targets) -> tuple[list[str], list[str]]:
    """Names that can be taken off one after the other, none before its sources, and the rest."""
    inside = set(names)
    waiting = {name: sum(s in inside for s in sources[name]) for name in names}
    ready = [name for name in names if not waiting[name]]
    for name in ready:
        for target in targets[name]:
            if target in inside:
                waiting[target] -= 1
                if not waiting[target]:
                    ready.append(target)
    taken = set(ready)
    return ready, [name for name in names if name not in taken]


def _components(names, sources, targets) -> list[list[str]]:
    """Groups of names that hang together."""
    inside, groups = set(names), []
    for first in names:
        if first not in inside:
            continue
        group, ready = [], [first]
        inside.discard(first)
        while ready:
            name = ready.pop()
            group.append(name)
            for other in (*sources[name], *targets[name]):
                if other in inside:
                    inside.discard(other)
                    ready.append(other)
        groups.append(sorted(group))
    return groups
