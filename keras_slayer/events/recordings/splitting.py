"""Recordings shared out to parts, such as training and testing."""

import math
from collections.abc import Sequence

import numpy as np

from keras_slayer.events.recordings.sources import Entry


def check_fractions(fraction) -> np.ndarray:
    """The shares of the parts; one number stands for itself and the rest.

    Raises:
        ValueError: shares that are not positive or do not add up to 1.
    """
    single = isinstance(fraction, (int, float)) and not isinstance(fraction, bool)
    try:
        shares = np.asarray([fraction, 1 - fraction] if single else tuple(fraction), np.float64)
    except (TypeError, ValueError):
        shares = np.zeros(0)
    if shares.ndim != 1 or len(shares) < 2 or not (shares > 0).all() or (
        not math.isclose(shares.sum(), 1, abs_tol=1e-6)
    ):  # fmt: skip
        raise ValueError(
            "`fraction` must be a number between 0 and 1, or two or more positive numbers that "
            f"add up to 1, such as (0.8, 0.1, 0.1). Received: fraction={fraction}"
        )
    return shares


def assign(counts: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """Shares groups out to parts, so that each part has its share of each class.

    Groups of a class go to the part that lacks most of its share of that class, the rarest class
    first, large groups before small ones (iterative stratification: Sechidis, Tsoumakas and
    Vlahavas 2011). Before that, each part is given one group of each class that has enough of
    them. With groups of one recording and one class, each part has its share of each class
    exactly, but for rounding.

    Args:
        counts: `(groups, classes)`: how many recordings of each class a group has.
        shares: of the parts, which add up to 1.
        seed: of the order in which groups of equal size are taken.

    Returns:
        The part of each group, `(groups,)`. No part is empty.
    """
    counts, shares = np.asarray(counts, np.float64), np.asarray(shares, np.float64)
    groups, classes = counts.shape
    order = np.random.default_rng(seed).permutation(groups)
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    part = np.full(groups, -1)
    need = shares[:, np.newaxis] * counts.sum(axis=0)

    def put(group, chosen):
        part[group] = chosen
        need[chosen] -= counts[group]

    _cover(counts, shares, order, part, put)
    waiting = [[g for g in order[::-1] if counts[g, c] and part[g] < 0] for c in range(classes)]
    left = np.array([len(queue) for queue in waiting])
    while left.any():
        rarest = int(np.argmin(np.where(left > 0, left, groups + 1)))
        group = waiting[rarest].pop()
        if part[group] >= 0:
            continue
        wanted = need[:, rarest]
        if (wanted >= 1).any():
            chosen = np.argmax(wanted)
        else:
            # What is left after whole recordings goes where rounding has taken most so far.
            so_far = left == 0
            so_far[rarest] = True
            chosen = np.argmax(np.where(wanted > 0, need[:, so_far].sum(axis=1), -np.inf))
        put(group, int(chosen))
        left -= counts[group] > 0
    return part


def _cover(counts, shares, order, part, put) -> None:
    """One group of each class for each part, for classes with as many groups as there are parts,
    and one of any class for each part."""
    has = np.column_stack([counts > 0, np.ones(len(counts), bool)])
    covered = np.zeros((len(shares), has.shape[1]), bool)
    for column in np.argsort(has.sum(axis=0), kind="stable"):
        if has[:, column].sum() < len(shares):
            continue
        by_share = np.argsort(shares, kind="stable")
        for chosen in by_share:
            # A small group for a small part, which a large one would overfill.
            sizes = order if chosen == by_share[-1] else order[::-1]
            free = sizes[has[sizes, column] & (part[sizes] < 0)]
            if covered[chosen, column] or not len(free):
                continue
            group = free[np.argmax((has[free] & ~covered[chosen]).sum(axis=1))]
            put(group, chosen)
            covered[chosen] |= has[group]


def groups_of(by, metadata: dict, size: int) -> np.ndarray:
    """The number of each recording's group.

    Args:
        by: None for groups of one; the name of metadata; or a value for each recording.
        metadata: vectors by name.
        size: the number of recordings.
    """
    if by is None:
        return np.arange(size)
    if isinstance(by, str):
        if by not in metadata:
            raise ValueError(
                "`by` must be metadata of the recordings, such as a placeholder of the pattern: "
                f"{', '.join(sorted(metadata)) or 'there is none'}. Received: by={by!r}"
            )
        by = metadata[by]
    values = np.asarray(by)
    if values.shape != (size,):
        raise ValueError(
            f"`by` must have a value for each of {size} recordings. "
            f"Received: by with shape {values.shape}"
        )
    return np.unique(values, return_inverse=True)[1]


def class_counts(entries: Sequence[Entry], num_classes: int) -> np.ndarray:
    """`(recordings, num_classes + 1)`: the label, or the intervals, of each class.

    The last column is for recordings without any.
    """
    counts = np.zeros((len(entries), num_classes + 1))
    for row, entry in zip(counts, entries, strict=True):
        labels = [c for *_, c in entry.intervals] if entry.label is None else [entry.label]
        np.add.at(row, labels or [num_classes], 1)
    return counts


def parts(
    classes: np.ndarray, groups: np.ndarray, shares: np.ndarray, seed: int, stratify: bool
) -> np.ndarray:
    """The part of each recording, from `class_counts` and `groups_of`."""
    count = int(groups.max()) + 1
    if count < len(shares):
        raise ValueError(
            "There must be as many recordings (with `by`: groups of them) as parts. "
            f"Received: {count} for {len(shares)} parts"
        )
    used = classes if stratify else np.ones((len(classes), 1))
    counts = np.zeros((count, used.shape[1]))
    np.add.at(counts, groups, used)
    return assign(counts, shares, seed)[groups]


def describe_missing(classes: np.ndarray, part: np.ndarray, class_names) -> str | None:
    """Names the classes that a part has nothing of; None where there is no such part."""
    lines = []
    for label, name in enumerate(class_names):
        has = classes[:, label] > 0
        missing = [p for p in range(part.max() + 1) if not has[part == p].any()]
        if has.any() and missing:
            where = ", ".join(map(str, missing))
            lines.append(f"class {name!r} ({np.count_nonzero(has)} in all) is not in part {where}")
    if not lines:
        return None
    more = f"; and {len(lines) - 5} more classes" if len(lines) > 5 else ""
    return (
        f"The split leaves parts without a class: {'; '.join(lines[:5])}{more}. Parts count from "
        "0. Record more of these, make fewer parts, or try another seed."
    )
