"""Two kinds of charts as SVG text: dots by row, and curves over a logarithmic axis. Plain Python, so that they are tested wherever the
tests run; report.py has `rsvg-convert` make PNG of them."""

import dataclasses
import html
import math

FONT = "DejaVu Sans, Verdana, sans-serif"
INK, FAINT, GRID = "#222222", "#666666", "#dddddd"
# Of Okabe and Ito: told apart by all eyes. Heddle's is the strong one.
COLOURS = {"heddle": "#d55e00", "torch": "#56b4e9", "torch.compile": "#0072b2", "jax": "#009e73", "mlx": "#cc79a7",
           "drjit": "#b58900"}
TITLES = {"heddle": "Heddle", "torch": "torch eager", "torch.compile": "torch.compile", "jax": "JAX", "mlx": "MLX",
          "drjit": "Dr.Jit"}


def width_of(text, size):
    """About, in the fonts above; a little more than less."""
    shares = (0.38 if letter in " .,:;ijlftrI|()" else 0.95 if letter in "mwMW" else 0.72 if letter.isupper() else 0.63 for letter in text)
    return size * sum(shares)


class Drawing:
    def __init__(self):
        self.parts = []

    def text(self, x, y, text, size=12, anchor="start", colour=INK, weight="normal"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{colour}" '
                          f'font-weight="{weight}">{html.escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour=GRID, width=1.0, dash=""):
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"{dashes}/>')

    def path(self, points, colour, width):
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="{width}" '
                          'stroke-linejoin="round"/>')

    def dot(self, x, y, radius, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" fill="{colour}" stroke="#ffffff" stroke-width="0.8"/>')

    def upward(self, x, y, colour):
        """A hollow triangle: the true value lies above."""
        self.parts.append(f'<path d="M{x - 5:.1f},{y + 4:.1f} L{x + 5:.1f},{y + 4:.1f} L{x:.1f},{y - 5:.1f} Z" fill="#ffffff" '
                          f'stroke="{colour}" stroke-width="1.6"/>')

    def svg(self, width, height):
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
                f'height="{height:.0f}" font-family="{FONT}">\n<rect width="100%" height="100%" fill="#ffffff"/>\n'
                + "\n".join(self.parts) + "\n</svg>\n")


@dataclasses.dataclass(frozen=True)
class Axis:
    """Values to pixels."""
    low: float
    high: float
    start: float
    end: float
    logarithmic: bool = False

    def at(self, value):
        scale = math.log10 if self.logarithmic else float
        share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))
        return self.start + share * (self.end - self.start)


def decades(low, high):
    """Powers of ten from at or below `low` to at or above `high`; at least one apart."""
    first, last = math.floor(math.log10(low) + 1e-9), math.ceil(math.log10(high) - 1e-9)
    return [10.0 ** k for k in range(first, max(last, first + 1) + 1)]


def round_steps(high, count=6):
    """0 and multiples of 1, 2 or 5 times a power of ten, about `count`, up to the first at or above `high`."""
    rough = high / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough)
    return [step * k for k in range(math.ceil(high / step - 1e-9) + 1)]


def legend(drawing, x, y, systems, right, notes=()):
    """A row of names with their colours, broken where the width ends; gives the y below it."""
    left = x
    for system in systems:
        needed = 18 + width_of(TITLES[system], 12) + 14
        if x + needed > right and x > left:
            x, y = left, y + 20
        drawing.dot(x + 6, y - 4, 6 if system == "heddle" else 5, COLOURS[system])
        drawing.text(x + 18, y, TITLES[system], weight="bold" if system == "heddle" else "normal")
        x += needed
    for note in notes:
        needed = 18 + width_of(note, 11)
        if x + needed > right and x > left:
            x, y = left, y + 20
        drawing.upward(x + 6, y - 4, FAINT)
        drawing.text(x + 18, y, note, size=11, colour=FAINT)
        x += needed
    return y + 14


def systems_in(names):
    """In the order of the legend."""
    return [system for system in TITLES if system in names]


