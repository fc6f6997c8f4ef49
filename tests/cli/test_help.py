"""What every command owes its reader, asked of the whole tree."""

import pytest
from typer.core import TyperGroup

from qtops.cli.app import PARTS, build_root
from qtops.cli.hoist import GLOBAL_ONLY, OUTPUT_OPTIONS
from qtops.cli.options import laid_out


def commands(group, path=("qtops",)):
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(build_root()))


@pytest.mark.parametrize("path", COMMANDS)
def test_help_has_one_line_an_example_and_exit_codes(path, shell):
    text = shell(*path.split()[1:], "--help").out
    lines = text.splitlines()
    assert lines[0].startswith(f"Usage: {path} ")
    summary = COMMANDS[path].help.replace("\b\n", "").split("\n\n")[0]
    assert "\n" not in summary
    assert f"Example: {path}" in text
    assert "Exit codes: 0 " in text


@pytest.mark.parametrize("path", COMMANDS)
def test_no_command_redefines_an_output_option(path):
    own = {spelling for parameter in COMMANDS[path].params for spelling in parameter.opts}
    assert not own & set(OUTPUT_OPTIONS)


def test_the_root_defines_every_output_and_global_option():
    own = {spelling for parameter in build_root().params for spelling in parameter.opts}
    assert set(OUTPUT_OPTIONS) | GLOBAL_ONLY <= own


@pytest.mark.parametrize("path", COMMANDS)
def test_help_is_plain(path):
    assert COMMANDS[path].rich_markup_mode is None


def test_every_word_is_there_once():
    names = [part.name for part in PARTS]
    assert len(names) == len(set(names))


def test_hidden_words_work_but_are_not_listed(shell):
    assert "plumbing" not in shell("--help").out
    assert shell("plumbing", "--help").code == 0


def test_the_example_keeps_its_lines():
    text = "One line.\n\nExample: qtops x\n  second line\n\nExit codes: 0 fine."
    assert laid_out(text) == text.replace("Example", "\b\nExample")
