"""Docstrings of the package as Markdown.

They are in Google's style with two habits of their own: several names may share an entry of `Args`
(``low, high: ends of the range``), and equations are literal blocks after a double colon.
"""

import re
import textwrap

# Sections whose entries are `name: text`, and those that hold plain text.
ENTRIES = ("Args", "Attributes", "Raises", "Warns", "Call arguments", "Inputs")
TEXTS = ("Returns", "Yields", "Example", "Examples", "Input shape", "Output shape", "Targets")
TITLES = {"Args": "Arguments", "Raises": "Errors", "Warns": "Warnings"}
SECTION = re.compile(rf"^({'|'.join((*ENTRIES, *TEXTS))}):[ ]*(.*)$")
ENTRY = re.compile(r"^([\w*`][\w*`. \n]*(?:,\s+[\w*`.]+)*)\s*:\s+(.*)$", re.DOTALL)


def to_markdown(docstring: str, links: dict[str, str] | None = None) -> str:
    """The docstring as Markdown; ``links`` are targets of names that are in backticks."""
    lines = textwrap.dedent(docstring).strip().splitlines()
    parts, title, block = [], "", []
    for line in [*lines, None]:
        match = None if line is None else SECTION.match(line)
        if line is None or match:
            parts += _section(title, block)
            title, block = (match[1], [match[2]] if match and match[2] else []) if match else ("", [])
        elif title and line and not line.startswith((" ", ">>>", "TensorShape", "...")):
            if title not in ("Example", "Examples"):  # text after a section
                parts += _section(title, block)
                title, block = "", []
            block.append(line)
        else:
            block.append(line)
    text = "\n\n".join(part for part in parts if part.strip()) + "\n"
    return _linked(text, links or {})


def _section(title: str, block: list[str]) -> list[str]:
    body = textwrap.dedent("\n".join(block)).strip("\n")
    if not body.strip():
        return []
    if not title:
        return [_literal_blocks(body)]
    head = f"**{TITLES.get(title, title)}**"
    if title in ENTRIES:
        return [head, _definitions(body)]
    return [head, _literal_blocks(body)]


def _definitions(body: str) -> str:
    """`name: text` entries, each of which may go on in deeper lines, as a definition list."""
    entries = []
    for line in body.splitlines():
        joined = entries and entries[-1].rstrip().endswith(",") and ":" not in entries[-1]
        if line and not line.startswith(" ") and not joined:
            entries.append(line)
        elif entries:
            entries[-1] += "\n" + line
    return "\n\n".join(_definition(entry) for entry in entries)


def _definition(entry: str) -> str:
    match = ENTRY.match(entry)
    if not match:
        return _literal_blocks(entry)
    first, _, rest = match[2].partition("\n")
    text = _literal_blocks(first + ("\n" + textwrap.dedent(rest) if rest else ""))
    names = [name.strip().strip("`") for name in match[1].split(",")]
    return (
        ", ".join(f"`{name}`" for name in names) + "\n" + textwrap.indent(":   " + text, "    ")[4:]
    )


def _literal_blocks(text: str) -> str:
    """Fences around what follows a double colon, and around examples at a prompt."""
    out, lines, fence = [], text.splitlines(), False
    index = 0
    while index < len(lines):
        line = lines[index]
        if line.startswith(">>>"):
            end = index
            while end < len(lines) and lines[end].strip():
                end += 1
            out += ["```pycon", *lines[index:end], "```"]
            index = end
            continue
        fence = line.rstrip().endswith("::")
        if fence:
            head = line.rstrip()[:-1]
            out += [head, ""] if head.strip(" :") else [""]
        else:
            out.append(re.sub(r"``([^`]+)``", r"`\1`", line))
        index += 1
        if fence:
            while index < len(lines) and not lines[index].strip():
                index += 1
            end = index
            while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
                end += 1
            code = textwrap.dedent("\n".join(lines[index:end])).strip("\n")
            out += ["```text", *code.splitlines(), "```", ""]
            index = end
    return re.sub(r"``([^`\n]+)``", r"`\1`", "\n".join(out))


def _linked(text: str, links: dict[str, str]) -> str:
    """Names in backticks become references, outside of fences and of names of arguments."""
    out, fenced = [], False
    for line in text.splitlines():
        fenced ^= line.strip().startswith("```")
        if not fenced and not re.fullmatch(r"(`[^`]+`(, )?)+", line):
            line = re.sub(
                r"(?<![\[\w])`(?:keras_slayer\.)?([\w.]+)`(?!\])",
                lambda m: f"[{m[0]}][{links[m[1]]}]" if m[1] in links else m[0],
                line,
            )
        out.append(line)
    return "\n".join(out) + "\n"
