"""Results as Markdown tables, which read well in a terminal too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import Cell, Metric

__all__ = ["comparison", "markdown", "number", "times"]

REASON_WIDTH = 60


def number(value: float) -> str:
    """A figure with about three significant digits, and commas in thousands; a count (an int) in full."""
    size = abs(value)
    if size >= 100 or isinstance(value, int):
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def times(ratio: float) -> str:
    """A ratio, such as "2.53x"; small ones keep two digits that say something."""
    return f"{ratio:.2f}x" if ratio >= 0.1 else f"{ratio:.2g}x"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A padded Markdown table; the first column is text, the others are aligned to the right."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        first, *others = (
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *others]) + " |"

    first, *others = widths
    rule = "|".join(["", "-" * (first + 2), *("-" * (width + 1) + ":" for width in others), ""])
    return "\n".join([line(header), rule, *(line(row) for row in rows)])


def comparison(metrics: Sequence[Metric], stacks: Sequence[str], cells: Mapping[str, Mapping[str, Cell]]) -> str:
    """The table of the comparison: a line a metric, a column a stack, `median = ratio` in each cell.

    `cells` is by metric name, then by stack. A ratio says how many times as good as the better of go and rust;
    upgrades name the ratio to go as well.
    """
    rows = []
    for metric in metrics:
        by_stack = cells.get(metric.name, {})
        row = [f"{metric.name} ({metric.unit}{'' if metric.higher_is_better else ', lower is better'})"]
        for stack in stacks:
            row.append(_cell(by_stack[stack], with_go=metric.name == "upgrades") if stack in by_stack else "-")
        rows.append(row)
    return markdown(["", *stacks], rows)


def _shorten(reason: str) -> str:
    """A reason fit for a cell; the whole of it is in the results and was printed when it happened."""
    return reason if len(reason) <= REASON_WIDTH else reason[: REASON_WIDTH - 1] + "…"


def _cell(cell: Cell, *, with_go: bool) -> str:
    if cell.median is None:
        return f"failed: {_shorten(cell.failures[0])}"
    text = number(cell.median)
    if cell.ratio is not None:
        text += f" = {times(cell.ratio)}"
    if with_go and "go" in cell.ratio_to:
        text += f" ({times(cell.ratio_to['go'])} go)"
    if cell.failures:
        text += f" ({len(cell.failures)} of {cell.rounds} failed: {_shorten(cell.failures[0])})"
    return text
