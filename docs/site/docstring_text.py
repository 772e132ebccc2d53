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

# Names of arguments, above what they are; and a name, or a call of it, in backticks.
ARGUMENTS = re.compile(r"(`[^`]+`(, )?)+")
NAME = re.compile(r"(?<![\[\w`])`(?:keras_slayer\.|ks\.)?([\w.]+)(?:\([^`]*\))?`(?![\]`])")


def to_markdown(docstring: str, links: dict[str, str] | None = None) -> str:
    """The docstring as Markdown; ``links`` are targets of names that are in backticks."""
    sections = [("", [])]
    text = re.sub(r":(?:func|class|meth|mod|attr):(?=`)", "", textwrap.dedent(docstring).strip())
    for line in text.splitlines():
        if match := SECTION.match(line):
            sections.append((match[1], [match[2]] if match[2] else []))
        elif sections[-1][0] in ENTRIES and line and not line.startswith(" "):
            sections.append(("", [line]))  # text after a section
        else:
            sections[-1][1].append(line)
    parts = [part for title, block in sections for part in _section(title, block)]
    return linked("\n\n".join(parts) + "\n", links or {})


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
    # Further lines are four spaces in; what is deeper is a literal block.
    text = _literal_blocks(re.sub(r"\n {1,4}", "\n", match[2]))
    names = ", ".join(f"`{name.strip().strip('`')}`" for name in match[1].split(","))
    return f"{names}\n:   {textwrap.indent(text, '    ').lstrip()}"


def _literal_blocks(text: str) -> str:
    """Fences around what follows a double colon, and around examples at a prompt."""
    out, lines = [], text.splitlines()
    while lines:
        line = lines.pop(0)
        if line.startswith(">>>"):
            out += ["```pycon", line]
            while lines and lines[0].strip():
                out.append(lines.pop(0))
            out.append("```")
        elif line.rstrip().endswith("::"):
            code = []
            while lines and (not lines[0].strip() or lines[0].startswith(" ")):
                code.append(lines.pop(0))
            code = textwrap.dedent("\n".join(code)).strip("\n").splitlines()
            out += [line.rstrip()[:-1].strip(" :") and line.rstrip()[:-1], ""]
            out += ["```text", *code, "```", ""]
        else:
            out.append(line)
    return re.sub(r"``([^`\n]+)``", r"`\1`", "\n".join(out)).strip("\n")


def linked(text: str, links: dict[str, str], *, once: bool = False) -> str:
    """Names in backticks become references, outside of fences, headings and names of arguments.

    ``once`` links the first of each name alone.
    """
    links, out, fenced = dict(links), [], False

    def link(match):
        target = links.get(match[1])
        if target and once:
            links.update({name: "" for name, other in links.items() if other == target})
        return f"[{match[0]}][{target}]" if target else match[0]

    for line in text.splitlines():
        fenced ^= line.strip().startswith("```")
        if not fenced and not line.startswith("#") and not ARGUMENTS.fullmatch(line):
            line = NAME.sub(link, line)
        out.append(line)
    return "\n".join(out) + "\n"
