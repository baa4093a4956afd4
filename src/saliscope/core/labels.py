"""Classes as people write them down: lists, arrays and tensors of indices or names."""

from collections.abc import Iterable, Mapping, Set
from typing import Any

from saliscope.errors import InputError, TargetError


def plain(value: Any) -> Any:
    """Arrays and tensors, also those of one number, as Python has them."""
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def class_labels(labels: Any, n: int, of: str) -> tuple[int | str, ...]:
    """What somebody says the class of each picture or map is, by index or by name.

    Parameters
    ----------
    labels : sequence, array or tensor of int or str
    n : int
        How many there must be.
    of : str
        What they are of, in the plural, for errors.

    Raises
    ------
    InputError
        If they are not one index or name for each.
    TargetError
        If one is below zero: in data sets -1 stands for an unknown class, where a target counts from the end.
    """
    given = plain(labels)
    if isinstance(given, (str, Mapping, Set)) or not isinstance(given, Iterable):
        short = isinstance(given, (int, str))
        got = repr(given)[:60] if short else f"an object of type {type(labels).__name__}"
        raise InputError("labels", got, f"a list with the class of each of {n} {of}")
    known = tuple(map(plain, given))
    if len(known) != n:
        raise InputError("labels", f"{len(known)} labels for {n} {of}", "one for each")
    for i, one in enumerate(known):
        if isinstance(one, bool) or not isinstance(one, (int, str)):
            raise InputError(f"labels[{i}]", repr(one)[:60], "a class index or the name of a class")
        if isinstance(one, int) and one < 0:
            way_out = f"Leave out the {of} whose class is not known."
            raise TargetError(f"labels[{i}]", str(one), "a class index from 0 on, or a name", way_out)
    return known
