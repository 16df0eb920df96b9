"""The page that plays an animation: style sheet and script, in the words of the browser.

Longer than other files: it is one script, which is read in one go.  It reads the JSON beside it, draws on one canvas,
and asks nothing of the network.
"""

from __future__ import annotations

__all__: list[str] = []

STYLE_SHEET = """
*{box-sizing:border-box}html,body{margin:0;height:100%}
body{font:14px/1.4 system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
#film{display:flex;flex-direction:column;height:100vh;height:100dvh;min-height:340px}
#scene{flex:1 1 auto;width:100%;min-height:0;display:block;touch-action:manipulation;outline-offset:-3px}
#controls{display:flex;flex-wrap:wrap;align-items:center;gap:6px 12px;padding:8px 14px 12px}
#play{width:44px;height:44px;font-size:18px;border:1px solid currentColor;border-radius:22px;background:none;
color:inherit;cursor:pointer}
#time{flex:1 1 140px;min-width:100px;height:32px;accent-color:#0072b2}
#clock{font-variant-numeric:tabular-nums;min-width:8.5em;text-align:right}
select{font:inherit;height:36px;color:inherit;background:inherit;border:1px solid currentColor;border-radius:6px}
#speed option{color:#000;background:#fff}
@media(max-width:619px){#clock{min-width:0}label{font-size:0}#speed{font-size:14px}}
"""

