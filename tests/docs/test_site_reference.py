"""The API reference of the site has every public name, once."""

import collections
import importlib
import inspect
import pathlib
import pkgutil
import sys

import pytest

import keras_slayer

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs" / "site"))
import docstring_text
import pages
import reference

PATHS = [path for group in reference.GROUPS for path in group.paths]


def public_modules() -> list:
    """The package and those of its packages that have an `__all__` of names to use."""
    names = [keras_slayer.__name__]
    names += [
        info.name
        for info in pkgutil.walk_packages(keras_slayer.__path__, "keras_slayer.")
        if info.ispkg and not info.name.rpartition(".")[2].startswith("_")
    ]
    modules = [importlib.import_module(name) for name in names]
    return [module for module in modules if hasattr(module, "__all__")]


def resolve(path: str):
    found = keras_slayer
    for name in path.split(".")[1:]:
        found = getattr(found, name)
    return found


def test_every_public_name_is_there():
    shown = {id(resolve(path)) for path in PATHS}
    modules = public_modules()
    assert len(modules) > 12
    missing = [
        f"{module.__name__}.{name}"
        for module in modules
        for name in module.__all__
        if id(getattr(module, name)) not in shown and not inspect.ismodule(getattr(module, name))
    ]
    assert not missing, f"not in docs/site/reference.py: {missing}"


def test_nothing_is_there_twice():
    twice = [path for path, count in collections.Counter(PATHS).items() if count > 1]
    assert not twice
    # One under two names stays for old programs.
    objects = [resolve(path) for path in PATHS if path != "keras_slayer.RateInitializer"]
    functions = [id(found) for found in objects if callable(found)]
    assert len(functions) == len(set(functions))


@pytest.mark.parametrize("path", PATHS)
def test_first_lines(path):
    """What the overview says of a name is the first sentence of its docstring."""
    line = pages.first_line(path)
    if not callable(resolve(path)):
        assert line == "A constant."
        return
    if path.split(".")[-1] != resolve(path).__name__:
        assert line == f"The same as `{resolve(path).__name__}`."
        return
    text = inspect.getdoc(resolve(path)).replace("``", "`").replace("|", "\\|")
    assert len(line) > 5 and "\n" not in line
    assert " ".join(text.split()).startswith(line[:-1].rstrip(".")), line


def test_each_group_is_a_page():
    made = pages.reference_pages()
    for group in reference.GROUPS:
        text = made[f"reference/{group.file}.md"]
        assert [line[4:] for line in text.splitlines() if line.startswith("::: ")] == group.paths
        assert all(f"][{path}]" in made["reference/index.md"] for path in group.paths)


DOCSTRING = """A layer, as :class:`Dense` is.

    z[t] = x[t] @ kernel

Equations::

    u = W s
      + b

Args:
    units: number
        of neurons, see ``SRM``.
    low, high: ends of
        the range.
    a_name, another_name,
        third_name: joint.

Input shape:
    (batch, time).

Raises:
    ValueError: it is wrong::

            x < 0

Example:

>>> layer(1)
2
"""

MARKDOWN = """A layer, as `Dense` is.

    z[t] = x[t] @ kernel

Equations:

```text
u = W s
  + b
```

**Arguments**

`units`
:   number
    of neurons, see [`SRM`][keras_slayer.SRM].

`low`, `high`
:   ends of
    the range.

`a_name`, `another_name`, `third_name`
:   joint.

**Input shape**

(batch, time).

**Errors**

`ValueError`
:   it is wrong:

    ```text
    x < 0
    ```

**Example**

```pycon
>>> layer(1)
2
```
"""


def test_docstrings_become_markdown():
    made = docstring_text.to_markdown(DOCSTRING, {"SRM": "keras_slayer.SRM"})
    lines = [line.rstrip() for line in made.splitlines()]
    compact = [
        line for line, after in zip(lines, [*lines[1:], "end"], strict=True) if line or after
    ]
    assert "\n".join(compact).strip() == MARKDOWN.strip()


def test_names_in_pages_become_links():
    links = {"SRM": "keras_slayer.SRM", "events.Events": "keras_slayer.events.Events"}
    text = "# `SRM`\n`ks.SRM(dt=1.0)`, `SRM`, [`SRM`](x.md), `ks.events.Events`\n```\n`SRM`\n```\n"
    assert docstring_text.linked(text, links, once=True) == (
        "# `SRM`\n[`ks.SRM(dt=1.0)`][keras_slayer.SRM], `SRM`, [`SRM`](x.md), "
        "[`ks.events.Events`][keras_slayer.events.Events]\n```\n`SRM`\n```\n"
    )
    assert set(reference.LINKS.values()) <= set(PATHS)
    assert not reference.AMBIGUOUS & set(reference.LINKS)


def test_no_section_is_left_as_text():
    """Every `Args:` and its kind, of every docstring, is found as a section."""
    for path in PATHS:
        found = resolve(path)
        if callable(found):
            text = docstring_text.to_markdown(inspect.getdoc(found))
            left = [x for x in text.splitlines() if docstring_text.SECTION.match(x)]
            assert not left and "::" not in text.replace("::1", ""), path
