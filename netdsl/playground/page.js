// The page of the playground. It sends the text to the compiler at each change and shows the answer: the
// compiler is Python in a worker of the browser, or `netdsl serve`, where the text is a file's.

const element = (id) => document.getElementById(id);
const text = element("text");
const VIEWS = ["picture", "shapes", "module", "functional", "sequential"];
const CODE = VIEWS.slice(2);
const START = `network mine

input 3x32x32
classes 10
default conv(bias=no)

stem { conv(16, 3, stride=2), bn, relu }
layers {
  skip { conv(16, 3), bn, relu, conv(16, 3), bn }
  relu, maxpool(2)
  concat { | conv(16, 1) | conv(16, 3) | maxpool(3, stride=1, padding=1) }
  relu
}
head { global_avgpool, flatten, linear(classes) }
`;

let view = VIEWS[0];
// What is painted behind the text: the text that the tokens and problems are of.
let painted = { text: "", tokens: [], diagnostics: [] };

// The text in the address: deflated, as base64 for addresses; `docs/site/examples.py` writes the same.

async function piped(bytes, stream) {
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
}

async function packed(content) {
  const bytes = await piped(new TextEncoder().encode(content), new CompressionStream("deflate-raw"));
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return new TextDecoder().decode(await piped(bytes, new DecompressionStream("deflate-raw")));
}

/** The text of the address; nothing if it has none, or a broken one. */
async function linked() {
  const found = /^#text=([\w-]+)/.exec(location.hash);
  if (!found) return null;
  try {
    return await unpacked(found[1]);
  } catch {
    tell("The address has no readable network: the link was cut off.");
    return null;
  }
}

// Colours and underlines, in a layer behind the text, whose own letters are transparent.

const escaped = (part) => part.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function coloured(content, tokens) {
  let at = 0;
  const parts = tokens.map(([length, kind]) => {
    const part = escaped(content.slice(at, (at += length)));
    return kind ? `<span class="${kind}">${part}</span>` : part;
  });
  return parts.join("") + escaped(content.slice(at));
}

/** Paints the text. What was typed since the last answer has no colour yet. */
function paint() {
  const { text: old, tokens, diagnostics } = painted;
  const now = text.value;
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start++;
  let tail = 0;
  while (tail < old.length - start && tail < now.length - start && old.at(-1 - tail) === now.at(-1 - tail)) tail++;
  const end = old.length - tail;
  const moved = (offset) => (offset <= start ? offset : offset >= end ? offset + now.length - old.length : null);

  const kinds = [];
  const cuts = new Set([0, now.length]);
  let at = 0;
  for (const [length, kind] of tokens) {
    const [from, to] = [moved(at), moved((at += length))];
    if (kind && from !== null && to !== null) kinds.push([from, to, kind]), cuts.add(from), cuts.add(to);
  }
  for (const problem of diagnostics) {
    const [from, to] = [moved(problem.start), moved(Math.max(problem.end, problem.start + 1))];
    if (from !== null && to !== null) kinds.push([from, to, problem.severity]), cuts.add(from), cuts.add(to);
  }
  kinds.sort((one, other) => one[0] - other[0]);
  const places = [...cuts].sort((one, other) => one - other);
  let html = "";
  let open = [];
  let next = 0;
  places.slice(0, -1).forEach((place, index) => {
    open = open.filter(([, to]) => to > place);
    while (next < kinds.length && kinds[next][0] <= place) open.push(kinds[next++]);
    const part = escaped(now.slice(place, places[index + 1]));
    const names = open.map(([, , kind]) => kind).join(" ");
    html += names ? `<span class="${names}">${part}</span>` : part;
  });
  element("colours").innerHTML = html + "\n";
  const lines = now.split("\n").length;
  element("numbers").textContent = Array.from({ length: lines }, (_, line) => line + 1).join("\n");
}

// The answer.

const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

function tell(message) {
  element("status").textContent = message;
}

/** Shows an answer; one that was asked without a view leaves the view as it is, unless there are errors. */
function show(answer, complete = true) {
  painted = answer;
  paint();
  const errors = answer.diagnostics.filter((problem) => problem.severity === "error").length;
  const warnings = answer.diagnostics.length - errors;
  const found = [errors && counted(errors, "error"), warnings && counted(warnings, "warning")].filter(Boolean);
  tell([answer.heading, found.join(", ")].filter(Boolean).join("; ") || "A library of blocks, without a network.");
  element("problems").replaceChildren(...answer.diagnostics.map(listed));
  if (complete || errors) shown(answer.shown, errors > 0);
}