PLAYER = r"""
'use strict';
(() => {
const D = JSON.parse(document.getElementById('data').textContent), S = D.style, N = D.n;
const $ = id => document.getElementById(id);
const canvas = $('scene'), g = canvas.getContext('2d'), play = $('play'), slider = $('time');
const FONT = 'system-ui,"Segoe UI",Roboto,Helvetica,Arial,sans-serif';
document.body.style.background = S.background;
document.body.style.color = S.ink;

// Numbers: 16 bits each, 65535 is "none".
function unpack(p) {
  const text = atob(p.data), n = text.length / 2, k = p.low.length, out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const v = text.charCodeAt(2 * i) | text.charCodeAt(2 * i + 1) << 8;
    out[i] = v === 65535 ? NaN : p.low[i % k] + v * p.step[i % k];
  }
  return out;
}
for (const s of D.scenes) {
  s.xy = unpack(s.xy);
  if (s.ghosts) { s.ghosts = unpack(s.ghosts); s.cloud = s.ghosts.length / (N * s.points * 2); }
  if (s.arrows) s.arrows = unpack(s.arrows);
}
for (const p of D.panels) for (const l of p.lines) { l.y = unpack(l.y); if (l.x) l.x = unpack(l.x); }

// A value between frames: Catmull-Rom; angles that pass their cut jump.
function at(a, stride, offset, f, turn) {
  const i = Math.min(Math.floor(f), N - 1), j = Math.min(i + 1, N - 1), u = f - i;
  const p1 = a[i * stride + offset], p2 = a[j * stride + offset];
  if (u < 1e-9 || Number.isNaN(p2)) return p1;
  if (turn && Math.abs(p2 - p1) > Math.PI) return u < 0.5 ? p1 : p2;
  const p0 = a[Math.max(i - 1, 0) * stride + offset], p3 = a[Math.min(j + 1, N - 1) * stride + offset];
  const m1 = (p2 - p0) / 2, m2 = (p3 - p1) / 2;
  const odd = turn && (Math.abs(p1 - p0) > Math.PI || Math.abs(p3 - p2) > Math.PI);
  if (odd || Number.isNaN(m1 + m2)) return p1 + u * (p2 - p1);
  const v = u * u, w = v * u;
  return (2*w - 3*v + 1) * p1 + (w - 2*v + u) * m1 + (3*v - 2*w) * p2 + (w - v) * m2;
}

// Axes
function steps(low, high, most, turn) {
  const span = high - low;
  let step;
  if (turn) step = [0.25, 0.5, 1, 2].map(x => x * Math.PI).find(x => span / x <= most) || 4 * Math.PI;
  else {
    const raw = span / most, ten = Math.pow(10, Math.floor(Math.log10(raw)));
    step = [1, 2, 2.5, 5, 10].map(x => x * ten).find(x => x >= raw * 0.999);
  }
  const out = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * span; k++) out.push(k * step);
  return out;
}
function decades(low, high, most) {
  const step = Math.max(1, Math.ceil((Math.floor(high) - Math.ceil(low)) / most)), out = [];
  for (let k = Math.ceil(low / step) * step; k <= high + 1e-9; k += step) out.push(k);
  return out;
}
const MINUS = '\u2212';
const HIGH = {'-': '⁻', 0: '⁰', 1: '¹', 2: '²', 3: '³', 4: '⁴', 5: '⁵', 6: '⁶', 7: '⁷', 8: '⁸', 9: '⁹'};
function words(v, ticks, turn, log) {
  if (log) return '10' + String(v).split('').map(c => HIGH[c]).join('');
  if (turn) {
    const q = Math.round(v / Math.PI * 4);
    if (q === 0) return '0';
    const d = q % 4 === 0 ? 1 : q % 2 === 0 ? 2 : 4, t = Math.abs(q) * d / 4;
    return (q < 0 ? MINUS : '') + (t === 1 ? '' : t) + 'π' + (d > 1 ? '/' + d : '');
  }
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(v) || 1;
  const top = Math.max(...ticks.map(Math.abs));
  if (top >= 1e5 || top < 1e-3 && top > 0) return (v === 0 ? '0' : v.toExponential(1)).replace('-', MINUS);
  let digits = 0;
  while (digits < 8 && Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) > 1e-6) digits++;
  return v.toFixed(digits).replace('-', MINUS);
}
function text(t, x, y, size, color, align, bold) {
  g.font = (bold ? '600 ' : '') + size + 'px ' + FONT;
  g.fillStyle = color; g.textAlign = align || 'left'; g.fillText(t, x, y);
}
function frame(box, limits, axes, turns, log) {
  const [x0, y0, x1, y1] = box, [a, b, c, d] = limits;
  const X = v => x0 + (v - a) / (b - a) * (x1 - x0), Y = v => y1 - (v - c) / (d - c) * (y1 - y0);
  const xs = steps(a, b, Math.max(2, (x1 - x0) / 60), turns[0]), ny = Math.max(2, (y1 - y0) / 38);
  const ys = log ? decades(c, d, ny) : steps(c, d, ny, turns[1]);
  g.lineWidth = 1; g.strokeStyle = S.faint; g.globalAlpha = 0.6; g.beginPath();
  for (const x of xs) { g.moveTo(X(x), y0); g.lineTo(X(x), y1); }
  for (const y of ys) { g.moveTo(x0, Y(y)); g.lineTo(x1, Y(y)); }
  g.stroke(); g.globalAlpha = 1; g.beginPath();
  g.moveTo(x0, y0); g.lineTo(x0, y1); g.lineTo(x1, y1); g.stroke();
  g.textBaseline = 'alphabetic';
  for (const x of xs) text(words(x, xs, turns[0]), X(x), y1 + 15, 11, S.muted, 'center');
  for (const y of ys) text(words(y, ys, turns[1], log), x0 - 6, Y(y) + 4, 11, S.muted, 'right');
  text(axes[0], (x0 + x1) / 2, y1 + 31, 12, S.muted, 'center');
  g.save(); g.translate(x0 - 46, (y0 + y1) / 2); g.rotate(-Math.PI / 2);
  g.font = '12px ' + FONT;
  text(axes[1], 0, 0, Math.min(12, 12 * (y1 - y0 + 36) / g.measureText(axes[1]).width), S.muted, 'center');
  g.restore();
  return [X, Y];
}
function clip(box, draw) {
  g.save(); g.beginPath();
  g.rect(box[0] - 1, box[1] - 5, box[2] - box[0] + 6, box[3] - box[1] + 6); g.clip(); draw(); g.restore();
}

function drawScene(s, cell, f) {
  let right = 14;
  if (s.labels.length) {
    g.font = '12px ' + FONT;
    right += Math.min(0.4 * (cell[2] - cell[0]), 30 + Math.max(...s.labels.map(l => g.measureText(l).width)));
  }
  const box = [cell[0] + 58, cell[1] + (s.name ? 26 : 8), cell[2] - right, cell[3] - 40];
  let [a, b, c, d] = s.limits;
  const shape = (box[2] - box[0]) / (box[3] - box[1]), pad = 1.1;
  let w = b - a, h = d - c;
  if (s.equal) { h = Math.max(h, w / shape); w = h * shape; }
  const mx = (a + b) / 2, my = (c + d) / 2;
  const px = s.turns[0] ? 1 : pad, py = s.turns[1] ? 1 : pad;
  const limits = [mx - w * px / 2, mx + w * px / 2, my - h * py / 2, my + h * py / 2];
  const [X, Y] = frame(box, limits, s.axes, s.turns, false);
  if (s.name) text(s.name, (box[0] + box[2]) / 2, box[1] - 9, 13, s.colors[0], 'center', true);
  s.labels.forEach((l, i) => {
    const y = box[1] + 14 + 18 * i;
    if (y > box[3]) return;
    g.strokeStyle = s.colors[i]; g.lineWidth = 3; g.beginPath();
    g.moveTo(box[2] + 8, y - 4); g.lineTo(box[2] + 26, y - 4); g.stroke();
    text(l, box[2] + 31, y, 12, S.ink);
  });
  const unit = Math.min(2, Math.max(0.8, Math.min(box[2] - box[0], box[3] - box[1]) / 400));
  const stride = s.count * s.points * 2, few = s.count <= 8;
  const get = (j, k, q, t) => at(s.xy, stride, (j * s.points + k) * 2 + q, t, s.turns[q]);
  clip(box, () => {
    if (s.ghosts) {
      const gs = s.cloud * s.points * 2, strong = Math.min(0.3, Math.max(0.06, 3 / s.cloud));
      for (let j = 0; j < s.cloud; j++) {
        g.beginPath(); let x, y;
        for (let k = 0; k < s.points; k++) {
          x = X(at(s.ghosts, gs, (j * s.points + k) * 2, f, s.turns[0]));
          y = Y(at(s.ghosts, gs, (j * s.points + k) * 2 + 1, f, s.turns[1]));
          k ? g.lineTo(x, y) : g.moveTo(x, y);
        }
        g.strokeStyle = S.muted; g.globalAlpha = strong; g.lineWidth = 1.6 * unit; g.stroke();
        g.fillStyle = s.colors[0]; g.globalAlpha = Math.min(0.55, 3 * strong);
        g.beginPath(); g.arc(x, y, 2.8 * unit, 0, 7); g.fill();
      }
      g.globalAlpha = 1;
    }
    const fades = few ? 24 : 8, first = Math.max(0, f - D.trail), fine = few ? 4 : 1;
    g.lineCap = 'butt'; g.lineJoin = 'round';
    for (let j = 0; D.trail > 0 && j < s.count; j++) for (let q = 0; q < fades; q++) {
      const lo = f - D.trail * (1 - q / fades), hi = f - D.trail * (1 - (q + 1) / fades);
      if (hi <= first) continue;
      const from = Math.max(lo, first), n = Math.max(1, Math.ceil((hi - from) * fine));
      g.beginPath(); let last = null;
      for (let i = 0; i <= n; i++) {
        const t = from + (hi - from) * i / n, u = get(j, s.points - 1, 0, t), v = get(j, s.points - 1, 1, t);
        const jump = last && (s.turns[0] && Math.abs(u - last[0]) > 3 || s.turns[1] && Math.abs(v - last[1]) > 3);
        last && !jump ? g.lineTo(X(u), Y(v)) : g.moveTo(X(u), Y(v));
        last = [u, v];
      }
      const age = (q + 0.5) / fades;
      g.globalAlpha = 0.9 * Math.pow(age, 1.4); g.strokeStyle = s.colors[j];
      g.lineWidth = (few ? 3 : 1.5) * unit * (0.35 + 0.65 * age); g.stroke();
    }
    g.globalAlpha = 1; g.lineCap = 'round';
    for (let j = 0; j < s.count; j++) {
      if (s.points > 1) {
        g.beginPath();
        for (let k = 0; k < s.points; k++) {
          const x = X(get(j, k, 0, f)), y = Y(get(j, k, 1, f));
          k ? g.lineTo(x, y) : g.moveTo(x, y);
        }
        g.strokeStyle = s.count === 1 ? S.ink : s.colors[j]; g.globalAlpha = few ? 1 : 0.55;
        g.lineWidth = (s.count === 1 ? 3.6 : few ? 2.8 : 1.4) * unit * (s.rigid ? 1 : 0.4);
        g.setLineDash(s.rigid ? [] : [5, 4]); g.stroke(); g.setLineDash([]); g.globalAlpha = 1;
      }
      for (let k = 0; k < s.points; k++) {
        const tip = k === s.points - 1, x = X(get(j, k, 0, f)), y = Y(get(j, k, 1, f));
        if (Number.isNaN(x + y)) continue;
        g.beginPath(); g.arc(x, y, (tip ? (few ? 7 : 3.2) : few ? 4.5 : 2) * unit, 0, 7);
        g.fillStyle = tip ? s.colors[j] : k === 0 ? S.muted : s.count === 1 ? S.ink : s.colors[j];
        g.fill(); g.strokeStyle = S.background; g.lineWidth = 1.2; g.stroke();
      }
    }
    if (s.arrows) drawArrows(s, f, X, Y, box, unit);
  });
}
function drawArrows(s, f, X, Y, box, unit) {
  const i = Math.min(Math.round(f), N - 1), L = 0.15 * Math.min(box[2] - box[0], box[3] - box[1]), v = [];
  const sx = X(1) - X(0), sy = Y(1) - Y(0);
  for (let k = 0; k < s.points; k++) {
    const o = (i * s.points + k) * 2;
    v.push([s.arrows[o] * sx, s.arrows[o + 1] * sy]);
  }
  const top = Math.max(...v.map(a => Math.hypot(...a)).filter(x => x === x), 0);
  if (!(top > 0)) return;
  v.forEach((a, k) => {
    const n = Math.hypot(...a);
    if (!(n > 0.04 * top)) return;
    const l = n / top * L, head = Math.min(13 * unit, 0.6 * l), wide = 0.48 * head;
    g.save();
    g.translate(X(at(s.xy, s.count * s.points * 2, k * 2, f, s.turns[0])),
      Y(at(s.xy, s.count * s.points * 2, k * 2 + 1, f, s.turns[1])));
    g.rotate(Math.atan2(a[1], a[0]));
    const half = 1.9 * unit;
    g.beginPath(); g.moveTo(0, half); g.lineTo(l - head, half); g.lineTo(l - head, wide); g.lineTo(l, 0);
    g.lineTo(l - head, -wide); g.lineTo(l - head, -half); g.lineTo(0, -half); g.closePath();
    g.fillStyle = S.accent; g.fill(); g.strokeStyle = S.background; g.lineWidth = 0.8; g.stroke();
    g.restore();
  });
}
function drawPanel(p, cell, f) {
  const box = [cell[0] + 62, cell[1] + 10, cell[2] - 16, cell[3] - 40];
  const [X, Y] = frame(box, p.limits, p.axes, p.turns, p.log);
  const time = i => D.t0 + D.dt * i, over = p.lines.every(l => !l.x), now = Math.min(Math.floor(f + 1e-9), N - 1);
  clip(box, () => {
    if (over) {
      g.strokeStyle = S.muted; g.globalAlpha = 0.6; g.lineWidth = 1; g.beginPath();
      g.moveTo(X(time(f)), box[1]); g.lineTo(X(time(f)), box[3]); g.stroke(); g.globalAlpha = 1;
    }
    for (const whole of [true, false]) for (const l of p.lines) {
      const from = whole || over ? 0 : Math.max(0, now - D.trail), to = whole ? N - 1 : now;
      g.beginPath(); let pen = false;
      for (let i = from; i <= to; i++) {
        const x = X(l.x ? l.x[i] : time(i)), y = Y(l.y[i]);
        if (Number.isNaN(x + y)) { pen = false; continue; }
        if (i > from && (p.turns[0] && Math.abs(l.x[i] - l.x[i - 1]) > Math.PI ||
          p.turns[1] && Math.abs(l.y[i] - l.y[i - 1]) > Math.PI)) pen = false;
        pen ? g.lineTo(x, y) : g.moveTo(x, y); pen = true;
      }
      const ex = X(l.x ? at(l.x, 1, 0, f, p.turns[0]) : time(f)), ey = Y(at(l.y, 1, 0, f, p.turns[1]));
      if (!whole && pen && !p.turns[0] && !p.turns[1] && !Number.isNaN(ex + ey)) g.lineTo(ex, ey);
      g.strokeStyle = l.color; g.globalAlpha = whole ? 0.3 : 1; g.lineWidth = whole ? 1.4 : 2.2;
      g.setLineDash(l.dashed ? [7, 5] : []); g.stroke(); g.setLineDash([]); g.globalAlpha = 1;
      if (!whole && !Number.isNaN(ex + ey)) {
        g.beginPath(); g.arc(ex, ey, 4.5, 0, 7); g.fillStyle = l.color; g.fill();
        g.strokeStyle = S.background; g.lineWidth = 1.2; g.stroke();
      }
    }
  });
  const named = p.lines.filter(l => l.label);
  if (!named.length) return;
  g.font = '12px ' + FONT;
  const wide = 40 + Math.max(...named.map(l => g.measureText(l.label).width)), high = 17 * named.length + 6;
  // The corner that fewest points of the curves lie in.
  const corners = [[0, 0], [1, 0], [0, 1], [1, 1]].map(([u, v]) => [u ? box[2] - wide : box[0] + 6,
    v ? box[3] - high - 4 : box[1] + 2]);
  const inside = c => named.reduce((n, l) => { for (let i = 0; i < N; i++) {
    const x = X(l.x ? l.x[i] : time(i)), y = Y(l.y[i]);
    if (x > c[0] && x < c[0] + wide && y > c[1] && y < c[1] + high) n++;
  } return n; }, 0);
  const counts = corners.map(inside), c = corners[counts.indexOf(Math.min(...counts))];
  g.fillStyle = S.background; g.globalAlpha = 0.75; g.fillRect(c[0], c[1], wide, high); g.globalAlpha = 1;
  named.forEach((l, i) => {
    const y = c[1] + 16 + 17 * i;
    g.strokeStyle = l.color; g.lineWidth = 2.4; g.setLineDash(l.dashed ? [7, 5] : []); g.beginPath();
    g.moveTo(c[0] + 4, y - 4); g.lineTo(c[0] + 28, y - 4); g.stroke(); g.setLineDash([]);
    text(l.label, c[0] + 34, y, 12, S.ink);
  });
}

// Layout: panels at the right of one scene, below where it is narrow, below several scenes.
function places(W, H) {
  const n = D.scenes.length, m = D.panels.length, top = D.title ? 30 : 8;
  const row = (x0, y0, x1, y1, k) => Array.from({length: k}, (_, i) =>
    [x0 + (x1 - x0) * i / k, y0, x0 + (x1 - x0) * (i + 1) / k, y1]);
  const column = (x0, y0, x1, y1, k) => Array.from({length: k}, (_, i) =>
    [x0, y0 + (y1 - y0) * i / k, x1, y0 + (y1 - y0) * (i + 1) / k]);
  const narrow = W < 620;
  if (!m) return [narrow ? column(0, top, W, H, n) : row(0, top, W, H, n), []];
  if (n === 1 && !narrow) return [[[0, top, W * 0.5, H]], column(W * 0.5, top, W, H, m)];
  const split = top + (H - top) * (narrow ? n / (n + 0.75 * m) : 0.58);
  return narrow ? [column(0, top, W, split, n), column(0, split, W, H, m)]
    : [row(0, top, W, split, n), row(0, split, W, H, m)];
}

let W = 0, H = 0, now = 0, playing = false, rate = 1, before = null;
function resize() {
  const room = canvas.parentElement.clientHeight - $('controls').offsetHeight, narrow = innerWidth < 620;
  const rows = D.scenes.length + D.panels.length;
  canvas.style.flex = narrow && rows > 1 ? '0 0 auto' : '1 1 auto';
  canvas.style.height = narrow && rows > 1 ? Math.max(room, 290 * D.scenes.length + 190 * D.panels.length) + 'px' : '';
  $('film').style.height = narrow && rows > 1 ? 'auto' : '';
  $('controls').style.cssText = narrow ? 'position:sticky;bottom:0;background:' + S.background : '';
  const dpr = window.devicePixelRatio || 1, r = canvas.getBoundingClientRect();
  W = r.width; H = r.height;
  canvas.width = Math.round(W * dpr); canvas.height = Math.round(H * dpr);
  g.setTransform(canvas.width / W, 0, 0, canvas.height / H, 0, 0);
  draw();
}
function draw() {
  g.fillStyle = S.background; g.fillRect(0, 0, W, H);
  if (D.title) text(D.title, 16, 20, 15, S.ink, 'left', true);
  const [scenes, panels] = places(W, H);
  D.scenes.forEach((s, i) => drawScene(s, scenes[i], now));
  D.panels.forEach((p, i) => drawPanel(p, panels[i], now));
  const t = D.t0 + D.dt * now, end = D.t0 + D.dt * (N - 1);
  $('clock').textContent = t.toFixed(D.decimals) + ' / ' + end.toFixed(D.decimals) + ' s';
  slider.value = now;
  slider.setAttribute('aria-valuetext', t.toFixed(D.decimals) + ' s');
}
function start(on) {
  if (on && now >= N - 1) now = 0;
  playing = on; before = null;
  play.textContent = on ? '❚❚' : '▶'; play.setAttribute('aria-label', on ? 'Pause' : 'Play');
  if (on) requestAnimationFrame(tick); else draw();
}
function tick(stamp) {
  if (!playing) return;
  if (before !== null) now += (stamp - before) / 1000 * D.fps * rate;
  before = stamp;
  if (now >= N - 1) { now = N - 1; start(false); return; }
  draw(); requestAnimationFrame(tick);
}
function go(f) { now = Math.min(N - 1, Math.max(0, f)); before = null; draw(); }

slider.max = N - 1;
slider.addEventListener('input', () => { const f = +slider.value; start(false); go(f); });
play.addEventListener('click', () => start(!playing));
canvas.addEventListener('click', () => start(!playing));
const rates = [0.1, 0.25, 0.5, 1, 2, 4];
for (const r of rates) $('speed').add(new Option('\u00d7' + +(r * D.speed).toPrecision(3), r, r === 1, r === 1));
$('speed').addEventListener('change', e => { rate = +e.target.value; before = null; });
function pace(by) {
  const i = Math.min(rates.length - 1, Math.max(0, rates.indexOf(rate) + by));
  rate = rates[i]; $('speed').value = rate;
}
addEventListener('keydown', e => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.target.tagName === 'SELECT') return;
  const k = e.key, step = e.shiftKey ? 10 : 1;
  if (k === ' ' || k === 'k') { if (e.target === play && k === ' ') return; start(!playing); }
  else if (k === 'ArrowRight') { start(false); go(Math.floor(now + 1e-9) + step); }
  else if (k === 'ArrowLeft') { start(false); go(Math.ceil(now - 1e-9) - step); }
  else if (k === 'Home') go(0);
  else if (k === 'End') { start(false); go(N - 1); }
  else if (k === '+' || k === '=') pace(1);
  else if (k === '-') pace(-1);
  else return;
  e.preventDefault();
});
addEventListener('resize', resize);
addEventListener('hashchange', jump);
function jump() {
  const m = /^#t=(-?[\d.]+)$/.exec(location.hash);
  if (m) { start(false); go(D.dt ? (+m[1] - D.t0) / D.dt : 0); }
  return !!m;
}
const still = matchMedia('(prefers-reduced-motion: reduce)');
still.addEventListener('change', e => { if (e.matches) start(false); });
resize();
if (!jump()) start(!still.matches && N > 1);
})();
"""
