"""Known mistakes in statements, and pasted files of other languages."""

from __future__ import annotations

import re

from netdsl.language.argument_types import signature
from netdsl.language.words import STATEMENTS
from netdsl.ops import OPERATIONS
from netdsl.other_frameworks.recipe_lines import recipe_line
from netdsl.other_frameworks.translation import own_name, split, translated
from netdsl.syntax.errors.filters import WORDS
from netdsl.syntax.errors.token_patterns import PASTED, Found, Mistake, read_table
from netdsl.syntax.errors.wrong_steps import TENSORS, assigned_step, own_call

# Files in these languages have one error.
WHOLE_FILES = ("YAML", "Caffe", "NNEF", "MontiAnna", "Neural")
# Packages that programs of PyTorch and Keras import.
_LIBRARIES = {"torch", "torchvision", "tensorflow", "keras", "numpy", "math", "timm", "jax", "os", "typing"}

_TABLE = """
this is a network of Caffe
  statement: name : <text>                                     ~ Caffe
this is YAML
  statement: <name|nc|model|backbone|architecture:key> : <any:value>         => @yaml
this is NNEF
  statement: version <n> ;                                     ~ NNEF
this is MontiAnna
  statement: architecture <word> [({] <any>                    ~ MontiAnna
a comment starts with `#`
  // <rest>                                                    => # {rest|comment}
  //                                                           => #
  / <rest>                                                     => # {rest|comment}
  - - <rest>                                                   => # {rest|comment}
  % <rest>                                                     => # {rest|comment}
  * / <any>                                                    => #
  <quotes> <rest>                                              => # {rest|comment}
  <quotes>                                                     => #
use `use` to import the blocks of a file
  statement: import|include|require|from <rest:path>           => use "{path|library}"
  import|from <word> <any>                                     => @module
there is no `class`; use `classes`
  statement: class <n>                                         => classes {n}
`{python}` is Python syntax
  statement: class <word:python> ( <args> ) {                  => @class
  statement: assert <params|macs|depth|receptive_field|output:python> <rest> => expect {python} {rest}
  <class:python> <any>       ! write `network NAME` for a network, and `block NAME(out) { … }` for a block
  <def:python> <any>                                           => @python
  <return:python> <any>                                        => @python
  <import|super|print|assert|with|try|del|lambda|async:python> <any>         => @python
  <from:python> <dotted> import <any>                          => @python
  <if:python> __name__ <any>                                   => @python
  @ <word:python> <any>                                        => @python
`[{word}]` is Darknet syntax
  statement: [ <word> ] <any>                                  ~ Darknet
this is JSON
  statement: {                                                 ~ JSON
  statement: { <any> : <any:more>                              ~ JSON
this is Markdown
  statement: ` ` ` <any>                             ! remove it: a `.net` file contains only code
there is no `{word}`; use `input`
  statement: <input_shape|input_size|shape:word> [:=]? <rest:given>          => input {given|shape}
there is no `{word}`; use `output`
  statement: <outputs:word> [:=]? <names:given>                => output {given}
there is no `{word}`; use `classes`
  statement: <num_classes|nclasses|n_classes|nb_classes:word> [:=]? <value>  => classes {value}
a loop over blocks is a stage
  statement: for <word> in range ( <n> ) : <word:block> ( <args> ) => stage {block}({args}, repeat={n})
a body must be in braces
  stem|head|layers: <word> = nn? .Sequential|Sequential ( <args> ,? )  => {word} { {args} }
  statement: <word> = nn? .Sequential|Sequential ( <args> ,? ) => layers { {args} }
steps must be inside a section
  statement: self <attribute> = <rest>                         => @assigned
  statement: <word> = <rest>                                   => @assigned
  statement: - <word> :? <any:given>                           => @listed
this is Python
  statement: model|self|net <attribute> ( <any>                ~ Python
a constant is defined with `let`
  statement: const|var|int|float|set|val <word> = <rest>       => let {word} = {rest}
steps must be inside a section
  statement: <word> <any:given>                                => @outside
no `{sign}` after `{word}`
  stem|head|layers|train|init: <word> <[:=]:sign> {            => {word} { … }
  classes: <word> <[:=]:sign> <value>                          => {word} {value}
  network: <word> <[:=]:sign> <word:name>                      => {word} {name}
  network: <word> <[:=]:sign> <word:name> ( <args> )           => {word} {name}({args})
  output: <word> <[:=]:sign> <args>                            => {word} {args}
  input: <word> <[:=]:sign> <n>                                => {word} {n}
the keys of `train` must be in braces
  train: train ( <args> )                                      => @recipe
`stages` needs a block's name
  stages: stages {                                             => stages residual { … }
a parameter must be a name
  block: block <word> ( <n> <any> {?                           => block {word}(out) { … }
a name may contain only letters, digits and `_`
  block: block <word> - <any> {?                               => @block_name
  block: block <word> <attribute> <any> {?                     => @block_name
parameters must be in parentheses
  block: block <word> [[<] <args> []>] {                       => block {word}({args}) { … }
  block: block <word> <word:b> <args> {                        => block {word}({b}{args}) { … }
parameters are separated by commas
  block: block <word> ( <untyped> ) {                          => block {word}({untyped,word}) { … }
a block has no return type: it returns the output of its last step
  block: block <word> ( <args> ) - > <any> {                   => block {word}({args}) { … }
  block: block <word> - > <any> {                              => block {word} { … }
`default` needs an operation's name
  default: default <word:key> = <value>                        => @default
a number has no thousands separators
  expect: expect <word> <token:sign> <rest:number>             => expect {word} {sign} {number|thousands}
write a shape as one word
  expect: expect output <token:sign> [([] <args> [)]]          => expect output == {args|shape}
`expect` needs a comparison
  expect: expect <word> [=:]? <value>                          => expect {word} == {value}
a network has one input, without a name
  input: input <word> [:=]? <n> <any>                          => input {n}
write a shape as one word
  input: input ( <word> = <any:given> )                        => input {given|shape}
  input: input [:=]? <rest:given>                              => input {given|shape}
`network` takes no braces: its statements follow on the next lines
  network: network <word> {                                    => network {word}
  network: network <word> ( <args> ) {                         => network {word}({args})
a name may contain only letters, digits and `_`
  network: network [:=]? <any:name> ( <args> )                 => network {name|renamed}({args})
  network: network [:=]? <rest:name>                           => network {name|renamed}
`output` takes no braces: it names saved tensors
  output: output [:=]? {                                       => head { … }
outputs are listed without brackets
  output: output [:=]? [([] <args> [)]]                        => output {args}
a condition follows `when`
  output: output <args> if|in|during <rest>                    => output {args} when {rest}
separate the items of an order by commas
  order: order <rest>                                          => order {rest|order}
the block must come first
  stage: stage <n> <word:block> ( <args> )                     => stage {block}({args}, repeat={n|number})
the arguments of a stage must be in parentheses
  stage: stage <word> {                        =>? stages {word} { … } ;;, with a header line
  stage: stage { <call> }                                      => stage {call}
  stage: stage { <word> ( <args> ) <times> }       => stage {word}({args}, repeat={times|number})
  stage: stage :? <word> ( <args> ) <rest>                     => @stage
  stage: stage :? <word> <numbers:rest>                        => @stage
  stage: stage :? <word> <word:block> <any:rest>               => @stage
a name cannot contain `-`
  stage: stage <dashed> <any:rest>                             => stage {dashed|plain}{rest}
`let` needs `=`
  let: let <word> <sum>                                        => let {word} = {sum}
a rule must follow the key that it applies to
  init: init <call>                                     => init { conv {call|rule}, linear {call|rule} }
only a rule takes arguments
  init: init kaiming|pytorch|he ( <args> )                     => init { conv kaiming_normal({args}) }
the initialisation must be a plain word
  init: init [:=]? <word>                                      => init {word}
  init: init [:=]? <bare>                                      => init {bare}
a path must be in double quotes
  use: use <rest>                                              => use "{rest|path}"
a body must be in braces
  stem|head|layers|train|init: <word:head> [=:]? <any:inside>              => @body
  stages|block: <stages|block:word> <call:head> :? <any:inside>            => @body
"""


