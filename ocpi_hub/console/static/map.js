// A map of many places: outlines of land, and circles that stand for one place or for several. It is
// drawn on a canvas; what is in view stands below as a list with links, for whoever does not see it.
"use strict";
(() => {
  const box = document.querySelector("[data-map]");
  if (!box) return;
  const canvas = box.querySelector("canvas"), pen = canvas.getContext("2d");
  const near = document.querySelector("[data-map-near]"), said = document.querySelector("[data-map-said]");
  const words = JSON.parse(box.dataset.words);
  const GROUPS = ["available", "in_use", "out_of_order", "other"];
  const CELL = 76, SINGLE = 7, NEAR = 24, WORLD = 4096, MIN = 0.06, MAX = 400, AGAIN_MS = 60000;

  let places = [], clusters = [], level = null, outlines = null, etag = null, colours = {};
  let view = { x: 0.52, y: 0.33, scale: 1 }, asked = 0, chosen = null, waiting = 0;
  const shown = new Set(GROUPS);

  // Mercator: the world is a square of side 1.
  const worldX = (lon) => lon / 360 + 0.5;
  const worldY = (lat) => {
    const sine = Math.sin(Math.max(-85, Math.min(85, lat)) * Math.PI / 180);
    return 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI);
  };
  const width = () => canvas.clientWidth, height = () => canvas.clientHeight;
  const pixels = () => view.scale * WORLD;
  const toX = (x) => (x - view.x) * pixels() + width() / 2;
  const toY = (y) => (y - view.y) * pixels() + height() / 2;
  const main = (counts) => GROUPS.findIndex((_, n) => counts[n] > 0);
  const groupOf = (counts) => { const found = main(counts); return found < 0 ? 3 : found; };

  // Clusters: places that share a cell of the grid of this level. They are made once for each level.
  function cluster() {
    const now = Math.floor(Math.log2(pixels() / 256) * 2) / 2;
    if (now === level) return;
    level = now;
    const cells = Math.max(1, 256 * 2 ** now / CELL), found = new Map();
    for (const place of places) {
      if (!shown.has(GROUPS[place.group])) continue;
      const key = Math.floor(place.x * cells) * 67108864 + Math.floor(place.y * cells);
      let one = found.get(key);
      if (!one) found.set(key, one = { x: 0, y: 0, groups: [0, 0, 0, 0], members: [] });
      one.x += place.x; one.y += place.y;
      one.groups[place.group] += 1;
      one.members.push(place);
    }
    clusters = [...found.values()];
    for (const one of clusters) { one.x /= one.members.length; one.y /= one.members.length; }
  }

  const radius = (one) => one.members.length === 1 ? SINGLE : Math.min(26, 11 + 2 * Math.log2(one.members.length));

  function draw() {
    asked = 0;
    cluster();
    const ratio = devicePixelRatio || 1, w = width(), h = height();
    if (canvas.width !== Math.round(w * ratio) || canvas.height !== Math.round(h * ratio)) {
      canvas.width = Math.round(w * ratio);
      canvas.height = Math.round(h * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.fillStyle = colours.sea;
    pen.fillRect(0, 0, w, h);
    if (outlines) {
      const scale = ratio * view.scale;
      pen.setTransform(scale, 0, 0, scale, ratio * (w / 2 - view.x * pixels()), ratio * (h / 2 - view.y * pixels()));
      pen.fillStyle = colours.land;
      pen.fill(outlines.land);
      pen.globalAlpha = 0.6;
      pen.lineWidth = 1 / view.scale;
      pen.strokeStyle = colours.line;
      pen.stroke(outlines.land);
      pen.stroke(outlines.borders);
      pen.globalAlpha = 1;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    }
    pen.font = "600 12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    let drawn = 0, circles = 0;
    for (const one of clusters) {
      const x = toX(one.x), y = toY(one.y);
      if (x < -40 || y < -40 || x > w + 40 || y > h + 40) continue;
      drawn += one.members.length;
      circles += 1;
      if (one.members.length === 1) shape(x, y, one.members[0].group, SINGLE, one === chosen);
      else ring(x, y, one);
    }
    box.dataset.drawn = drawn;
    box.dataset.circles = circles;
    box.dataset.frames = Number(box.dataset.frames || 0) + 1;
    clearTimeout(waiting);
    waiting = setTimeout(tell, 200);
  }
  const redraw = () => { asked = asked || requestAnimationFrame(draw); };

  // A place: its colour and its shape say the same.
  function shape(x, y, group, r, marked) {
    pen.beginPath();
    if (group === 0) pen.arc(x, y, r, 0, 2 * Math.PI);
    else if (group === 1) pen.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
    else if (group === 2) { pen.moveTo(x, y - r * 1.2); pen.lineTo(x + r * 1.15, y + r * 0.9); pen.lineTo(x - r * 1.15, y + r * 0.9); pen.closePath(); }
    else { pen.moveTo(x, y - r * 1.2); pen.lineTo(x + r * 1.2, y); pen.lineTo(x, y + r * 1.2); pen.lineTo(x - r * 1.2, y); pen.closePath(); }
    pen.fillStyle = colours.groups[group];
    pen.fill();
    pen.lineWidth = marked ? 3 : 1.5;
    pen.strokeStyle = marked ? colours.text : colours.panel;
    pen.stroke();
  }

  // Several places: a ring with the share of each group, and how many they are.
  function ring(x, y, one) {
    const r = radius(one), number = one.members.length;
    pen.beginPath();
    pen.arc(x, y, r, 0, 2 * Math.PI);
    pen.fillStyle = colours.panel;
    pen.fill();
    let from = -Math.PI / 2;
    pen.lineWidth = 5;
    one.groups.forEach((count, group) => {
      if (!count) return;
      const to = from + 2 * Math.PI * count / number;
      pen.beginPath();
      pen.arc(x, y, r - 1, from, to);
      pen.strokeStyle = colours.groups[group];
      pen.stroke();
      from = to;
    });
    if (one === chosen) {
      pen.beginPath();
      pen.arc(x, y, r + 4, 0, 2 * Math.PI);
      pen.lineWidth = 2;
      pen.strokeStyle = colours.text;
      pen.stroke();
    }
    pen.fillStyle = colours.text;
    pen.fillText(number < 1000 ? number : `${(number / 1000).toFixed(number < 10000 ? 1 : 0)}k`, x, y + 0.5);
  }

  // What is in view, or what was chosen, as a list.
  function tell() {
    const w = width(), h = height();
    let found = [];
    if (chosen) found = chosen.members;
    else {
      const left = view.x - w / 2 / pixels(), right = view.x + w / 2 / pixels();
      const top = view.y - h / 2 / pixels(), bottom = view.y + h / 2 / pixels();
      for (const one of places) {
        if (one.x >= left && one.x <= right && one.y >= top && one.y <= bottom && shown.has(GROUPS[one.group])) found.push(one);
      }
    }
    const text = (chosen ? words.chosen : words.in_view).replace("{number}", found.length.toLocaleString());
    if (said.textContent !== text) said.textContent = text;
    const first = found.length > NEAR && !chosen ? [] : found.slice(0, NEAR);
    near.replaceChildren(...first.map(item));
    if (first.length < found.length) {
      const more = document.createElement("li");
      more.className = "empty";
      more.textContent = first.length ? words.more.replace("{number}", found.length - first.length) : words.closer;
      near.append(more);
    }
  }

  function item(place) {
    const li = document.createElement("li"), link = document.createElement("a"), text = document.createElement("span");
    link.href = `${box.dataset.story}/${encodeURIComponent(place.owner)}/${encodeURIComponent(place.id)}`;
    link.textContent = place.name || place.id;
    text.textContent = ` ${place.owner} ${place.id}: ` + (place.counts.map((count, n) => count ? `${count} ${words[GROUPS[n]]}` : "").filter(Boolean).join(", ") || words.none);
    li.className = `g${place.group}`;
    li.append(link, text);
    return li;
  }

  // Moving about ------------------------------------------------------------------------------------

  function moved() { chosen = null; redraw(); }
  function pan(dx, dy) {
    view.x = Math.max(0, Math.min(1, view.x - dx / pixels()));
    view.y = Math.max(0, Math.min(1, view.y - dy / pixels()));
    moved();
  }
  function zoom(factor, x = width() / 2, y = height() / 2) {
    const scale = Math.max(MIN, Math.min(MAX * 16, view.scale * factor));
    const keepX = view.x + (x - width() / 2) / pixels(), keepY = view.y + (y - height() / 2) / pixels();
    view.scale = scale;
    view.x = keepX - (x - width() / 2) / pixels();
    view.y = keepY - (y - height() / 2) / pixels();
    moved();
  }
  function fit(some) {
    if (!some.length) return;
    let left = 1, right = 0, top = 1, bottom = 0;
    for (const { x, y } of some) {
      left = Math.min(left, x); right = Math.max(right, x); top = Math.min(top, y); bottom = Math.max(bottom, y);
    }
    const across = Math.max((right - left) / Math.max(width() - 80, 50), (bottom - top) / Math.max(height() - 80, 50), 1e-9);
    view = { x: (left + right) / 2, y: (top + bottom) / 2, scale: Math.max(MIN, Math.min(MAX, 1 / across / WORLD)) };
    moved();
  }
  function hit(x, y) {
    let best = null, distance = 8;
    for (const one of clusters) {
      const away = Math.hypot(toX(one.x) - x, toY(one.y) - y) - radius(one);
      if (away < distance) { best = one; distance = away; }
    }
    return best;
  }
  function choose(one) {
    const same = one.members.every((each) => Math.abs(each.x - one.members[0].x) < 1e-8 && Math.abs(each.y - one.members[0].y) < 1e-8);
    if (one.members.length > 1 && !same && one.members.length > NEAR) { fit(one.members); return; }
    chosen = one;
    redraw();
    tell();
  }

  const fingers = new Map();
  let dragged = 0;
  const at = (event) => { const edge = canvas.getBoundingClientRect(); return { x: event.clientX - edge.left, y: event.clientY - edge.top }; };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    if (fingers.size === 1) dragged = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId), now = at(event);
    if (!before) { canvas.classList.toggle("hit", Boolean(hit(now.x, now.y))); return; }
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const was = Math.hypot(before.x - other.x, before.y - other.y), is = Math.hypot(now.x - other.x, now.y - other.y);
      if (was > 10) zoom(is / was, (now.x + other.x) / 2, (now.y + other.y) / 2);
      dragged = 100;
    } else {
      dragged += Math.hypot(now.x - before.x, now.y - before.y);
      if (dragged > 4) pan(now.x - before.x, now.y - before.y);
    }
    fingers.set(event.pointerId, now);
  });
  const lifted = (event) => {
    const known = fingers.delete(event.pointerId);
    if (!known || event.type !== "pointerup" || dragged > 4) return;
    const place = at(event), one = hit(place.x, place.y);
    if (one) choose(one); else moved();
  };
  canvas.addEventListener("pointerup", lifted);
  canvas.addEventListener("pointercancel", lifted);
  canvas.addEventListener("dblclick", (event) => { const { x, y } = at(event); zoom(2, x, y); });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = at(event);
    zoom(2 ** (-event.deltaY / (event.deltaMode ? 12 : 300)), x, y);
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? 240 : 80;
    const act = {
      ArrowLeft: () => pan(step, 0), ArrowRight: () => pan(-step, 0), ArrowUp: () => pan(0, step), ArrowDown: () => pan(0, -step),
      "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": () => fit(places),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  box.addEventListener("click", (event) => {
    const act = { in: () => zoom(1.6), out: () => zoom(1 / 1.6), all: () => fit(places) }[event.target.dataset.mapDo];
    if (act) act();
  });
  document.querySelectorAll("[data-map-group]").forEach((each) => each.addEventListener("change", () => {
    if (each.checked) shown.add(each.value); else shown.delete(each.value);
    level = null;
    moved();
  }));

  // What is drawn -----------------------------------------------------------------------------------

  function paint() {
    const style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(name).trim();
    colours = {
      sea: colour("--ground"), land: colour("--hover"), line: colour("--c5"), panel: colour("--panel"),
      text: colour("--text"), groups: ["--c0", "--c1", "--c3", "--c5"].map(colour),
    };
    redraw();
  }
  function outline(given) {
    const { scale, arcs } = given, made = { land: new Path2D(), borders: new Path2D() };
    const lines = arcs.map((flat) => {
      const line = [];
      for (let x = 0, y = 0, n = 0; n < flat.length; n += 2) {
        x += flat[n]; y += flat[n + 1];
        line.push([worldX(x * scale) * WORLD, worldY(y * scale) * WORLD]);
      }
      return line;
    });
    for (const ring of given.land) {
      let first = true;
      for (const number of ring) {
        for (const [x, y] of number < 0 ? lines[~number].slice().reverse() : lines[number]) {
          if (first) made.land.moveTo(x, y); else made.land.lineTo(x, y);
          first = false;
        }
      }
      made.land.closePath();
    }
    for (const number of given.borders) lines[number].forEach(([x, y], n) => n ? made.borders.lineTo(x, y) : made.borders.moveTo(x, y));
    return made;
  }
  async function load() {
    const answer = await fetch(box.dataset.points, { cache: "no-cache", credentials: "same-origin" });
    if (!answer.ok || !(answer.headers.get("Content-Type") || "").startsWith("application/json")) throw new Error("no points");
    if (etag !== null && etag === answer.headers.get("ETag")) return;
    const first = etag === null, rows = (await answer.json()).points;
    etag = answer.headers.get("ETag");
    places = rows.map(([owner, id, name, lat, lon, ...counts]) => ({ owner, id, name, counts, group: groupOf(counts), x: worldX(lon), y: worldY(lat) }));
    box.dataset.places = places.length;
    level = null;
    chosen = null;
    if (first && places.length) fit(places); else redraw();
  }
  const again = () => load().catch(() => { said.textContent = words.failed; });

  new ResizeObserver(redraw).observe(canvas);
  new MutationObserver(paint).observe(document.documentElement, { attributes: true, attributeFilter: ["data-scheme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  paint();
  fetch(box.dataset.outlines).then((answer) => answer.json()).then((given) => { outlines = outline(given); redraw(); }).catch(() => {});
  again();
  setInterval(() => { if (!document.hidden) again(); }, AGAIN_MS);
})();