function made(name, properties, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

function listed(problem) {
  const place = made("button", {
    type: "button",
    className: "place",
    textContent: `Line ${problem.line}`,
    onclick: () => select(problem),
  });
  const docs = made("a", {
    href: `errors.html#${problem.code.toLowerCase()}`,
    textContent: `${problem.severity} ${problem.code}`,
  });
  const code = document.body.dataset.answers === "browser" ? docs : docs.textContent;
  const fixes = text.readOnly ? [] : problem.fixes.map((fix) => fixing(fix));
  const related = problem.related.map((other) => made("p", { textContent: `Line ${other.line}: ${other.message}` }));
  const help = fixes.length || !problem.help ? [] : [made("p", { textContent: `Help: ${problem.help}` })];
  const head = made("p", {}, place, " ", code, " ", made("strong", { textContent: problem.message }));
  return made("li", { className: `of-${problem.severity}` }, head, ...related, ...help, ...fixes);
}

function fixing(fix) {
  const title = fix.title[0].toUpperCase() + fix.title.slice(1);
  return made("button", { type: "button", className: "fix", textContent: `Fix: ${title}`, onclick: () => apply(fix) });
}

function select({ start, end }) {
  text.focus();
  text.setSelectionRange(start, end);
}

/** Applies a fix as if it were typed, so that it can be undone. Its edits go from the last to the first. */
function apply(fix) {
  text.focus();
  for (const edit of fix.edits) {
    text.setSelectionRange(edit.start, edit.end);
    const done = document.execCommand(edit.text ? "insertText" : "delete", false, edit.text);
    if (!done && edit.start + edit.text.length !== edit.end) text.setRangeText(edit.text, edit.start, edit.end, "end");
  }
  changed();
}

/** Shows a view; after errors the last one stays, marked as old. */
function shown(content, old) {
  const panel = element("shown");
  panel.classList.toggle("old", old);
  if (content.svg) {
    panel.innerHTML = content.svg;
  } else if (content.rows) {
    panel.replaceChildren(tabled(content));
  } else if (content.code !== undefined) {
    const copy = made("button", { type: "button", className: "copy", textContent: "Copy code" });
    copy.onclick = () => navigator.clipboard.writeText(content.code).then(() => tell("The code is copied."));
    panel.replaceChildren(copy, made("pre", { innerHTML: coloured(content.code, content.tokens) }));
  } else if (content.message) {
    panel.replaceChildren(made("p", { textContent: content.message }));
  } else if (!old) {
    panel.replaceChildren();
  }
}

function tabled({ columns, rows }) {
  const right = columns.map((column) => column.startsWith(">"));
  const head = columns.map((column) => made("th", { scope: "col", textContent: column.replace(">", "") }));
  const body = rows.map((row) =>
    made("tr", {}, ...row.map((cell, index) => {
      const node = made(index ? "td" : "th", { textContent: cell.trim(), className: right[index] ? "number" : "" });
      if (!index) node.scope = "row", (node.style.paddingLeft = `${0.5 + (cell.length - cell.trimStart().length) / 2}em`);
      return node;
    })),
  );
  return made("table", {}, made("thead", {}, made("tr", {}, ...head)), made("tbody", {}, ...body));
}

// Asking: one question at a time, the last change next.

let ask; // (text, view) -> the answer, or null where nothing has changed
let asking = false;
let waiting = false;

async function changed() {
  paint();
  if (!ask || asking) return void (waiting = true);
  asking = true;
  do {
    waiting = false;
    const [content, wanted] = [text.value, view];
    performance.mark("asked");
    // Code takes longer to write than a picture: the errors don't wait for it.
    for (const part of CODE.includes(wanted) ? ["", wanted] : [wanted]) {
      const answer = await ask(content, part);
      if (text.value !== content) break;
      show(answer, part === wanted);
    }
    performance.measure("answer", "asked");
    if (text.value === content) remember(content);
  } while (waiting);
  asking = false;
}

async function remember(content) {
  const link = `#text=${await packed(content)}`;
  if (text.value === content && location.hash !== link) history.replaceState(null, "", link);
}

function choose(wanted, focus = false) {
  view = wanted;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.dataset.view === wanted;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
    if (chosen) element("shown").setAttribute("aria-labelledby", tab.id);
    if (chosen && focus) tab.focus();
  }
  element("shown").replaceChildren();
}

