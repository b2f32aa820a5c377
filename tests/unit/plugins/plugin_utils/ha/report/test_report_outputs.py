# Copyright (c) 2026 The Faultline team
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the report is written as: a page, JUnit XML, a Prometheus textfile, documented JSON."""

from __future__ import annotations

import html.parser
import json
import re
from xml.etree import ElementTree

import ha_recorded
import pytest
from ha_recorded import T0, cloud, injection

from ansible_collections.faultline.openstack.plugins.plugin_utils._ha import _junit, _prometheus, _report, _report_html, _run_files

EVIL = '<script>alert("x")</script><img src=x onerror=alert(1)>\'"&</title></style>\x00\x1b[31m\u2028]]>'


@pytest.fixture
def evil(tmp_path):
    """A run in which every text that comes from outside is an attack."""
    told = [injection("d1.1", EVIL, T0 + 40, host=EVIL, failure=EVIL, residue=[EVIL], proof={EVIL: EVIL},
                      checks=[{"kind": EVIL, "ok": False, "after": None, "error": EVIL}])]
    passing = [{"name": EVIL, "metric": "downtime", "of": [EVIL, "*"], "disruption": "*", "at_most": 1}]
    phases = [*ha_recorded.head()["phases"], {"name": EVIL, "start": T0 + 160, "end": T0 + 170}]
    place = ha_recorded.simple(
        tmp_path / "run", injections=told, after=cloud(errors=[{"what": EVIL, "why": EVIL}], servers=[{"id": EVIL, "name": EVIL, "status": EVIL}]))
    scenario = {"name": EVIL, EVIL: EVIL, "monitors": [{"name": EVIL}], "pass": passing}
    ha_recorded.write(place, "run.json", ha_recorded.head(
        id=EVIL, name=EVIL, seed=EVIL, state=EVIL, aborted={"reason": EVIL}, scenario=scenario, environment={EVIL: {EVIL: EVIL}}, phases=phases))
    samples = ha_recorded.probes(T0, T0 + 150, down=[(T0 + 40, T0 + 44)], error=EVIL)
    ha_recorded.write_samples(
        place / "samples" / "evil.jsonl", EVIL, {EVIL: ({"group": EVIL, "subject": EVIL, "via": EVIL}, samples)}, host=EVIL, end=T0 + 150)
    ha_recorded.write_samples(place / "load" / "evil.disrupted.jsonl", EVIL, {EVIL: ({"group": "load"}, samples)}, kind="load", end=T0 + 150)
    (place / "events.jsonl").write_text(json.dumps({"at": T0, "phase": EVIL, "kind": EVIL, "text": EVIL, "subject": EVIL}) + "\n")
    return _report.build(_run_files.read(place), T0)


class Page(html.parser.HTMLParser):
    """A page as its elements and what is in its scripts."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.scripts, self.words, self.open = [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "img", "input", "br", "hr"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> ends what it did not begin"

    def handle_data(self, data):
        if self.open and self.open[-1] in ("script", "style"):
            self.scripts.append(data)
        else:
            self.words.append(data)

    def tags(self, name):
        return [attributes for tag, attributes in self.elements if tag == name]


# -- the page


def test_the_page_is_well_formed_and_has_a_title_and_headings(built):
    page = Page(_report_html.render(*built))
    assert page.open == []
    assert page.tags("html") == [{"lang": "en"}]
    assert "controller-failover: passed" in page.words
    assert len(page.tags("h1")) == 1
    assert [attributes["id"] for attributes in page.tags("section")] == [
        "criteria", "timeline", "plots", "metrics", "injections", "load", "correctness", "environment", "scenario", "events"]
    ids = [attributes["id"] for _tag, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    targets = {attributes["href"].removeprefix("#") for attributes in page.tags("a")}
    assert targets <= set(ids)


def test_the_page_has_a_lane_and_a_plot_for_each_series(built):
    page = Page(_report_html.render(*built))
    lanes = [attributes["data-series"] for tag, attributes in page.elements if attributes.get("class") == "row lane"]
    assert lanes == [series["key"] for series in built[0]["series"]]
    assert len([1 for _tag, attributes in page.elements if attributes.get("class") == "plot"]) == len(lanes)
    bands = [attributes for _tag, attributes in page.elements if attributes.get("class") == "band" and "style" in attributes]
    # three rounds of the first disruption, one of each other
    assert len(bands) == 5


@pytest.mark.parametrize("which", ["built", "evil"])
def test_the_page_fetches_nothing(which, request):
    page = Page(_report_html.render(*request.getfixturevalue(which)))
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "data", "action", "poster", "background", "formaction"):
            assert name not in attributes, (tag, attributes)
        assert attributes.get("href", "#").startswith(("#", "data:")), (tag, attributes)
    styles_and_scripts = "".join(page.scripts[:1] + page.scripts[2:])
    assert "@import" not in styles_and_scripts and "url(" not in styles_and_scripts
    assert "https://" not in styles_and_scripts and "http://" not in styles_and_scripts


