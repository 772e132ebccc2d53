"""What the build of the site does besides MkDocs: see mkdocs.yml."""

import sys
from pathlib import Path

from mkdocs.structure.files import File

sys.path.insert(0, str(Path(__file__).parent))
import docstring_text
import equations
import notebooks
import pages
import reference

# Pages of the repository outside of docs/ that the navigation lists.
IN_NAVIGATION = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/RESULTS.md")
# Pages that the navigation lists and that need not be there.
OPTIONAL = {"install.md", "scale.md", "serving.md", "endurance.md", "papers.md"}


def on_config(config):
    docs = Path(config.docs_dir)
    absent = {name for name in OPTIONAL if not (docs / name).exists()}
    config.nav = without(config.nav, absent)
    config.watch.append(str(pages.PACKAGE))
    return config


def without(nav, absent: set[str]):
    """The navigation without some pages, and without the headings that had only these."""
    if isinstance(nav, str):
        return None if nav in absent else nav
    if isinstance(nav, dict):
        kept = {title: without(part, absent) for title, part in nav.items()}
        return {title: part for title, part in kept.items() if part} or None
    return [part for part in (without(part, absent) for part in nav) if part]


def on_files(files, config):
    generated = {f"{name}.md": text for name, text in notebooks.rendered().items()}
    for uri, file in notebooks.pictures().items():
        files.append(File.generated(config, uri, abs_src_path=str(file)))
    generated |= pages.reference_pages()
    own = {f"docs/{file.src_uri}": file.content_string for file in files.documentation_pages()}
    generated |= pages.repository_pages(own, IN_NAVIGATION)
    for uri, content in generated.items():
        if uri in files.src_uris:
            files.remove(files.src_uris[uri])
        if isinstance(content, Path):
            files.append(File.generated(config, uri, abs_src_path=str(content)))
        else:
            files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown, page, config, files):
    uri = page.file.src_uri
    if not uri.startswith("reference/"):
        markdown = pages.relink(markdown, pages.repository_path(uri))
    if not uri.startswith(("reference/", "repository/")):
        markdown = docstring_text.linked(markdown, reference.LINKS, once=True)
    return equations.inline(markdown)


def on_page_content(html, page, config, files):
    return pages.whole_options(html)
