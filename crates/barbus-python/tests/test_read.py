"""Promise 10: files are understood as the command line understands them, and doubts are raised."""

import datetime

import pytest

import barbus

HEADER = "symbol,frame,open,high,low,close,volume\n"


def rows(symbol, day="2024-03-04", first=31, count=5):
    return "".join(f"{symbol},{day} 09:{minute},10,11,9,10.5,{minute}\n" for minute in range(first, first + count))


def test_a_file_and_a_folder_are_read(tmp_path):
    (tmp_path / "a.csv").write_text(HEADER + rows("A"))
    (tmp_path / "b.csv").write_text(HEADER + rows("B", first=33))
    bars = barbus.read(tmp_path / "a.csv", calendar="XSHG")
    assert [bar.symbol for bar in bars] == ["A"] * 5
    first = next(iter(bars))
    assert first.frame.astimezone(datetime.timezone.utc).isoformat() == "2024-03-04T01:31:00+00:00"
    assert (first.close, first.volume) == (10.5, 31.0)
    both = barbus.read(tmp_path, calendar="XSHG")
    frames = [bar.frame_ms for bar in both]
    assert len(frames) == 10 and frames == sorted(frames)
    assert len(barbus.read([tmp_path / "a.csv", tmp_path / "b.csv"], calendar="XSHG")) == 10


def test_a_layout_and_the_arguments_of_the_flags(tmp_path):
    file = tmp_path / "AAAUSDT-1m-2024-03-04.csv"
    file.write_text("1709510400000,1.5,1.75,1.25,1.625,100,1709510459999,160.5,7,50,80.25,0\n")
    (bar,) = barbus.read(file)
    assert (bar.symbol, bar.frame_ms, bar.money) == ("AAAUSDT", 1709510460000, 160.5)
    (bar,) = barbus.read(file, symbol="ZZZ", label="end", scale=10)
    assert (bar.symbol, bar.frame_ms, bar.close) == ("ZZZ", 1709510400000, 16.25)


def test_what_is_doubtful_or_wrong_is_raised(tmp_path):
    dates = tmp_path / "days.csv"
    dates.write_text(HEADER + "".join(f"A,2024-03-{day:02},10,11,9,10,1\n" for day in range(4, 9)))
    with pytest.raises(barbus.Error, match="trust=True"):
        barbus.read(dates, calendar="XSHG")
    bad = tmp_path / "bad.csv"
    bad.write_text(HEADER + rows("A") + "A,2024-03-04 09:40,ten,11,9,10,1\n")
    with pytest.raises(barbus.Error, match="1 rows cannot be read"):
        barbus.read(bad, calendar="XSHG")
    assert len(barbus.read(bad, calendar="XSHG", trust=True)) == 5
    with pytest.raises(barbus.Error, match="No such file"):
        barbus.read(tmp_path / "missing.csv")
    with pytest.raises(ValueError, match="symbols: no such argument"):
        barbus.read(bad, symbols="A")
    with pytest.raises(ValueError, match="zone: unknown time zone"):
        barbus.read(bad, zone="Mars")


def test_symbols_without_zeros_and_decimal_commas(tmp_path):
    codes = tmp_path / "codes.csv"
    codes.write_text(HEADER + rows("1"))
    with pytest.raises(barbus.Error, match="--symbol-digits 6"):
        barbus.read(codes, calendar="XSHG")
    assert {bar.symbol for bar in barbus.read(codes, calendar="XSHG", symbol_digits=6)} == {"000001"}
    commas = tmp_path / "commas.csv"
    commas.write_text("symbol;frame;open;high;low;close;volume\nA;2024-03-04 09:31;1,250;1,500;1,125;1,375;7\n")
    with pytest.raises(barbus.Error, match="--decimal comma"):
        barbus.read(commas, calendar="XSHG")
    (bar,) = barbus.read(commas, calendar="XSHG", decimal="comma")
    assert bar.close == 1.375
    with pytest.raises(ValueError, match="symbol_digits: give a number"):
        barbus.read(codes, symbol_digits=0)