def test_the_page_lets_no_other_script_run(built):
    text = _report_html.render(*built)
    (policy,) = [attributes["content"] for attributes in Page(text).tags("meta") if attributes.get("http-equiv")]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_what_comes_from_outside_is_inert_on_the_page(evil):
    text = _report_html.render(*evil)
    page = Page(text)
    assert page.open == []
    # the data, uPlot and our own
    assert [attributes.get("type") for attributes in page.tags("script")] == ["application/json", None, None]
    assert len(page.tags("img")) == 0
    assert len(page.tags("style")) == len(page.tags("title")) == 1
    assert not [name for _tag, attributes in page.elements for name in attributes if name.startswith("on")]
    assert EVIL.replace("\x00", "\ufffd").partition("<img")[0] in "".join(page.words)
    json.loads(page.scripts[1])


def test_a_name_cannot_end_the_embedded_data():
    assert "<" not in _report_html._embedded({"</script>": "<!--"})
    assert json.loads(_report_html._embedded({"</script>": "<!-- & \u2028"})) == {"</script>": "<!-- & \u2028"}


def test_a_style_holds_numbers_only(evil):
    for _tag, attributes in Page(_report_html.render(*evil)).elements:
        assert re.fullmatch(r"(left:-?[\d.]+%)?(;width:[\d.]+%)?", attributes.get("style", ""))


def test_a_big_run_stays_light(tmp_path):
    """Twenty-five minutes of 12 series at five a second, with an outage of one probe and a slow one."""
    series = {}
    for number in range(12):
        samples = ha_recorded.probes(T0, T0 + 1500, down=[(T0 + 1000, T0 + 1000.3)], slow=[(T0 + 1200, T0 + 1200.3, 40.0)], seed=number)
        series[f"s{number}"] = ({"group": "api"}, samples)
    path = tmp_path / "run" / "samples" / "api.jsonl"
    ha_recorded.write_samples(path, "api", series, end=T0 + 1500)
    (path.parent.parent / "run.json").write_text("{}")
    report, tracks = _report.build(_run_files.read(tmp_path / "run"), T0)
    assert len(_report_html.render(report, tracks)) < 2_500_000
    points = _report_html.plotted(tracks[0], T0, 1500.0, 1500)
    assert len(points["dx"]) <= 1502
    # no extreme is lost
    assert max(value for value in points["hi"] if value) == pytest.approx(1e6 * max(sample.duration for sample in tracks[0].samples), abs=1)
    assert max(value for value in points["bad"] if value is not None) > 0


def test_points_of_a_small_run_are_its_samples(tmp_path):
    place = ha_recorded.simple(tmp_path / "run", down=[(40.0, 41.0)], skipped=[(60.0, 65.0)])
    _told, (track,) = _report.build(_run_files.read(place), T0)
    points = _report_html.plotted(track, T0, 150.0, 4000)
    # one more where the line breaks, and one at the end
    assert len(points["dx"]) == len(track.samples) + 2
    assert points["lo"] is None
    assert points["bad"].count(100) == 5 and points["bad"].count(None) == 2
    assert sum(points["dx"]) == pytest.approx(150_000, abs=2)


