"""Makes the pictures of docs/visualization.md anew, by running the code of that page.

python docs/images/visualization.py
"""

import os
import pathlib
import re
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from PIL import Image

PAGE = pathlib.Path(__file__).parents[1] / "visualization.md"
FOLDER = pathlib.Path(__file__).with_suffix("")
COLOURS = 128
WIDEST = 1400  # pixels


def main():
    text = PAGE.read_text()
    wanted = set(re.findall(r"\(images/visualization/([\w.]+)\)", text))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        # As tests/test_documentation.py runs it.
        keras.utils.set_random_seed(0)
        namespace = {}
        for block in re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL):
            exec(compile(block, str(PAGE), "exec"), namespace)
        FOLDER.mkdir(exist_ok=True)
        for name in sorted(wanted):
            if name.endswith(".png"):
                shrink(pathlib.Path(name), FOLDER / name)
            else:
                (FOLDER / name).write_bytes(pathlib.Path(name).read_bytes())
    for file in FOLDER.iterdir():
        if file.name not in wanted:
            file.unlink()
    sizes = {file.name: file.stat().st_size for file in sorted(FOLDER.iterdir())}
    print(*(f"{size:9,} {name}" for name, size in sizes.items()), sep="\n")
    print(f"{sum(sizes.values()):9,} bytes")
    answers = namespace["outputs"].sum(axis=1).argmax(axis=1)
    accuracy = np.mean(answers == namespace["test_labels"])
    print(f"test accuracy {accuracy:.1%}")


def shrink(source: pathlib.Path, target: pathlib.Path):
    """A PNG with fewer pixels and colours, which a page shows as well."""
    with Image.open(source) as image:
        picture = image.convert("RGB")
    if picture.width > WIDEST:
        height = round(picture.height * WIDEST / picture.width)
        picture = picture.resize((WIDEST, height), Image.Resampling.LANCZOS)
    picture = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(target, optimize=True)


if __name__ == "__main__":
    main()
