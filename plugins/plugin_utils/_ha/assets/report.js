/* Copyright (c) 2026 The Faultline team
 * GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later */

/* One view, a stretch of the run in seconds, for the timeline and all plots. Text goes into the page as text only. */
(function () {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const whole = [0, Math.max(data.length, 0.001)];
  const shortest = Math.min(1, whole[1]);
  const plots = new Map();
  let view = whole.slice();

  const $ = (query, from) => (from || document).querySelector(query);
  const all = (query, from) => Array.from((from || document).querySelectorAll(query));
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function since(seconds, step) {
    const digits = step === undefined || step < 1 ? 1 : 0;
    const tenth = Math.round(Math.abs(seconds) * 10 ** digits) / 10 ** digits;
    const minutes = Math.floor(tenth / 60);
    const rest = (tenth - 60 * minutes).toFixed(digits).padStart(digits ? 4 : 2, "0");
    return (seconds < 0 ? "-" : "") + minutes + ":" + rest;
  }

  const clock = (seconds) => new Date((data.t0 + seconds) * 1000).toISOString().slice(11, 21) + " UTC";

  function ticks(from, to, most) {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];
    const step = steps.find((each) => (to - from) / each <= most) || 604800;
    const found = [];
    for (let at = Math.ceil(from / step - 1e-9); at * step <= to && found.length < 500; at += 1) { found.push(at * step); }
    return { step, found };
  }

  /* ---- the view */

  function show(from, to) {
    let length = Math.min(Math.max(to - from, shortest), whole[1]);
    let start = Math.min(Math.max(from, 0), whole[1] - length);
    if (!Number.isFinite(start) || !Number.isFinite(length)) { return; }
    view = [start, start + length];
    const timeline = $(".timeline");
    if (timeline) {
      const zoom = whole[1] / length;
      timeline.style.setProperty("--zoom", zoom);
      timeline.style.setProperty("--shift", -100 * zoom * start / whole[1]);
      drawAxis(timeline);
      /* a phase that began before the view has its name at the view's edge */
      all(".phase", timeline).forEach((phase) => {
        phase.style.textIndent = Math.max(0, -phase.parentElement.offsetLeft - phase.offsetLeft) + "px";
      });
    }
    plots.forEach((plot) => plot.setScale("x", { min: view[0], max: view[1] }));
    const range = $("#range");
    if (range) { range.textContent = since(view[0]) + " to " + since(view[1]) + " (" + clock(view[0]) + " on)"; }
    all("button[data-from]").forEach((button) => {
      const near = (a, b) => Math.abs(a - b) < 0.01;
      button.setAttribute("aria-pressed", near(button.dataset.from, view[0]) && near(button.dataset.to, view[1]));
    });
    document.documentElement.dataset.view = view.map((each) => each.toFixed(3)).join(" ");
  }

  const zoom = (factor, at) => {
    const center = at === undefined ? (view[0] + view[1]) / 2 : at;
    show(center - (center - view[0]) * factor, center + (view[1] - center) * factor);
  };
  const shift = (share) => show(view[0] + share * (view[1] - view[0]), view[1] + share * (view[1] - view[0]));

  const keys = {
    "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), ArrowLeft: () => shift(-0.25), ArrowRight: () => shift(0.25),
    Home: () => show(...whole), "0": () => show(...whole),
  };

  function controls() {
    const actions = { in: keys["+"], out: keys["-"], left: keys.ArrowLeft, right: keys.ArrowRight };
    all("button[data-do]").forEach((button) => button.addEventListener("click", actions[button.dataset.do]));
    all("button[data-from]").forEach((button) => button.addEventListener("click", () => show(+button.dataset.from, +button.dataset.to)));
  }

  /* ---- timeline */

  function drawAxis(timeline) {
    const inner = $(".axis .inner", timeline);
    const width = inner.parentElement.clientWidth || 600;
    const told = ticks(view[0], view[1], Math.max(2, Math.floor(width / 75)));
    inner.replaceChildren(...told.found.map((at) => {
      const tick = document.createElement("span");
      tick.className = "tick";
      tick.style.left = 100 * at / whole[1] + "%";
      tick.textContent = since(at, told.step);
      return tick;
    }));
  }

  function pointing(timeline) {
    const over = $(".over.top", timeline);
    const cursor = document.createElement("div");
    const drawn = document.createElement("div");
    cursor.className = "cursor";
    drawn.className = "drawn";
    over.append(cursor, drawn);
    const place = (event) => {
      const box = over.getBoundingClientRect();
      return { x: event.clientX - box.left, width: box.width, at: view[0] + (event.clientX - box.left) / box.width * (view[1] - view[0]) };
    };
    let from = null;
    timeline.addEventListener("pointerdown", (event) => {
      const where = place(event);
      if (event.button !== 0 || where.x < 0) { return; }
      from = where;
      timeline.setPointerCapture(event.pointerId);
    });
    timeline.addEventListener("pointermove", (event) => {
      const where = place(event);
      cursor.style.display = where.x >= 0 ? "block" : "none";
      cursor.style.left = where.x + "px";
      const told = $("#at");
      if (told) { told.textContent = where.x >= 0 ? "at " + since(where.at) + " (" + clock(where.at) + ")" : ""; }
      if (from) {
        drawn.style.display = "block";
        drawn.style.left = Math.min(from.x, where.x) + "px";
        drawn.style.width = Math.abs(from.x - where.x) + "px";
      }
    });
    const done = (event) => {
      const where = place(event);
      if (from && event.type === "pointerup" && Math.abs(from.x - where.x) > 4) {
        show(Math.min(from.at, where.at), Math.max(from.at, where.at));
      }
      from = null;
      drawn.style.display = "none";
    };
    timeline.addEventListener("pointerup", done);
    timeline.addEventListener("pointercancel", done);
    timeline.addEventListener("pointerleave", () => { cursor.style.display = "none"; });
    timeline.addEventListener("dblclick", () => show(...whole));
    timeline.addEventListener("keydown", (event) => {
      if (keys[event.key] && !event.ctrlKey && !event.metaKey && !event.altKey) {
        keys[event.key]();
        event.preventDefault();
      }
    });
  }

  /* ---- plots */

  const milliseconds = (value) => value >= 1000 ? +(value / 1000).toPrecision(3) + " s" : +value.toPrecision(3) + " ms";

  function unpacked(series) {
    let at = series.x0;
    const times = series.dx.map((step) => { at += step; return at / 1000; });
    const scaled = (values) => values.map((value) => value === null ? null : value / 1000);
    const high = scaled(series.hi);
    return [times, high, series.lo ? scaled(series.lo) : high, series.bad.map((value) => value === null ? null : value / 100)];
  }

  function faultBands(plot) {
    const context = plot.ctx;
    const box = plot.bbox;
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    data.faults.forEach((fault) => {
      const a = plot.valToPos(fault.from, "x", true);
      const b = fault.to === null ? a : plot.valToPos(fault.to, "x", true);
      context.fillStyle = color("--fault");
      context.fillRect(a, box.top, Math.max(b - a, 1), box.height);
      context.fillStyle = color("--fault-edge");
      context.fillRect(a, box.top, Math.max(1, devicePixelRatio), box.height);
    });
    context.restore();
  }

  /* what is in a closed group has a size all the same */
  const drawable = (holder) => !plots.has(holder) && holder.clientWidth > 0 && !holder.closest("details:not([open])");

  function draw(holder) {
    if (!drawable(holder)) { return; }
    const series = data.series[+holder.dataset.series];
    const output = $("output", holder.closest("figure"));
    const values = unpacked(series);
    const axis = { stroke: color("--soft"), grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid"), width: 1 }, font: "11px system-ui, sans-serif" };
    const area = series.lo ? color("--plot-fill") : undefined;
    const plot = new uPlot({
      width: holder.clientWidth,
      height: 160,
      padding: [6, 0, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: "run", filters: { pub: (type) => type === "mousemove" || type === "mouseleave" } },
        drag: { x: true, y: false, setScale: false },
        points: { size: 5 },
        bind: { dblclick: () => () => { show(...whole); return null; } },
      },
      scales: { x: { time: false }, ms: { range: (_plot, _min, max) => [0, Math.max(max || 1, 0.001) * 1.08] }, bad: { range: [0, 1] } },
      bands: series.lo ? [{ series: [1, 2], fill: area }] : [],
      series: [
        {},
        { label: "slowest", scale: "ms", stroke: color("--plot"), width: 1, points: { show: false } },
        { label: "quickest", scale: "ms", stroke: series.lo ? color("--plot") : "transparent", width: series.lo ? 0.5 : 0, points: { show: false } },
        { label: "failed", scale: "bad", stroke: "transparent", fill: color("--plot-bad"), paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } },
      ],
      axes: [
        { ...axis, size: 26, space: 70, splits: (_plot, _index, min, max) => ticks(min, max, Math.max(2, Math.floor(holder.clientWidth / 80))).found,
          values: (_plot, splits) => splits.map((each) => since(each, splits.length > 1 ? splits[1] - splits[0] : 1)) },
        { ...axis, scale: "ms", size: 60, space: 28, values: (_plot, splits) => splits.map((each) => each === 0 ? "0" : milliseconds(each)) },
        { ...axis, scale: "bad", side: 1, size: 50, grid: { show: false }, splits: () => [0, 0.5, 1], values: (_plot, splits) => splits.map((each) => 100 * each + "%") },
      ],
      hooks: {
        drawClear: [faultBands],
        setSelect: [(self) => {
          const { left, width } = self.select;
          if (width < 4) { return; }
          self.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          show(self.posToVal(left, "x"), self.posToVal(left + width, "x"));
        }],
        setCursor: [(self) => {
          const index = self.cursor.idx;
          if (index === null || index === undefined) { output.textContent = ""; return; }
          const [time, high, low, bad] = self.data.map((each) => each[index]);
          let words = since(time);
          if (high !== null && high !== undefined) { words += "  " + (low !== high ? milliseconds(low) + " to " : "") + milliseconds(high); }
          if (bad) { words += "  " + Math.round(100 * bad) + "% failed"; }
          output.textContent = words;
        }],
      },
    }, values, holder);
    plots.set(holder, plot);
    plot.setScale("x", { min: view[0], max: view[1] });
    document.documentElement.dataset.plots = plots.size;
  }

  function drawAll(then) {
    const waiting = all(".plot").filter(drawable);
    const some = () => {
      waiting.splice(0, 6).forEach(draw);
      if (waiting.length) { setTimeout(some, 0); } else if (then) { then(); }
    };
    some();
  }

  function again() {
    plots.forEach((plot) => plot.destroy());
    plots.clear();
    all(".plot").forEach(draw);
  }

  function sized() {
    plots.forEach((plot, holder) => {
      if (holder.clientWidth && holder.clientWidth !== plot.width) { plot.setSize({ width: holder.clientWidth, height: 160 }); }
    });
    show(...view);
  }

  controls();
  const timeline = $(".timeline");
  if (timeline) { pointing(timeline); }
  show(...whole);
  if (data.series.length) {
    drawAll(() => { document.documentElement.dataset.ready = "yes"; });
  } else {
    document.documentElement.dataset.ready = "yes";
  }
  all("details").forEach((each) => each.addEventListener("toggle", () => drawAll()));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  let later = null;
  addEventListener("resize", () => { clearTimeout(later); later = setTimeout(sized, 100); });
  addEventListener("beforeprint", () => { all("details.printed").forEach((each) => { each.open = true; }); again(); sized(); });
  addEventListener("afterprint", () => { again(); sized(); });
})();
