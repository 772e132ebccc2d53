r"""Equations as MathML, which browsers draw themselves: no script, no font, no network.

Pages write them as GitHub reads them: $`x`$ within a line, and fences of the language `math`.
"""

import re

from latex2mathml.converter import convert

INLINE = re.compile(r"\$`([^`\n]+)`\$")


def inline(markdown: str) -> str:
    """Equations within lines; fences stay as they are."""
    parts = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    parts[::2] = [INLINE.sub(lambda match: convert(match[1]), part) for part in parts[::2]]
    return "".join(parts)


def fence(source, language, css_class, options, md, **kwargs) -> str:
    """For pymdownx.superfences: a fence of the language `math`."""
    return f'<div class="{css_class}">{convert(source, display="block")}</div>'