def _yaml(found: Found) -> Mistake | None:
    """`name: vgg` at the start of a file of YAML, or of one in this language."""
    name = found["value"]
    if re.search(r"^(stem|head|layers)\b.*{", found.line.source.text, re.MULTILINE) and name.isidentifier():
        return found.write(f"network {name}")._replace(message=f"there is no `{found['key']}`; use `network`")
    return found.says(PASTED, "YAML")


def _module(found: Found) -> Mistake | None:
    """`from blocks import gate`, of a file next to this one."""
    word = found["word"]
    if word in _LIBRARIES or not re.fullmatch(r"\w+\s+\w+(\s+import\s+[\w, *]+)?", found.span.text):
        return None
    keyword = found.span.text.split()[0]
    return found.write(f'use "{word}.net"')._replace(message=f"`{keyword}` is Python syntax")


def _class(found: Found) -> Mistake | None:
    """`class basic(out, stride=1) {`."""
    name = found["python"]
    if found["args"].strip(" .").endswith("Module"):
        return None
    return found.write(f"block {name}({found['args']}) {{ … }}")._replace(message="a block is a `block`")


def _python(found: Found) -> Mistake:
    word = f"@{found['python']}" if found.span.text.startswith("@") else found["python"]
    help = {
        "def": "remove it: steps run in the order in which they are written",
        "return": "remove it: a body returns the output of its last step",
    }.get(word, "remove it: netdsl generates the Python code")
    return Mistake(f"`{word}` is Python syntax", help, found.span, "Python")


