# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""report.html in a real browser: it draws, zooms, survives hostile names, and says nothing in the console."""

from __future__ import annotations

import subprocess

import ha_browser
import ha_recorded
import pytest
from ha_recorded import T0, cloud, injection

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _compare, _report, _report_html, _run_files

# one browser, and one that installs it
pytestmark = pytest.mark.xdist_group("chromium")

SERIES = 31


@pytest.fixture(scope="module")
def browser(root):
    subprocess.run([root / "tests" / "tools" / "chromium.sh"], check=True, timeout=600)
    with ha_browser.Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    place = tmp_path_factory.mktemp("page")
    run = ha_recorded.failover(place / "20261120-failover")
    path = place / "report.html"
    path.write_text(_report_html.render(*_report.build(_run_files.read(run), T0 + 400)), encoding="utf-8")
    return path


def view(browser):
    """What is shown, in seconds of the run."""
    return [float(each) for each in browser.run("document.documentElement.dataset.view").split()]


def inked(browser):
    """How many plots have more than their grid: pixels of the line's colour."""
    return browser.run("""Array.from(document.querySelectorAll('.plot canvas')).filter((canvas) => {
        const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
        let blue = 0;
        for (let i = 0; i < pixels.length; i += 4) { if (pixels[i + 2] > pixels[i] + 60 && pixels[i + 3] > 200) { blue += 1; } }
        return blue > 50;
    }).length""")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1400, 500])
def test_the_page_draws_everything_without_a_word_in_the_console(browser, page, width, dark):
    browser.open(page, width, 900, dark)
    assert browser.errors() == []
    assert browser.fetched() == [f"file://{page}"]
    assert browser.run("document.querySelectorAll('.row.lane').length") == SERIES
    assert browser.run("document.querySelectorAll('.over .band').length") == 5
    assert browser.run("document.querySelectorAll('.lane .down').length") > 20
    assert browser.run("document.querySelectorAll('.lane .unseen').length") == 1
    assert browser.run("Number(document.documentElement.dataset.plots)") == SERIES
    assert inked(browser) == SERIES
    # nothing is wider than the window: what is, scrolls by itself
    assert browser.run("document.documentElement.scrollWidth") == width
    assert browser.run("getComputedStyle(document.body).backgroundColor") == ("rgb(18, 22, 29)" if dark else "rgb(255, 255, 255)")


def test_an_outage_is_where_it_was(browser, page):
    browser.open(page)
    left, width, whole = browser.run("""(() => {
        const lane = document.querySelector('[data-series="api:nova via vip"] .strip');
        const bar = lane.querySelectorAll('.down')[3].getBoundingClientRect();
        const box = lane.getBoundingClientRect();
        return [bar.left - box.left, bar.width, box.width];
    })()""")
    # the fourth one: 160.3 to 164.0 s of a run that is shown from -20 to 365 s
    assert left / whole == pytest.approx((160.3 + 20) / 385, abs=0.002)
    assert width / whole == pytest.approx(3.7 / 385, abs=0.002)


def test_buttons_show_a_disruption_and_the_whole_run(browser, page):
    browser.open(page)
    assert view(browser) == [0, 385]
    browser.run("document.querySelector('button[title*=mysql]').click()")
    # 160 to 220 s, and a margin of 5 %
    assert view(browser) == pytest.approx([177, 243], abs=0.1)
    assert browser.run("document.querySelector('button[title*=mysql]').getAttribute('aria-pressed')") == "true"
    assert browser.run("document.querySelector('.axis .tick').textContent").count(":") == 1
    browser.run("document.querySelector('button[data-from=\"0\"]').click()")
    assert view(browser) == [0, 385]


def test_keys_zoom_and_move_the_timeline(browser, page):
    browser.open(page)
    browser.run("document.querySelector('.timeline').focus()")
    browser.key("+", text="+")
    assert view(browser) == pytest.approx([96.25, 288.75])
    browser.key("ArrowRight")
    assert view(browser) == pytest.approx([144.375, 336.875])
    browser.key("-", text="-")
    assert view(browser) == pytest.approx([0, 385])
    browser.key("+", text="+")
    browser.key("Home")
    assert view(browser) == [0, 385]


def test_dragging_over_the_timeline_zooms_all_plots(browser, page):
    browser.open(page)
    box = browser.run("(({left, top, width}) => [left, top, width])(document.querySelector('.over.top').getBoundingClientRect())")
    browser.run(f"scrollTo(0, {box[1]} - 100)")
    left, top, width = browser.run("(({left, top, width}) => [left, top, width])(document.querySelector('.over.top').getBoundingClientRect())")
    y = top + 40
    before = browser.run("document.querySelector('.plot canvas').toDataURL().length")
    browser.mouse(("mouseMoved", left + 0.25 * width, y), ("mousePressed", left + 0.25 * width, y), ("mouseMoved", left + 0.4 * width, y),
                  ("mouseMoved", left + 0.5 * width, y), ("mouseReleased", left + 0.5 * width, y))
    assert view(browser) == pytest.approx([0.25 * 385, 0.5 * 385], abs=1)
    browser.wait(f"document.querySelector('.plot canvas').toDataURL().length !== {before}")


