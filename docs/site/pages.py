"""Pages of the site that are no file in docs/: the API reference and files of the repository."""

import ast
import functools
import posixpath
import re
from pathlib import Path

from reference import GROUPS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "keras_slayer"
# A link or a picture of Markdown, not to another site.
LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
LANGUAGES = {
    ".py": "python",
    ".cc": "cpp",
    ".toml": "toml",
    ".txt": "text",
    ".yml": "yaml",
    "": "text",
}
PICTURES = (".png", ".svg", ".gif", ".jpg")


def site_path(path: str) -> str:
    """Where a file of the repository is on the site: docs/ is its root."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path.endswith((".md", *PICTURES)):
        return f"repository/{path}"
    return f"repository/{path}.md"


def repository_path(uri: str) -> str:
    """The other way, for pages that are Markdown in the repository."""
    return uri.removeprefix("repository/") if uri.startswith("repository/") else f"docs/{uri}"


def links(markdown: str, path: str) -> set[str]:
    """Files of the repository outside of docs/ that a page at ``path`` links to."""
    folder = posixpath.dirname(path)
    targets = {posixpath.normpath(posixpath.join(folder, m[1])) for m in LINK.finditer(markdown)}
    return {target for target in targets if not target.startswith("docs/")}


def relink(markdown: str, path: str) -> str:
    """Links between files of the repository as links between pages of the site.

    A link whose text is the name of a file gets the title of that page instead.
    """
    folder = posixpath.dirname(path)
    here = posixpath.dirname(site_path(path)) or "."

    def link(match):
        target = posixpath.normpath(posixpath.join(folder, match[1]))
        return posixpath.relpath(site_path(target), here) + (match[2] or "")

    def named(match):
        file = ROOT / posixpath.normpath(posixpath.join(folder, match[2].partition("#")[0]))
        if file.name != match[1].rpartition("/")[2] or not file.exists():
            return match[0]
        return f"[{title(file.read_text())}]({match[2]})"

    return LINK.sub(link, re.sub(r"\[([\w/]+\.md)\]\(([^)\s]+)\)", named, markdown))


def whole_options(html: str) -> str:
    """Options in inline code, such as --data-dir, as spans that browsers do not break."""
    option = re.compile(r"(?<![^\s>])--?[a-z][\w-]*")
    parts = re.split(r"(<pre\b.*?</pre>)", html, flags=re.DOTALL)
    parts[::2] = [
        re.sub(
            r"<code>[^<]*</code>",
            lambda code: option.sub(r'<span class="whole">\g<0></span>', code[0]),
            part,
        )
        for part in parts[::2]
    ]
    return "".join(parts)


def title(markdown: str) -> str:
    return re.search(r"^# (.*)$", markdown, flags=re.MULTILINE)[1]


def repository_pages(pages: dict[str, str], listed: tuple[str, ...]) -> dict[str, str | Path]:
    """``listed`` and what pages link to outside of docs/, by place: text, or a picture's file."""
    found = {}
    waiting = set(listed).union(*(links(text, path) for path, text in pages.items()))
    while waiting:
        target = waiting.pop()
        uri, file = site_path(target), ROOT / target
        if uri in found or not file.exists():  # the build says where a link leads nowhere
            continue
        if target.endswith(PICTURES):
            found[uri] = file
        elif target.endswith(".md"):
            found[uri] = file.read_text()
            waiting |= links(found[uri], target)
        else:
            found[uri] = source_page(target, file)
    return found


def source_page(name: str, file: Path) -> str:
    if file.is_dir():
        names = sorted(entry.name for entry in file.iterdir() if not entry.name.startswith("_"))
        return f"# {name}/\n\nFiles in this folder of the repository:\n\n" + "".join(
            f"- `{entry}`\n" for entry in names
        )
    return f"# {name}\n\n```````{LANGUAGES[file.suffix]}\n{file.read_text()}\n```````\n"


def reference_pages() -> dict[str, str]:
    """A page for each group of public names, and one that lists all."""
    pages = {}
    overview = [
        "# API reference\n",
        "Every public name, in the order in which you may look for it.",
    ]
    for group in GROUPS:
        rows = [f"| [`{shown(path)}`][{path}] | {first_line(path)} |" for path in group.paths]
        table = "\n".join(["| name | what it is |", "|---|---|", *rows])
        entries = "\n\n".join(f"::: {path}" for path in group.paths)
        pages[f"reference/{group.file}.md"] = f"# {group.title}\n\n{group.about}\n\n{entries}\n"
        about = re.sub(r"\(\.\./", "(../", group.about)
        overview.append(f"## [{group.title}]({group.file}.md)\n\n{about}\n\n{table}\n")
    pages["reference/index.md"] = "\n\n".join(overview)
    return pages


def shown(path: str) -> str:
    """As a program that imports keras_slayer as ks writes it."""
    return path.replace("keras_slayer.", "ks.", 1)


def first_line(path: str) -> str:
    """First sentence of a docstring, as a cell of a table."""
    text = docstring(path).strip().split("\n\n")[0].split("::")[0]
    sentence = re.split(r"(?<=[\w)`])[.:](?:\s|$)", " ".join(text.split()))[0].rstrip(":. ")
    return re.sub(r"``([^`]+)``", r"`\1`", sentence).replace("|", "\\|") + "."


def docstring(path: str) -> str:
    """Of a public name, found by reading imports: nothing is imported here."""
    module, _, name = path.rpartition(".")
    tree = _tree(module)
    for node in tree.body:
        match node:
            case ast.ClassDef() | ast.FunctionDef() if node.name == name:
                if text := ast.get_docstring(node):  # an overload has none
                    return text
            case ast.ImportFrom() if name in {alias.name for alias in node.names}:
                return docstring(f"{node.module}.{name}")
            case ast.Assign(targets=[ast.Name(id="_HOME")]):  # names that load at first use
                home = ast.literal_eval(node.value)
                if name in home:
                    return docstring(f"{module}.{home[name]}.{name}")
            case ast.Assign(targets=[ast.Name(id=found)], value=value) if found == name:
                return (
                    f"The same as `{value.id}`." if isinstance(value, ast.Name) else "A constant."
                )
    raise LookupError(f"{module} has no name of the reference. Received: path={path!r}")


@functools.cache
def _tree(module: str) -> ast.Module:
    file = ROOT.joinpath(*module.split("."))
    return ast.parse(
        (file / "__init__.py" if file.is_dir() else file.with_suffix(".py")).read_text()
    )
