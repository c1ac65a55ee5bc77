"""Tables in the terminal."""

import tables


def test_a_name_is_never_a_style_and_a_column_of_nothing_is_left_out(capsys):
    tables.show("of [bold]", ["class", "nothing", "[i]"], [["[dog]", "", "1"], ["cat", "", "12"]], words=("class",))
    out = capsys.readouterr().out
    assert "of [bold]" in out and "[dog]" in out and "[i]" in out and "nothing" not in out
    assert "│ [dog] │   1 │" in out and "│ cat   │  12 │" in out
