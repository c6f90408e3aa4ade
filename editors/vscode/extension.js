// The client of netdsl's language server: starts `netdsl lsp` for .net files.

const vscode = require("vscode");
const { LanguageClient } = require("vscode-languageclient/node");

let client;

/** The server's command: the Python of the settings, or `netdsl` itself. */
function command() {
  const settings = vscode.workspace.getConfiguration("netdsl");
  const python = settings.get("python");
  return python
    ? { command: python, args: ["-m", "netdsl", "lsp"] }
    : { command: settings.get("path"), args: ["lsp"] };
}

async function start() {
  const executable = { ...command(), options: { cwd: vscode.workspace.workspaceFolders?.[0]?.uri.fsPath } };
  client = new LanguageClient("netdsl", "netdsl", executable, {
    documentSelector: [{ language: "netdsl" }],
    initializationOptions: { inlayHints: vscode.workspace.getConfiguration("netdsl").get("inlayHints") },
    synchronize: { fileEvents: vscode.workspace.createFileSystemWatcher("**/*.net") },
  });
  try {
    await client.start();
  } catch (error) {
    vscode.window.showErrorMessage(
      `netdsl: \`${executable.command}\` doesn't start. Install it with \`pip install 'netdsl[lsp]'\`, ` +
        "or say where it is in the setting `netdsl.path`."
    );
  }
}

async function restart() {
  await deactivate();
  await start();
}

/** Shows the picture of the active file beside it, again whenever the server has read a change. */
function preview() {
  const document = vscode.window.activeTextEditor?.document;
  if (document?.languageId !== "netdsl") return;
  const title = `Picture of ${document.uri.path.split("/").pop()}`;
  const panel = vscode.window.createWebviewPanel("netdsl.preview", title, vscode.ViewColumn.Beside, {});
  const draw = async () => {
    const picture = await client?.sendRequest("netdsl/picture", { textDocument: { uri: document.uri.toString() } });
    if (picture) panel.webview.html = page(picture);
  };
  const changes = vscode.languages.onDidChangeDiagnostics((change) => {
    if (change.uris.some((uri) => uri.toString() === document.uri.toString())) draw();
  });
  const edits = vscode.workspace.onDidChangeTextDocument((change) => {
    if (change.document === document) draw();
  });
  panel.onDidDispose(() => vscode.Disposable.from(changes, edits).dispose());
  return draw();
}

function page(picture) {
  const policy = "default-src 'none'; style-src 'unsafe-inline'";
  return `<!doctype html><meta http-equiv="Content-Security-Policy" content="${policy}">
<style>body { background: #fff; } svg { max-width: 100%; height: auto; }</style>${picture}`;
}

async function activate(context) {
  context.subscriptions.push(
    vscode.commands.registerCommand("netdsl.preview", preview),
    vscode.commands.registerCommand("netdsl.restart", restart),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("netdsl")) restart();
    })
  );
  await start();
}

async function deactivate() {
  const running = client;
  client = undefined;
  if (running?.isRunning()) await running.stop();
}

module.exports = { activate, deactivate };
