"""Write resources/fonts: DejaVu Sans, regular and bold, with the letters that captions need.

    python tools/make_fonts.py FOLDER

FOLDER holds DejaVuSans.ttf and DejaVuSans-Bold.ttf, version 2.37. Kept are the letters of Europe,
Greek and Cyrillic, punctuation, arrows and mathematics: what a picture, a film or a PDF says of a
run, the same on every system.
"""

from __future__ import annotations

import sys
from pathlib import Path

from fontTools import subset

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import resources

KEPT = (
    (0x20, 0x24F),  # Latin
    (0x2B0, 0x36F),  # modifiers and combining marks: ρ̂ has one
    (0x370, 0x3FF),  # Greek
    (0x400, 0x45F),  # Cyrillic
    (0x2010, 0x205E),  # punctuation
    (0x2070, 0x209C),  # raised and lowered digits
    (0x20AC, 0x20AC),
    (0x2100, 0x214F),  # letter-like
    (0x2190, 0x21FF),  # arrows
    (0x2200, 0x22FF),  # mathematics
    (0x25A0, 0x25FF),  # shapes
)


def main(folder: Path) -> None:
    target = Path(resources.__file__).with_name("fonts")
    target.mkdir(exist_ok=True)
    letters = [code for first, last in KEPT for code in range(first, last + 1)]
    for name in ("DejaVuSans.ttf", "DejaVuSans-Bold.ttf"):
        options = subset.Options(hinting=False, name_IDs=["*"], recalc_timestamp=False)
        font = subset.load_font(str(folder / name), options)
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=letters)
        cutter.subset(font)
        subset.save_font(font, str(target / name), options)
        print(f"{name}: {(target / name).stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
