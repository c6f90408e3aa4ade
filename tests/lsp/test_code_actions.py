"""Quick fixes, and all safe fixes at once."""

from __future__ import annotations

from lsprotocol import types

from tests.support.editor import Editor, offset

WRONG = """\
network wrong
input 3x32x32
classes 10
stem { cnov(16, 3), relu }
head { global_avgpool, flaten, linear(classes) }
"""


def actions(editor: Editor, where: str, *only: types.CodeActionKind) -> list[types.CodeAction]:
    document, place = editor.at("wrong.net", where)
    context = types.CodeActionContext([], list(only) or None)
    request = types.CodeActionParams(document, types.Range(place, place), context)
    found = editor.ask(editor.client.text_document_code_action_async(request)) or []
    return [action for action in found if isinstance(action, types.CodeAction)]


def applied(text: str, action: types.CodeAction) -> str:
    assert action.edit and action.edit.changes
    ((_, edits),) = action.edit.changes.items()
    for edit in sorted(edits, key=lambda edit: offset(text, edit.range.start), reverse=True):
        start, end = (offset(text, place) for place in (edit.range.start, edit.range.end))
        text = text[:start] + edit.new_text + text[end:]
    return text


def test_a_diagnostic_has_its_fix(editor: Editor) -> None:
    editor.open("wrong.net", WRONG)
    (action,) = actions(editor, "cnov")
    assert action.title == "Did you mean `conv`?"
    assert action.is_preferred and action.diagnostics and action.diagnostics[0].code == "NET201"
    assert applied(WRONG, action) == WRONG.replace("cnov", "conv")
    assert actions(editor, "relu") == []
    editor.close("wrong.net")


def test_all_safe_fixes_are_one_action(editor: Editor) -> None:
    text = WRONG.replace("\n", "\r\n")
    editor.open("wrong.net", text)
    (action,) = actions(editor, "relu", types.CodeActionKind.SourceFixAll)
    assert applied(text, action) == text.replace("cnov", "conv").replace("flaten", "flatten")
    editor.close("wrong.net")
