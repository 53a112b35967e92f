"""Histories in formats that are not opened, because reading them may run code, and what to do instead.

A pickle runs whatever code its writer put in. It is recognized by its first bytes and left closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable
from overfit_monitor.readers.pairing import Names, place
from overfit_monitor.readers.table import names_metric

_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(dp0|\(lp0|ccopy_reg\n")
_TAR_MAGIC: Final = slice(257, 262)
_JOBLIB_SUFFIXES: Final = frozenset({".joblib", ".pkl", ".pickle", ".z", ".gz", ".bz2", ".xz", ".lzma"})
# Short strings as pickles, HDF5 and NumPy hold them among binary data.
_NAMES = re.compile(rb"[A-Za-z][A-Za-z0-9_/]{2,60}")
_WEIGHTS = re.compile(rb"state_dict|optimizer|_rebuild_tensor|torch\.|model_weights|sklearn|kernel")

_DUMP: Final = "json.dump({k: [float(x) for x in v] for k, v in history.items()}, open('history.json', 'w'))"
_TRUSTED: Final = "export it where you trust it:"


class Format(NamedTuple):
    """A format that is not opened.

    Attributes:
        id: Short name.
        what: What it is.
        advice: What to do instead.
        code: One line of Python that does it, with ``FILE`` for the name of the file; empty for none.
    """

    id: str
    what: str
    advice: str
    code: str


FORMATS: Final = (
    Format(
        "pickle",
        "a pickle, which is not opened because that can run code",
        _TRUSTED,
        f"history = pickle.load(open(FILE, 'rb')); {_DUMP}",
    ),
    Format(
        "joblib",
        "a compressed pickle or an archive, which is not opened",
        _TRUSTED,
        f"history = joblib.load(FILE); {_DUMP}",
    ),
    Format(
        "torch",
        "a zip archive (a PyTorch checkpoint, a Keras model, .npz or a workbook), which is not opened",
        "for a history in a .pt file:",
        f"history = torch.load(FILE, weights_only=True); {_DUMP}",
    ),
    Format(
        "npy-objects",
        "a NumPy array of Python objects, which is a pickle and not opened because that can run code",
        _TRUSTED,
        f"history = np.load(FILE, allow_pickle=True).item(); {_DUMP}",
    ),
    Format(
        "npy",
        "a NumPy array, whose columns have no names",
        "give them names:",
        "np.savetxt('history.csv', np.load(FILE), delimiter=',', header='train_loss,val_loss', comments='')",
    ),
    Format(
        "hdf5",
        "an HDF5 file, which is not opened",
        "for a history of arrays:",
        f"history = {{k: v[:] for k, v in h5py.File(FILE).items()}}; {_DUMP}",
    ),
    Format("archive", "an archive, which is not opened", "unpack it and name the folder", ""),
    Format(
        "parquet", "a Parquet file, which is not opened", "as CSV:", "pandas.read_parquet(FILE).to_csv('history.csv')"
    ),
    Format("sqlite", "an SQLite database without MLflow's tables", "export the metrics as CSV", ""),
)
_BY_ID: Final = {known.id: known for known in FORMATS}
_BY_MAGIC: Final = (
    (b"\x93NUMPY", "npy"),
    (b"PK\x03\x04", "torch"),
    (b"PK\x05\x06", "torch"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PAR1", "parquet"),
    (b"SQLite format 3\0", "sqlite"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ\0", "archive"),
    (b"\x28\xb5\x2f\xfd", "archive"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
)


@final
@dataclass(frozen=True, slots=True)
class Refused:
    """Recognizes pickled histories, and refuses them with what to do instead.

    Attributes:
        names: Not taken: nothing is read.
    """

    names: Names | None = None
    name: str = "refused"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it is of a format that is not opened, and names of metrics stand in its head.

        Weights of a model are none, and are passed over like any other file that is no log.
        """
        known = format_of(path, head)
        if known is None or known.id in {"torch", "archive", "joblib", "sqlite"} or _WEIGHTS.search(head):
            return False
        words = {word.decode() for word in _NAMES.findall(head)}
        return any((place(word) and names_metric(word)) or word == "loss" for word in words)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Refuse each file.

        Raises:
            UnreadableError: Always; says what the file is and how to export it.
        """
        for path in paths:
            with path.open("rb") as file:
                raise UnreadableError(f"{path}: {why_refused(path, file.read(512)) or 'a file that is not opened'}")
        return ()


def format_of(path: Path, head: bytes) -> Format | None:
    """Return the format that is not opened which a file is of, None where it is of none."""
    if _PICKLE.match(head):
        return _BY_ID["pickle"]
    id = next((id for magic, id in _BY_MAGIC if head.startswith(magic)), None)
    if id == "npy" and b"'|O'" in head[:200]:
        id = "npy-objects"
    elif id == "archive" and path.suffix.lower() in _JOBLIB_SUFFIXES - {".gz"}:
        id = "joblib"
    elif id is None and head[_TAR_MAGIC] == b"ustar":
        id = "archive"
    elif id is None and path.suffix.lower() in {".joblib", ".z", ".pkl", ".pickle"} and head[:1] == b"\x78":
        id = "joblib"
    return None if id is None else _BY_ID[id]


def why_refused(path: Path, head: bytes) -> str | None:
    """Return what a file is and what to do instead, in one line; None where it is of no format refused."""
    known = format_of(path, head)
    if known is None:
        return None
    return f"{known.what}: {known.advice} {known.code.replace('FILE', repr(printable(path.name)))}".rstrip()
