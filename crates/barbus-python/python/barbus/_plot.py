"""Candles of bars, drawn with matplotlib."""

# Colours that differ in brightness too, so that they can be told apart without colour.
RISE, FALL = "#2a9d8f", "#c1121f"
# Width of a candle, of the distance between two.
WIDTH = 0.7


def candles(bars, symbol=None, ax=None):
    from matplotlib import pyplot
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    symbols = sorted(set(bars["symbol"]))
    if symbol is None and len(symbols) > 1:
        known = ", ".join(symbols[:5]) + (", …" if len(symbols) > 5 else "")
        raise ValueError(f"these are bars of {len(symbols)} symbols: give one of {known}")
    if symbol is not None and symbol not in symbols:
        raise ValueError(f"no bar of {symbol!r}")
    if ax is None:
        _, ax = pyplot.subplots()

    shown = bars["symbol"] == symbol if symbol is not None else slice(None)
    open_, high, low, close = (bars[name][shown] for name in ("open", "high", "low", "close"))
    times = _local(bars["frame"][shown], bars.zone)
    places = range(len(times))
    # A place for each bar, not for each minute: breaks and nights take no room.
    colours = [RISE if last >= first else FALL for first, last in zip(open_, close)]
    ax.vlines(places, low, high, colors=colours, linewidth=0.8)
    ax.bar(places, close - open_, WIDTH, bottom=open_, color=colours, edgecolor=colours, linewidth=0.8)
    for place in places[1:]:
        if times[place].date() != times[place - 1].date():
            ax.axvline(place - 0.5, color="0.8", linewidth=0.8, zorder=0)

    one_day = len({time.date() for time in times}) < 2
    pattern = "%H:%M" if one_day else "%m-%d %H:%M"

    def label(place, _position):
        at = round(place)
        return times[at].strftime(pattern) if 0 <= at < len(times) and abs(place - at) < 0.01 else ""

    ax.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True))
    ax.xaxis.set_major_formatter(FuncFormatter(label))
    title = symbol if symbol is not None else "".join(symbols)
    ax.set_title(f"{title}  {times[0].date()}" if one_day and times else title)
    return ax


def _local(frames, zone):
    import datetime
    import zoneinfo

    local = zoneinfo.ZoneInfo(zone)
    utc = datetime.timezone.utc
    return [time.replace(tzinfo=utc).astimezone(local) for time in frames.astype("datetime64[ms]").tolist()]
