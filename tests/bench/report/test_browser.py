"""The page in a real browser, headless Chromium: it renders, sorts, fits a phone, turns dark. Its screenshots are kept.

A page of the test's own frames the report in several sizes and views and writes down what it measures there, so that
no driver of browsers is needed: `--dump-dom` prints it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from bench.host.locations import PROJECT_ROOT
from bench.report.page import chapters, html
from bench.report.sources import read_runs
from tests.bench.report.runs import failed_record, make_run

SCREENSHOTS = PROJECT_ROOT / "results/screenshots"  # not tracked; CI uploads it
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in BROWSERS if (path := shutil.which(name))), None)
PHONE = 360  # CSS pixels
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
    "--enable-logging=stderr", "--allow-file-access-from-files", "--virtual-time-budget=8000",
)  # fmt: skip
VIEWS = {
    "phone": (PHONE, "?theme=light"),
    "sorted": (1280, "?theme=light#sort=comparison:4"),
    "reversed": (1280, "?theme=dark#sort=comparison:4:down"),
    "unknown": (1280, "#sort=nothing:99"),
}
MEASURE = """<!DOCTYPE html><pre id="measured"></pre>%s<script>
addEventListener("load", () => {
  const found = {};
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, view = frame.contentWindow;
    const table = page.getElementById("comparison");
    const clicked = page.getElementById("speedup").tHead.rows[0].cells[3];
    clicked.firstChild.click();
    clicked.firstChild.click();
    const theme = page.getElementById("theme");
    const ground = view.getComputedStyle(page.body).backgroundColor;
    theme.click();
    found[frame.id] = {
      wide: page.documentElement.scrollWidth,
      inner: view.innerWidth,
      order: [...table.tBodies[0].rows].map((row) => row.cells[0].textContent + row.cells[2].textContent),
      sorted: [...table.tHead.rows[0].cells].map((cell) => cell.getAttribute("aria-sort")),
      clicked: clicked.getAttribute("aria-sort"),
      address: view.location.hash,
      switch: theme.hidden,
      ground: ground,
      next: theme.textContent,
      pictures: [...page.querySelectorAll("svg")].map((svg) => Math.round(svg.getBoundingClientRect().height)),
      boxes: [...page.querySelectorAll(".scroll")].every((box) => box.getBoundingClientRect().right <= view.innerWidth),
    };
  }
  document.getElementById("measured").textContent = JSON.stringify(found);
});
</script>"""

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser: none of {', '.join(BROWSERS)} is installed")


def browse(page: Path, profile: Path, *options: str) -> tuple[str, str]:
    """Open a page, and return what Chromium prints and logs."""
    assert BROWSER is not None
    command = [BROWSER, *FLAGS, f"--user-data-dir={profile}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


def complaints(log: str) -> list[str]:
    """What the page wrote to the browser's console: errors, refusals of its policy."""
    return [line for line in log.splitlines() if "CONSOLE" in line]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with known answers, one failed cell among them."""
    folder = tmp_path_factory.mktemp("report")
    run = make_run(folder / "run", failed_record("out of memory " * 10))
    (folder / "report.html").write_text(html(chapters(read_runs([run]))), encoding="utf-8")
    return folder / "report.html"


@pytest.fixture(scope="module")
def measured(report: Path) -> dict[str, Any]:
    """What the browser saw in each of VIEWS; the console stayed empty."""
    frames = "".join(
        f'<iframe id="{name}" width="{width}" height="800" src="report.html{view}"></iframe>'
        for name, (width, view) in VIEWS.items()
    )
    page = report.with_name("measure.html")
    page.write_text(MEASURE % frames)
    out, log = browse(page, report.with_name("profile"), "--dump-dom")
    assert complaints(log) == []
    found = re.search(r'<pre id="measured">(.+?)</pre>', out)
    assert found, out[:2000]
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_nothing_scrolls_sideways_on_a_phone_but_tables_in_their_boxes(measured: dict[str, Any]) -> None:
    phone = measured["phone"]
    assert phone["inner"] == PHONE
    assert phone["wide"] <= PHONE
    assert phone["boxes"]
    assert len(phone["pictures"]) == 4
    assert all(100 < height < 1000 for height in phone["pictures"])


def test_an_address_names_a_sorted_view_and_a_click_sorts(measured: dict[str, Any]) -> None:
    ascending = ["TensorFlow1", "PyTorch1", "TensorFlow2", "PyTorch2", "TensorFlow4"]  # 80, 100, 120, 180, none
    assert measured["sorted"]["order"] == ascending
    assert measured["sorted"]["sorted"][3] == "ascending"
    assert measured["reversed"]["order"] == [*ascending[3::-1], "TensorFlow4"], "what has no value stays last"
    assert measured["phone"]["order"] == ["PyTorch1", "PyTorch2", "TensorFlow1", "TensorFlow2", "TensorFlow4"]
    assert measured["unknown"]["order"] == measured["phone"]["order"]
    for view in measured.values():
        assert view["clicked"] == "descending"
        assert view["address"] == "#sort=speedup:4:down"


def test_light_and_dark_are_chosen_by_the_address_and_the_switch(measured: dict[str, Any]) -> None:
    def lightness(view: str) -> float:
        return sum(map(int, re.findall(r"\d+", measured[view]["ground"])[:3])) / 3 / 255

    assert lightness("sorted") > 0.9
    assert lightness("reversed") < 0.15
    assert not measured["sorted"]["switch"], "the switch is there"
    assert (measured["sorted"]["next"], measured["reversed"]["next"]) == ("Theme: dark", "Theme: as the system")


@pytest.mark.parametrize(
    ("name", "size", "frame"),
    [
        ("desktop-light", "1280,3000", '<iframe width="1280" height="3000" src="report.html?theme=light"></iframe>'),
        ("desktop-dark", "1280,3000", '<iframe width="1280" height="3000" src="report.html?theme=dark"></iframe>'),
        ("phone", "520,2400", f'<iframe width="{PHONE}" height="2400" src="report.html?theme=light"></iframe>'),
    ],
    ids=["desktop-light", "desktop-dark", "phone"],
)
def test_screenshots_are_kept(report: Path, name: str, size: str, frame: str) -> None:
    from PIL import Image

    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    target = SCREENSHOTS / f"report-{name}.png"
    target.unlink(missing_ok=True)
    page = report.with_name(f"{name}.html")
    page.write_text(f"<!DOCTYPE html><style>body{{margin:0}}iframe{{border:0}}</style>{frame}")
    _, log = browse(page, report.with_name("profile"), f"--window-size={size}", f"--screenshot={target}")
    assert complaints(log) == []
    with Image.open(target) as image:
        assert image.size == tuple(map(int, size.split(",")))
        assert len(image.convert("RGB").resize((64, 150)).getcolors(64 * 150) or []) > 100, "the page is drawn"