def dots_by_row(title, subtitle, rows, unit, limit=None):
    """`rows`: (label, {system: value}); `limit`: (name, value) of a line that all are below, about."""
    drawing, width, row_height = Drawing(), 860, 27
    drawing.text(20, 30, title, size=17, weight="bold")
    drawing.text(20, 50, subtitle, colour=FAINT)
    top = legend(drawing, 20, 76, systems_in({name for _, values in rows for name in values}), width - 20) + 22
    left = 34 + max(width_of(label, 12) for label, _ in rows)
    values = [value for _, row in rows for value in row.values()] + ([limit[1]] if limit else [])
    ticks = round_steps(max(values) * 1.02)
    axis, bottom = Axis(0, ticks[-1], left, width - 30), top + row_height * len(rows)
    for tick in ticks:
        drawing.line(axis.at(tick), top, axis.at(tick), bottom)
        drawing.text(axis.at(tick), bottom + 18, f"{tick:,.6g}", anchor="middle", colour=FAINT)
    drawing.text((left + width - 30) / 2, bottom + 38, unit, anchor="middle", colour=FAINT)
    for number, (label, row) in enumerate(rows):
        y = top + row_height * (number + 0.5)
        drawing.line(left, y, width - 30, y, colour="#eeeeee")
        drawing.text(left - 10, y + 4, label, anchor="end")
        for system in reversed(systems_in(row)):  # Heddle's lies on top
            drawing.dot(axis.at(row[system]), y, 7 if system == "heddle" else 5.5, COLOURS[system])
    if limit:
        x = axis.at(limit[1])
        drawing.line(x, top - 4, x, bottom, colour=INK, width=1.4, dash="5,4")
        # Inside of the picture whatever the value is.
        room = width - 20 - x >= width_of(limit[0], 11) / 2
        drawing.text(x if room else width - 20, top - 9, limit[0], size=11, anchor="middle" if room else "end")
    return drawing.svg(width, bottom + 54)


@dataclasses.dataclass(frozen=True)
class Curve:
    points: list  # (x, y), x ascending
    above: list = dataclasses.field(default_factory=list)  # (x, y): the value there is above y


def curves(title, subtitle, by_system, x_label, y_label, x_text, y_text, above_note=""):
    """Both axes are logarithmic. `by_system`: {system: Curve}; `x_text`, `y_text`: a tick's value to its label. The ticks of x are its values."""
    drawing, width, height, left, right = Drawing(), 760, 490, 92, 734
    drawing.text(20, 30, title, size=17, weight="bold")
    drawing.text(20, 50, subtitle, colour=FAINT)
    all_points = [point for curve in by_system.values() for point in curve.points + curve.above]
    notes = [above_note] if any(curve.above for curve in by_system.values()) else []
    top, bottom = legend(drawing, 20, 76, systems_in(by_system), right, notes) + 32, height - 56
    xs = sorted({x for x, _ in all_points})
    steps = decades(min(y for _, y in all_points), max(y for _, y in all_points))
    across = Axis(xs[0], xs[-1] if len(xs) > 1 else xs[0] * 10, left + 14, right - 14, True)
    upward = Axis(steps[0], steps[-1], bottom, top, True)
    for step in steps:
        drawing.line(left, upward.at(step), right, upward.at(step))
        drawing.text(left - 8, upward.at(step) + 4, y_text(step), anchor="end", colour=FAINT)
    for x in xs:
        drawing.line(across.at(x), bottom, across.at(x), bottom + 5, colour=FAINT)
        drawing.text(across.at(x), bottom + 20, x_text(x), anchor="middle", colour=FAINT)
    drawing.text((left + right) / 2, height - 14, x_label, anchor="middle", colour=FAINT)
    drawing.text(20, top - 18, y_label, colour=FAINT)
    for system in reversed(systems_in(by_system)):
        curve, strong = by_system[system], system == "heddle"
        places = [(across.at(x), upward.at(y)) for x, y in curve.points]
        over = [(across.at(x), upward.at(y)) for x, y in curve.above]
        drawing.path(places, COLOURS[system], 2.8 if strong else 1.8)
        for x, y in places:
            drawing.dot(x, y, 5 if strong else 4, COLOURS[system])
        for x, y in over:
            drawing.upward(x, y, COLOURS[system])
    return drawing.svg(width, height)
