"""Reads the package for the API reference, without importing it."""

import ast
import sys
from pathlib import Path

import griffe

sys.path.insert(0, str(Path(__file__).parent))
from docstring_text import to_markdown
from reference import LINKS


class Docstrings(griffe.Extension):
    """Docstrings become Markdown, and names that resolve at first use are found."""

    def on_package(self, *, pkg: griffe.Module, **_) -> None:
        _lazy_names(pkg["export"])
        self._convert(pkg, set())

    def _convert(self, found: griffe.Object, done: set) -> None:
        for member in found.members.values():
            if member.is_alias or id(member) in done:
                continue
            done.add(id(member))
            if member.docstring:
                links = {k: v for k, v in LINKS.items() if v.split(".")[-1] != member.name}
                member.docstring.value = to_markdown(member.docstring.value, links)
            if member.is_class:
                _plain_fields(member)
            if member.is_class or member.is_module:
                self._convert(member, done)


def _plain_fields(found: griffe.Class) -> None:
    """Fields as the signature shows them: no class variables, and values for `Surrogate.tau`."""
    for attribute in found.attributes.values():
        if attribute.is_alias:
            continue
        if str(attribute.annotation) == "ClassVar":
            attribute.annotation = None
        if str(attribute.value).startswith("Surrogate."):
            name = str(attribute.value).removeprefix("Surrogate.")
            attribute.value = found.package["neurons.surrogate.Surrogate"][name].value


def _lazy_names(module: griffe.Module) -> None:
    """`keras_slayer.export` resolves its names in `__getattr__`, from a dictionary."""
    for name, home in ast.literal_eval(str(module["_HOME"].value)).items():
        module.set_member(name, griffe.Alias(name, f"{module.path}.{home}.{name}"))