def _assigned(found: Found) -> Mistake | None:
    """`width = 32`, `self.conv1 = nn.Conv2d(3, 64, 3)`."""
    name, rest = found["word"], found["rest"]
    if step := assigned_step(found):
        return found.write(f"layers {{ {step} }}")._replace(language="Python")
    if not name or re.search(r"\w\.\w|['\"(]", rest) or (name in TENSORS and "+" in rest):
        return Mistake("this is Python", PASTED, found.span, "Python")
    return found.write(f"let {name} = {rest}")._replace(message="a constant is defined with `let`")


def _listed(found: Found) -> Mistake | None:
    step = own_call(found["word"], found["given"])
    return found.write(f"layers {{ {step} }}") if step else None


def _outside(found: Found) -> Mistake | None:
    """A step at the top of the file."""
    name, text = found["word"], found.span.text.rstrip(";,")
    own = name in OPERATIONS or name in WORDS
    if not own and name != "unit" and not own_name(name) and text[len(name) :][:1] != "(":
        return None
    if found.brace is not None:
        text = f"{text.rstrip()} {{ … }}"
    step = text if own or found.brace is not None else translated(text) or text
    return found.write(f"layers {{ {step} }}", safe=False)


def _recipe(found: Found) -> Mistake:
    """`train(epochs=10, optimizer=sgd(lr=0.1))`."""
    pairs = [re.fullmatch(r"(\w+)\s*[=:]\s*(.+)", part, re.DOTALL) for part in split(found["args"])]
    lines = [recipe_line(pair[1], pair[2]) if pair else "" for pair in pairs]
    if not all(lines):
        return found.says("write `train { … }`, with each key on its own line, such as `epochs 10`")
    return found.write("\n  ".join(["train {", *lines]) + "\n}")


def _block_name(found: Found) -> Mistake | None:
    words = re.match(r"block\s+([\w.-]+)\s*(.*)", found.span.text)
    return words and found.write(
        f"block {re.sub(r'[^0-9a-zA-Z_]+', '_', words[1])}{words[2].rstrip()} {{ … }}"
    )


def _default(found: Found) -> Mistake:
    """`default bias=no`."""
    key = found["key"]
    for name, operation in OPERATIONS.items():
        if key in (parameter.name for parameter in signature(operation)):
            return found.write(f"default {name}({key}={found['value']})")
    return found.says("remove it: no operation has this argument")


def _stage(found: Found) -> Mistake:
    """`stage residual(16) x5`, `stage residual 16, repeat=5`."""
    given = found["block"] + " " + found["rest"]
    rest = re.sub(r"(?:^|[\s,]+)(?:[x*×]|repeat\b\s*=?)\s*(\d+)", r" repeat=\1", given.strip())
    inside = found["args"].strip()
    listed = ", ".join(filter(None, (inside, *re.split(r"[\s,]+", rest.strip(" ,")))))
    return found.write(f"stage {found['word']}({listed})")


def _body(found: Found) -> Mistake | None:
    """`stem:` and `stem conv(64, 3), relu`."""
    inside = found["inside"]
    head = found["head"] if found["head"] in STATEMENTS else f"{found['word']} {found['head']}"
    if "{" in inside:
        return None
    if inside.endswith(("(", "[")):  # brackets of another language, over several lines
        return found.says(f"write `{head} {{`, and `}}` after the last line of its body")
    inside = re.sub(r"^=?\s*(?:[\w.]*Sequential|[\w.]*ModuleList)?\s*[(\[]*$", "", inside.lstrip(":= "))
    inside = inside[1:-1].strip() if re.fullmatch(r"\(.*\)|\[.*\]", inside) else inside
    return found.write(f"{head} {{ {inside or '…'} }}")


STATEMENT_RULES = read_table(_TABLE, globals())
