"""Files of text that are no tables, by their lines: ARFF, LIBSVM's and fastText's; and a command that makes a
table of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.datasets.commands import for_shell
from harness.datasets.unpacking import unpacked

LABEL = "__label__"
"""How fastText marks a label of a line."""
LOOKED_AT = 1 << 16
"""Bytes of a file."""
_SPARSE = re.compile(
    rb"(?:[-+0-9.eE]+(?P<several>(?:,[-+0-9.eE]+)+)?\s+)?(?P<query>qid:[0-9]+\s+)?"
    rb"[0-9]+:[-+0-9.eE]+(?:\s+[0-9]+:[-+0-9.eE]+)*(?:\s*#.*)?"
)
"""Labels, and columns by their numbers with a colon before each value."""


def other_text(path: Path) -> tuple[str, str] | None:
    """What a text is that is no table, and the cure; None where it may be one.

    Raises:
        DataError: it is packed and cannot be unpacked.
    """
    with unpacked(path) as stream:
        head = bytes(stream.read(LOOKED_AT)).removeprefix(b"\xef\xbb\xbf")
    lines = [line.strip() for line in head.splitlines()]
    lines = [line for line in lines if line and not line.startswith((b"%", b"#"))]
    if not lines:
        return None
    if any(line.lower().startswith((b"@inputs", b"@outputs")) for line in lines[:1000]):
        return "is written as KEEL does it", _of_keel(path)
    if any(line.lower().startswith(b"@classlabel true") for line in lines[:100]):
        return "is a file of time series with their classes", _of_series(path)
    if lines[0].lower().startswith((b"@relation", b"@attribute")):
        return "is ARFF", _of_arff(path, lines)
    if lines[0].startswith(LABEL.encode()):
        return "is written as fastText does it", _of_fasttext(path, lines)
    if _SPARSE.fullmatch(lines[0]):
        return "is a table in LIBSVM's form", _of_sparse(path, lines)
    return None


def _of_arff(path: Path, lines: Sequence[bytes]) -> str:
    texts = any(re.match(rb"@attribute\s+('[^']*'|\S+)\s+string", line, re.IGNORECASE) for line in lines)
    if texts or any(line.startswith(b"{") for line in lines):  # scipy reads neither
        code = (
            f"import arff, pandas, pathlib; d = arff.loads(pathlib.Path({str(path)!r}).read_text('utf-8')); "
            "pandas.DataFrame(d['data'], columns=[n for n, _ in d['attributes']])"
        )
        return f"pip install liac-arff and {_command(path, code)}"
    code = (
        f"import pandas, scipy.io.arff as arff; rows = pandas.DataFrame(arff.loadarff({str(path)!r})[0]); "
        "rows.apply(lambda c: c.str.decode('utf-8') if c.dtype == object else c)"
    )
    return _command(path, code)


def _of_keel(path: Path) -> str:
    return _table(
        path,
        "n = [re.split(r'[\\s{]', x)[1] for x in s[:i] if x.lower().startswith('@attribute')]; "
        "pandas.DataFrame([[c.strip() for c in x.split(',')] for x in s[i:]], columns=n)",
    )


def _of_series(path: Path) -> str:
    """A row each, the values of all dimensions side by side."""
    return _table(
        path,
        "v = lambda x: x.rpartition(':')[0].replace(':', ',').split(','); pandas.DataFrame([{**{f'x{k + 1}': "
        "c for k, c in enumerate(v(x))}, 'target': x.rpartition(':')[2]} for x in s[i:]])",
    )


_AFTER_DATA = (
    "import pandas, pathlib, re; s = [x.strip() for x in pathlib.Path({0!r}).read_text().splitlines() if "
    "x.strip()]; i = [x.lower() for x in s].index('@data') + 1"
)
"""The lines of a file, and where its rows begin."""


def _table(path: Path, made: str) -> str:
    written = f".to_csv({str(_beside(path, 'csv'))!r}, index=False)"
    code = for_shell(f"{_AFTER_DATA.format(str(path))}; {made}{written}")
    return f'make a table of it, `python -c "{code}"`'


def _of_sparse(path: Path, lines: Sequence[bytes]) -> str:
    found = [match for line in lines if (match := _SPARSE.fullmatch(line))]
    by_query, several = any(m["query"] for m in found), any(m["several"] for m in found)
    code = (
        f"import pandas, sklearn.datasets as d; x, y{', q' if by_query else ''} = d.load_svmlight_file("
        f"{str(path)!r}{', query_id=True' if by_query else ''}{', multilabel=True' if several else ''}); "
        "pandas.DataFrame(x.toarray()).add_prefix('x').assign(y="
        + ("['|'.join(f'{v:g}' for v in t) for t in y]" if several else "y")
        + (", qid=q)" if by_query else ")")
    )
    said = "; rows of one query belong together, `group: qid`" if by_query else ""
    return _command(path, code) + said + (_SEVERAL if several else "")


def _of_fasttext(path: Path, lines: Sequence[bytes]) -> str:
    file, out = f"pathlib.Path({str(path)!r})", str(_beside(path, "csv"))
    is_packed = path.suffix.lower() == ".gz"
    text = f"gzip.decompress({file}.read_bytes()).decode()" if is_packed else f"{file}.read_text('utf-8')"
    code = for_shell(
        f"import gzip, pandas, pathlib; s = {text}; pandas.DataFrame([("
        f"'|'.join(x[{len(LABEL)}:] for x in r.split() if x.startswith({LABEL!r})), "
        f"' '.join(x for x in r.split() if not x.startswith({LABEL!r}))) "
        f"for r in s.split('\\n') if r.strip()], columns=['label', 'text']).to_csv({out!r}, index=False)"
    )
    several = any(line.count(LABEL.encode()) > 1 for line in lines)
    return f'make a table of it, `python -c "{code}"`{_SEVERAL if several else ""}'


_SEVERAL = (
    '; its rows have several labels, which take `label_separator: "|"` and `task: multilabel_classification`'
)


def _command(path: Path, code: str) -> str:
    line = for_shell(f"{code}.to_parquet({str(_beside(path, 'parquet'))!r})")
    return f'write it as Parquet, `python -c "{line}"`'


def _beside(path: Path, ending: str) -> Path:
    stem = Path(path.stem).stem if path.suffix.lower() == ".gz" else path.stem
    return path.with_name(f"{stem}.{ending}")