def test_dragging_over_a_plot_zooms_the_timeline(browser, page):
    browser.open(page)
    browser.run("document.querySelector('.plot').scrollIntoView({block: 'center', behavior: 'instant'})")
    left, top, width, height = browser.run(
        "(({left, top, width, height}) => [left, top, width, height])(document.querySelector('.plot .u-over').getBoundingClientRect())")
    y = top + height / 2
    browser.mouse(("mouseMoved", left + 0.5 * width, y), ("mousePressed", left + 0.5 * width, y), ("mouseMoved", left + 0.6 * width, y),
                  ("mouseMoved", left + 0.75 * width, y), ("mouseReleased", left + 0.75 * width, y))
    browser.wait("document.documentElement.dataset.view !== '0.000 385.000'")
    assert view(browser) == pytest.approx([0.5 * 385, 0.75 * 385], abs=3)
    assert float(browser.run("getComputedStyle(document.querySelector('.timeline')).getPropertyValue('--zoom')")) == pytest.approx(4, abs=0.2)
    assert browser.errors() == []


def test_hovering_over_a_plot_tells_time_and_duration(browser, page):
    browser.open(page)
    browser.run("document.querySelector('.plot').scrollIntoView({block: 'center', behavior: 'instant'})")
    left, top, width, height = browser.run(
        "(({left, top, width, height}) => [left, top, width, height])(document.querySelector('.plot .u-over').getBoundingClientRect())")
    browser.mouse(("mouseMoved", left + 0.2 * width, top + height / 2), ("mouseMoved", left + 0.21 * width, top + height / 2))
    browser.wait("document.querySelector('figure output').textContent !== ''")
    said = browser.run("document.querySelector('figure output').textContent")
    assert said.startswith("1:") and said.endswith(" ms")


def test_groups_of_a_great_run_are_drawn_when_they_are_opened(browser, tmp_path):
    place = ha_recorded.simple(tmp_path / "run")
    series = {f"u{number}": ({"group": "host"}, ha_recorded.probes(T0, T0 + 150, 1.0, seed=number)) for number in range(60)}
    ha_recorded.write_samples(place / "samples" / "units@ctl1.jsonl", "units", series, period=1.0, host="ctl1", end=T0 + 150)
    path = tmp_path / "report.html"
    path.write_text(_report_html.render(*_report.build(_run_files.read(place), T0)))
    browser.open(path)
    assert browser.run("Number(document.documentElement.dataset.plots)") == 1
    browser.run("document.querySelectorAll('#plots details')[1].open = true")
    browser.wait("Number(document.documentElement.dataset.plots) === 61")


def test_hostile_names_do_nothing(browser, tmp_path):
    evil = '"><img src=x onerror="window.hit=1"><script>window.hit=1</script></script><script>window.hit=1</script>'
    place = ha_recorded.simple(
        tmp_path / "run", injections=[injection("d1.1", "d1", T0 + 40, host=evil, failure=evil)], after=cloud(residue=[evil]))
    ha_recorded.write(place, "run.json", ha_recorded.head(name=evil, id=evil, scenario={"name": evil, "pass": []}))
    samples = ha_recorded.probes(T0, T0 + 150, down=[(T0 + 40, T0 + 44)], error=evil)
    ha_recorded.write_samples(place / "samples" / "evil.jsonl", "evil", {evil: ({"group": evil}, samples)}, end=T0 + 150)
    report, tracks = _report.build(_run_files.read(place), T0)
    path = tmp_path / "report.html"
    path.write_text(_report_html.render(report, tracks))
    browser.open(path)
    assert browser.run("document.querySelector('h1').textContent") == evil
    assert browser.run("typeof window.hit") == "undefined"
    assert browser.errors() == []
    assert browser.fetched() == [f"file://{path}"]
    path.write_text(_report_html.render_comparison(_compare.compare(report, report)))
    browser.open(path)
    assert browser.run("typeof window.hit") == "undefined"
    assert evil in browser.run("document.querySelector('h1').textContent")


def test_a_run_without_samples_has_a_page_that_says_so(browser, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    path = tmp_path / "report.html"
    path.write_text(_report_html.render(*_report.build(_run_files.read(tmp_path), T0)))
    browser.open(path)
    assert browser.errors() == []
    assert "There are no samples." in browser.run("document.body.innerText")


def test_the_timeline_is_there_without_scripts(browser, page, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(page.read_text(encoding="utf-8").replace("'sha256-", "'sha256-0"), encoding="utf-8")
    browser.ask("Page.navigate", url=f"file://{path}")
    browser.wait(f"document.URL === 'file://{path}' && document.readyState === 'complete'")
    assert browser.run("document.querySelector('.lane .down').getBoundingClientRect().width") >= 2
    assert browser.run("document.documentElement.dataset.view") is None


def test_the_page_prints(browser, page, tmp_path):
    browser.open(page, dark=True)
    browser.printed(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert browser.errors() == []
