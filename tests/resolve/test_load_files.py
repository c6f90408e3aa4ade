"""`use`: blocks of other files, each with the constants, defaults and order of its own text."""

from __future__ import annotations

from pathlib import Path

import pytest

from netdsl.api.loading import load
from netdsl.api.network import Network
from netdsl.base.source import Source
from netdsl.compiler import compile_network
from netdsl.diagnostics.network_error import NetworkError
from netdsl.diagnostics.render_text import render
from tests.support.equality import assert_styles_agree

MAIN = """\
network n
input 3x8x8
classes 2
{uses}
{body}
head {{ global_avgpool, flatten, linear(classes) }}
"""


def main(uses: str, body: str) -> str:
    return MAIN.format(uses=uses, body=body)


def compiled(text: str, files: dict[str, str], name: str = "n.net") -> Network:
    return Network(compile_network(Source(name, text), read=files.__getitem__))


def errors(text: str, files: dict[str, str], name: str = "n.net") -> list[tuple[str, str]]:
    """Code and message of each diagnostic; a file that isn't there can't be read."""

    def read(path: str) -> str:
        if path not in files:
            raise FileNotFoundError(2, "No such file", path)
        return files[path]

    found = compile_network(Source(name, text), read=read).diagnostics
    return [(diagnostic.code, diagnostic.message) for diagnostic in found]


def test_a_library_keeps_its_own_order_default_and_constants() -> None:
    library = (
        "order bn, relu, conv\ndefault conv(bias=no)\nlet width = 5\n"
        "block lib(out) { unit(width, 3), residual(out) }\n"
    )
    text = main('use "lib.net"\nlet width = 7', "stem { conv(4, 3), lib(4), residual(4) }")
    network = compiled(text, {"lib.net": library})
    alone = compiled(
        main("", "stem { conv(4, 3), bn, relu, conv(5, 3, bias=no), a(4), residual(4) }\n"
             "block a(out) { skip { bn, relu, conv(out, 3, bias=no), bn, relu, conv(out, 3, bias=no) } "
             "shortcut { conv(out, 1, bias=no) } }"),
        {},
    )  # fmt: skip
    assert network.parameters_count == alone.parameters_count
    assert network.macs == alone.macs
    assert_styles_agree(network)


def test_paths_are_relative_to_the_using_file() -> None:
    files = {
        "lib/a.net": 'use "deep/b.net"\nblock a { b }\n',
        "lib/deep/b.net": 'use "../../c.net"\nblock b { c, conv(in + 1, 1) }\n',
        "c.net": "block c { conv(in + 2, 1) }\n",
    }
    network = compiled(main('use "lib/a.net"', "stem { a }"), files)
    assert network.parameters_count == (3 * 5 + 5) + (5 * 4 + 4) + (4 * 2 + 2)


def test_a_file_is_read_once() -> None:
    read: list[str] = []
    files = {
        "a.net": 'use "c.net"\nblock a { c }\n',
        "b.net": 'use "c.net"\nuse "./c.net"\nblock b { c }\n',
        "c.net": "block c { relu }\n",
    }

    def reader(path: str) -> str:
        read.append(path)
        return files[path]

    text = main('use "a.net"\nuse "b.net"\nuse "c.net"', "stem { a, b, c }")
    assert compile_network(Source("n.net", text), read=reader).network
    assert sorted(read) == ["a.net", "b.net", "c.net"]


def test_only_the_used_files_own_blocks_are_known() -> None:
    files = {"a.net": 'use "b.net"\nblock a { b }\n', "b.net": "block b { relu }\n"}
    text = main('use "a.net"', "stem { a, b }")
    assert errors(text, files) == [("NET201", "there is no operation or block `b`")]


def test_blocks_of_the_same_name_in_files_that_do_not_meet() -> None:
    files = {"a.net": 'use "b.net"\nblock a { inner(4) }\n', "b.net": "block inner(n) { conv(n, 3) }\n"}
    network = compiled(main('use "a.net"', "block inner(n) { conv(n, 5) }\nstem { a, inner(2) }"), files)
    assert network.parameters_count == (3 * 9 * 4 + 4) + (4 * 25 * 2 + 2) + (2 * 2 + 2)
    assert_styles_agree(network)


def test_a_used_block_takes_the_place_of_a_standard_one() -> None:
    files = {"a.net": "block residual(out, stride=1) { conv(out, 1, stride) }\n"}
    network = compiled(main('use "a.net"', "stage residual(4, repeat=2)"), files)
    assert network.parameters_count == (3 * 4 + 4) + (4 * 4 + 4) + (4 * 2 + 2)


def test_a_block_given_to_a_library() -> None:
    files = {"a.net": "block twice(inner, act=relu) { inner(4), act, inner(4), act }\n"}
    text = main('use "a.net"', "block own(n) { conv(n, 3) }\nstem { twice(own, act=bn), twice(own) }")
    assert_styles_agree(compiled(text, files))


def test_second_definitions() -> None:
    files = {"a.net": "block b { relu }\n", "c.net": "block b { bn }\n"}
    second = ("NET202", "`use` brings in a second block `b`")
    assert errors(main('use "a.net"\nuse "c.net"', "stem { b }"), files) == [second]
    assert errors(main('use "a.net"', "block b { relu }\nstem { b }"), files) == [second]


def test_circles() -> None:
    files = {"a.net": 'use "b.net"\nblock a { relu }\n', "b.net": 'use "a.net"\nblock b { relu }\n'}
    circle = ("NET203", "circular `use`: a.net → b.net → a.net")
    assert errors(main('use "a.net"', "stem { a }"), files) == [circle]
    itself = ("NET203", "a file knows its own blocks without `use`")
    assert errors(main('use "n.net"', "stem { relu }"), {}) == [itself]


def test_a_network_is_no_library() -> None:
    files = {"a.net": "network a\ninput 3x8x8\nstem { relu }\n"}
    message = "a.net is not a library: it has `network`"
    assert errors(main('use "a.net"', "stem { relu }"), files) == [("NET106", message)]


@pytest.mark.parametrize("path", ["a", "/a.net", "a.txt", "C:\\a.net", ""])
def test_paths_that_are_refused(path: str) -> None:
    message = "`use` takes the relative path of a `.net` file"
    assert errors(main(f'use "{path}"', "stem { relu }"), {}) == [("NET100", message)]


def test_files_that_cannot_be_read() -> None:
    (found,) = errors(main('use "a.net"', "stem { relu }"), {}, "nets/n.net")
    assert found == ("NET100", "nets/a.net can't be read: No such file")


def test_errors_of_a_library_name_its_file() -> None:
    text = main('use "a.net"', "stem { b }")
    found = compile_network(Source("n.net", text), read={"a.net": "block b { reluu }\n"}.__getitem__)
    assert "--> a.net:1:11" in render(found.diagnostics[0])


def test_files_on_disk(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "a.net").write_text("block a { conv(in, 3) }\n")
    (tmp_path / "n.net").write_text(main('use "lib/a.net"', "stem { a }"))
    assert load(tmp_path / "n.net").parameters_count == (9 * 9 + 3) + (3 * 2 + 2)
    (tmp_path / "lib" / "a.net").write_bytes(b"\xff\xfe")
    with pytest.raises(NetworkError, match="a.net can't be read: it is not UTF-8 text"):
        load(tmp_path / "n.net")


def test_too_many_files() -> None:
    files = {f"f{i}.net": f'use "f{i + 1}.net"\nblock b{i} {{ relu }}\n' for i in range(200)}
    found = errors(main('use "f0.net"', "stem { relu }"), files)
    assert found == [("NET100", "the network has more than 100 files")]