def test_an_empty_run_has_a_page(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    page = Page(_report_html.render(*_report.build(_run_files.read(tmp_path), T0)))
    assert "There are no samples." in page.words


# -- JUnit


def test_every_criterion_is_a_case(built):
    report = built[0]
    root = ElementTree.fromstring(_junit.render(report))
    (suite,) = root
    assert (root.tag, suite.get("name"), suite.get("tests")) == ("testsuites", "controller-failover", "6")
    assert [case.get("name") for case in suite.iter("testcase")] == [each["name"] for each in report["criteria"]]
    assert not list(suite.iter("failure")) and not list(suite.iter("error"))


def test_failed_is_a_failure_and_not_evaluated_an_error(tmp_path):
    place = ha_recorded.simple(tmp_path / "run", passing=[
        {"name": "a", "metric": "downtime", "at_most": 1}, {"name": "b", "metric": "nothing", "at_most": 1}, {"name": "c", "metric": "downtime", "at_most": 9}])
    root = ElementTree.fromstring(_junit.render(_report.build(_run_files.read(place), T0)[0]))
    cases = {case.get("name"): [child.tag for child in case] for case in root.iter("testcase")}
    assert (cases["a"], cases["b"], cases["c"]) == (["failure"], ["error"], ["system-out"])
    assert (root.get("failures"), root.get("errors"), root.get("tests")) == ("1", "1", "5")
    assert root.find(".//failure").get("message").startswith("api:nova via vip: 4.00 s")
    assert "limit: at most 1 s" in root.find(".//failure").text


def test_junit_stays_xml_whatever_the_names_are(evil):
    text = _junit.render(evil[0])
    root = ElementTree.fromstring(text)
    assert root[0].get("name") == EVIL.replace("\x00", "\ufffd").replace("\x1b", "\ufffd")
    assert "\x00" not in text and "\x1b" not in text


# -- Prometheus

_SAMPLE = re.compile(
    r'^(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\{(?P<labels>([a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\["\\n])*",?)*)\} (?P<value>[-+]?[0-9.]+(e[-+]?[0-9]+)?)$')


def exposed(text):
    """{(name, labels): value} of a textfile that is checked line by line: a family has HELP, TYPE and then all its samples, once."""
    assert text.endswith("\n")
    found, families, current = {}, set(), None
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert current not in families
            families.add(current)
        elif line.startswith("# TYPE "):
            assert line == f"# TYPE {current} gauge"
        else:
            match = _SAMPLE.match(line)
            assert match, line
            assert match["name"] == current
            assert (match["name"], match["labels"]) not in found
            found[match["name"], match["labels"]] = float(match["value"])
    return found


def test_the_textfile_has_the_figures(built):
    found = exposed(_prometheus.render(built[0]))
    labels = 'scenario="controller-failover",series="api:nova via vip",group="api",subject="nova",via="vip",host="",window="d2"'
    assert found["faultline_ha_downtime_seconds", labels] == pytest.approx(3.6, abs=0.01)
    assert found["faultline_ha_availability_ratio", labels] == pytest.approx(0.94, abs=0.001)
    assert found["faultline_ha_passed", 'scenario="controller-failover",run="20261120-failover"'] == 1
    assert found["faultline_ha_criteria", 'scenario="controller-failover",state="passed"'] == 6
    spread = 'scenario="controller-failover",disruption="d3",name="disconnect management network on ctl1 and ctl3 nodes for 20 seconds"'
    assert 0 < found["faultline_ha_injection_spread_seconds", spread] < 0.01


def test_the_textfile_escapes_names(evil):
    found = exposed(_prometheus.render(evil[0]))
    assert any('\\"x\\"' in labels for _name, labels in found)


def test_what_nobody_knows_has_no_sample(tmp_path):
    place = ha_recorded.simple(tmp_path / "run", end=35.0, down=[])
    text = _prometheus.render(_report.build(_run_files.read(place), T0)[0])
    assert not [line for line in text.splitlines() if line.startswith("faultline_ha_downtime_seconds") and 'window="d1"' in line]
    assert "nan" not in text.lower() and "None" not in text
    assert "faultline_ha_not_sampled_seconds" in text


# -- JSON


def test_every_key_of_the_report_is_documented(built, root):
    documented = set(re.findall(r"`([a-z0-9_]+)`", (root / "docs" / "ha-report.md").read_text(encoding="utf-8")))
    # the user's own, and dictionaries by phase and by window
    foreign, mapped = {"environment", "scenario", "proof", "args"}, {"phases", "metrics"}

    def keys(value, inside=None):
        if isinstance(value, dict):
            for key, each in value.items():
                if inside not in mapped:
                    yield key
                if key not in foreign:
                    yield from keys(each, key)
        elif isinstance(value, list):
            for each in value:
                yield from keys(each, inside)

    assert set(keys(built[0])) - documented == set()


def test_the_summary_says_what_a_person_wants_to_know_first(built):
    lines = built[0]["summary"]
    assert lines[0] == "controller-failover (20261120-failover): PASSED: 6 criteria passed, 0 failed, 0 not evaluated"
    assert "  passed: Nova answers through the VIP (at least 90 %): api:nova via vip: 93.500 %" in lines
    assert any(line.startswith("d2 terminate mysql service on ctl2 node for 15 seconds: api:nova via vip was down for 3.60 s (3.40 to 3.80)") for line in lines)
