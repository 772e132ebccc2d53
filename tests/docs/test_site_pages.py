"""The site: its navigation, its pages of the repository, and who makes its pictures."""

import importlib.util
import pathlib
import re
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "docs" / "site"))
import pages
import reference

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"

# Mentioned in mkdocs.yml; shown as soon as the file is there.
OPTIONAL = {"install.md", "scale.md", "serving.md", "endurance.md", "papers.md"}
GUIDE = (
    "First network",
    "Your own camera",
    "Time and delays",
    "Choosing neurons and constants",
    "Deep networks",
    "Speech",
    "To the chip",
    "Live",
    "GPU",
    "Scale",
    "Troubleshooting",
    "Glossary",
    "Coming from",
    "How it works",
    "Benchmarks",
    "Citation",
)


def navigation() -> list[str]:
    text = (ROOT / "mkdocs.yml").read_text()
    part = text[text.index("\nnav:") : text.index("\nexclude_docs:")]
    return re.findall(r"([\w/]+\.md)$", part, flags=re.MULTILINE)


def test_every_page_is_in_the_navigation():
    listed = navigation()
    assert len(listed) == len(set(listed))
    written = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    made = {f"reference/{group.file}.md" for group in reference.GROUPS} | {"reference/index.md"}
    repository = {uri for uri in listed if uri.startswith("repository/")}
    assert set(listed) - repository - (OPTIONAL - written) == written | made
    for uri in repository:
        assert (ROOT / pages.repository_path(uri)).exists()


def test_the_guide_is_in_its_order():
    text = (ROOT / "mkdocs.yml").read_text()
    places = [text.index(f"      - {title}:") for title in GUIDE]
    assert places == sorted(places)


def test_optional_pages_are_those_of_the_hook():
    text = (DOCS / "site" / "hooks.py").read_text()
    assert set(re.findall(r"\"(\w+\.md)\"", text.split("OPTIONAL = ")[1].split("}")[0])) == OPTIONAL


def test_a_broken_link_fails_the_build():
    """MkDocs counts no warnings with --quiet, so that --strict would let everything pass."""
    (command,) = re.findall(r"mkdocs build (.*)", (ROOT / "Makefile").read_text())
    assert "--strict" in command and "--quiet" not in command
    checks = (ROOT / "mkdocs.yml").read_text().split("\nvalidation:\n")[1]
    assert {"  not_found: warn", "  anchors: warn"} <= set(checks.splitlines())


def test_links_lead_to_pages_of_the_site():
    text = "[a](../x.md#b) [c](../../examples/d.py) [e](f.md) ![g](../images/h.png) [i](#j)"
    assert pages.relink(text, "docs/notebooks/k.md") == (
        "[a](../x.md#b) [c](../repository/examples/d.py.md) [e](f.md) ![g](../images/h.png) [i](#j)"
    )
    assert pages.relink("[a](../docs/b.md)", "benchmarks/R.md") == "[a](../../b.md)"
    named = pages.relink("([gpu.md](gpu.md#a), [absent.md](absent.md))", "docs/k.md")
    assert named == "([GPU](gpu.md#a), [absent.md](absent.md))"


def test_pages_outside_of_docs_are_found():
    found = pages.repository_pages({"docs/a.md": "[x](../examples/delays.py)"}, ("CHANGELOG.md",))
    assert "import keras" in found["repository/examples/delays.py.md"]
    assert found["repository/CHANGELOG.md"].startswith("# ")
    assert not pages.repository_pages({"docs/a.md": "[x](../absent.py)"}, ())


def test_all_that_the_guide_links_to_becomes_a_page():
    guide = {f"docs/{file.relative_to(DOCS)}": file.read_text() for file in DOCS.rglob("*.md")}
    found = pages.repository_pages(guide, ("CHANGELOG.md", "CONTRIBUTING.md"))
    assert "repository/examples/cpp/run_saved_model.cc.md" in found
    linked = set().union(*(pages.links(text, path) for path, text in guide.items()))
    assert {pages.site_path(target) for target in linked if (ROOT / target).exists()} <= set(found)


def test_options_in_lines_are_kept_whole():
    html = "<p>as <code>a.py --data-dir x-y -n 1</code></p><pre><code>a --b</code></pre>"
    assert pages.whole_options(html) == (
        '<p>as <code>a.py <span class="whole">--data-dir</span> x-y <span class="whole">-n</span> '
        "1</code></p><pre><code>a --b</code></pre>"
    )


def shown_pictures() -> list[pathlib.Path]:
    return [p for p in (DOCS / "images").rglob("*") if p.suffix in (*pages.PICTURES, ".webp")]


def makers() -> dict:
    folder = DOCS / "images"
    spec = importlib.util.spec_from_file_location("pictures_of_docs", folder / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PICTURES


def test_a_script_makes_each_picture():
    """Those of docs/images by pictures.py; those of its folder are what visualization.md draws."""
    by_page = (DOCS / "visualization.md").read_text()
    named = set()
    for picture in shown_pictures():
        if picture.parent.name == "visualization":
            assert f'"{picture.name}"' in by_page, picture.name
        else:
            assert picture.name in makers(), f"{picture.name} is not in docs/images/pictures.py"
            named.add(picture.name)
    assert named == set(makers())


@pytest.mark.parametrize("name", sorted(makers()))
def test_the_script_writes_that_file(name):
    made = makers()[name]
    script, *options = made.command.split()
    sources = [ROOT / script, *(ROOT / "benchmarks").glob("defaults_report.py")]
    text = "".join(path.read_text() for path in sources)
    assert f'"{made.file}"' in text
    assert all(f'"{option}"' in text for option in options if option.startswith("--"))
    page = (ROOT / made.page).read_text()
    assert f"images/{name})" in page
    assert script in page or script == "examples/dvs_gesture.py"
