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

async function activate(context) {
  context.subscriptions.push(
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
