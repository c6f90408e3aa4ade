// The compiler in a worker of the browser: Python by Pyodide, with the package's files from `netdsl.zip`.

// What is loaded is counted for the progress bar, here so that Pyodide's own requests count too.
const get = self.fetch.bind(self);
let loaded = 0;
let total = Infinity;

self.fetch = async (...request) => {
  const response = await get(...request);
  const counter = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.byteLength;
      postMessage({ progress: Math.min(loaded / total, 1) });
      controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body.pipeThrough(counter), { status, statusText, headers });
};

async function start() {
  ({ bytes: total } = await (await get("pyodide/sizes.json")).json());
  const [{ loadPyodide }, archive] = await Promise.all([
    import("./pyodide/pyodide.mjs"),
    fetch("pyodide/netdsl.zip").then((response) => response.arrayBuffer()),
  ]);
  const python = await loadPyodide();
  postMessage({ stage: "Starting the compiler …" });
  python.unpackArchive(archive, "zip", { extractDir: "/netdsl" });
  python.runPython(`
import gc, sys
sys.path.insert(0, "/netdsl")
from netdsl.playground.answer import answer_in_browser, examples
answer_in_browser("network warm\\ninput 3x8x8\\nstem { skip { conv(3) } }", "")
for view in ("picture", "shapes"):
    answer_in_browser("network warm\\ninput 3x8x8\\nstem { conv(4, 3), relu }", view)
gc.collect()
gc.freeze()
`);
  return [python.globals.get("answer_in_browser"), python.globals.get("examples")];
}

const ready = start().then(
  ([answer, examples]) => {
    postMessage({ examples: examples() });
    return answer;
  },
  (error) => postMessage({ failed: String(error.message ?? error) }),
);

onmessage = async ({ data: { id, text, view } }) => {
  const answer = await ready;
  postMessage({ id, answer: answer(text, view) });
};