// The compiler in the browser.

function startWorker() {
  const worker = new Worker("worker.js", { type: "module" });
  const open = new Map();
  let last = 0;
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      if (data.failed) reject(new Error(data.failed));
      else if (data.stage) element("stage").textContent = data.stage;
      else if (data.progress) element("progress").value = data.progress;
      else if (data.examples) {
        const question = (content, part) =>
          new Promise((answered) => {
            open.set(++last, answered);
            worker.postMessage({ id: last, text: content, view: part });
          });
        resolve([question, JSON.parse(data.examples)]);
      } else {
        open.get(data.id)(JSON.parse(data.answer));
        open.delete(data.id);
      }
    };
  });
}

async function inBrowser() {
  text.value = (await linked()) ?? START;
  paint();
  const [question, examples] = await startWorker();
  ask = question;
  const menu = element("examples");
  menu.append(...Object.keys(examples).map((name) => made("option", { value: name, textContent: name })));
  menu.disabled = false;
  menu.onchange = () => {
    if (!menu.value) return;
    text.value = examples[menu.value];
    menu.value = "";
    changed();
  };
  element("loading").hidden = true;
  await changed();
  addEventListener("hashchange", async () => {
    const content = await linked();
    if (content !== null && content !== text.value) (text.value = content), changed();
  });
}

element("share").onclick = async () => {
  await remember(text.value);
  await navigator.clipboard.writeText(location.href).then(
    () => tell("The link is copied: it holds the whole text."),
    () => tell("The link is in the address bar: it holds the whole text."),
  );
};

element("save").onclick = () => {
  const network = /^network +(\w+)/m.exec(text.value)?.[1];
  const file = `${network ?? "blocks"}.net`;
  const link = made("a", { href: URL.createObjectURL(new Blob([text.value])), download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  if (network) tell(`Train it: pip install netdsl, then netdsl train ${file} --data digits`);
};

// A file that `netdsl serve` watches.

async function ofFile() {
  document.body.classList.add("served");
  element("loading").hidden = true;
  text.readOnly = true;
  let seen = "";
  let question = new AbortController();
  element("tabs").addEventListener("click", () => question.abort());
  for (;;) {
    question = new AbortController();
    const wanted = view;
    try {
      const response = await fetch(`answer?${new URLSearchParams({ view: wanted, seen })}`, { signal: question.signal });
      if (response.status === 204) continue; // nothing has changed for a while
      if (!response.ok) throw new Error(response.statusText);
      const answer = await response.json();
      seen = answer.seen;
      element("name").textContent = answer.file;
      document.title = `${answer.file} - netdsl`;
      text.value = answer.text;
      show(answer);
    } catch (error) {
      if (error.name === "AbortError") {
        seen = ""; // another view of the same text
        continue;
      }
      tell("`netdsl serve` has ended. Start it again, and open its new address.");
      return;
    }
  }
}

text.addEventListener("input", changed);
element("tabs").addEventListener("click", ({ target }) => {
  if (target.dataset.view) choose(target.dataset.view), !text.readOnly && changed();
});
element("tabs").addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const end = { Home: 0, End: VIEWS.length - 1 }[event.key];
  if (step === undefined && end === undefined) return;
  event.preventDefault();
  const next = end ?? (VIEWS.indexOf(view) + step + VIEWS.length) % VIEWS.length;
  choose(VIEWS[next], true);
  document.activeElement.click();
});
addEventListener("keydown", (event) => {
  if (event.key !== "F8" || !painted.diagnostics.length) return;
  event.preventDefault();
  const after = painted.diagnostics.find((problem) => problem.start > text.selectionStart);
  select(after ?? painted.diagnostics[0]);
});

choose(view);
(document.body.dataset.answers === "browser" ? inBrowser() : ofFile()).catch((error) => {
  element("stage").textContent = `The compiler can't be loaded: ${error.message}`;
});
