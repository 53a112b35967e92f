"""One damaged byte costs one record, wherever it is."""

import pytest

from overfit_monitor_tensorboard import framing
from overfit_monitor_tensorboard.framing import Damage, looks_like_records, masked_crc, read_records

RECORDS = 6


@pytest.fixture
def content(logs):
    """The bytes of six records of one size and where each begins."""
    records = [logs.scalar("loss", step, 0.5) for step in range(1, RECORDS + 1)]
    return b"".join(records), [sum(map(len, records[:i])) for i in range(RECORDS)]


def read(path):
    damage = Damage(path)
    return [record.offset for record in read_records(path, damage) if record.intact()], damage.notes()


def test_the_crc_is_castagnoli():
    # RFC 3720, appendix B.4: CRC-32C of 32 zero bytes.
    crc = 0x8A9136AA
    assert masked_crc(bytes(32)) == (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_whole_file(content, tmp_path):
    path = tmp_path / "events"
    path.write_bytes(content[0])
    assert read(path) == (content[1], ())


def test_any_flipped_byte_costs_its_own_record_only(content, tmp_path):
    whole, offsets = content
    path = tmp_path / "events"
    for at in range(len(whole)):
        damaged = bytearray(whole)
        damaged[at] ^= 0x40
        path.write_bytes(damaged)
        hit = max(offset for offset in offsets if offset <= at)
        assert read(path)[0] == [offset for offset in offsets if offset != hit], at


def test_a_file_cut_anywhere_gives_all_whole_records(content, tmp_path):
    whole, offsets = content
    path = tmp_path / "events"
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        found, notes = read(path)
        cut = max((offset for offset in offsets if offset <= end), default=0)
        assert found == [offset for offset in offsets if offset < cut], end
        assert notes == (
            () if end == cut else (f"{path}: the record at byte {cut} is damaged or cut off and was skipped.",)
        )


@pytest.mark.parametrize(
    "filling",
    [b"\0" * 5000, b"\0" * 20_000_000, b"not a record at all" * 300, b"\xff" * 17, b"\1\0\0\0\0" * 999],
    ids=["zeros", "very many zeros", "text", "ones", "small numbers"],
)
def test_records_are_found_behind_anything(filling, content, tmp_path):
    path = tmp_path / "events"
    path.write_bytes(content[0] + filling + content[0])
    found, notes = read(path)
    assert found == content[1] + [len(content[0]) + len(filling) + offset for offset in content[1]]
    assert notes == (f"{path}: the record at byte {len(content[0])} is damaged or cut off and was skipped.",)


def test_a_header_across_the_edge_of_a_chunk_is_found(content, tmp_path, monkeypatch):
    monkeypatch.setattr(framing, "_CHUNK", 64)
    path = tmp_path / "events"
    for filling in range(50, 80):
        path.write_bytes(b"?" * filling + content[0])
        assert read(path)[0] == [filling + offset for offset in content[1]], filling


def test_a_torn_record_inside_the_file_hides_nothing_behind_it(content, tmp_path):
    whole, offsets = content
    path = tmp_path / "events"
    path.write_bytes(whole[: offsets[1] + 20] + whole)
    assert read(path)[0] == [0, *(offsets[1] + 20 + offset for offset in offsets)]


def test_many_damages_are_counted_and_not_all_named(logs, tmp_path):
    path = tmp_path / "events"
    good, bad = logs.scalar("loss", 1, 0.5), bytearray(logs.scalar("loss", 1, 0.5))
    bad[0] ^= 1
    path.write_bytes((good + bytes(bad)) * 20)
    found, notes = read(path)
    assert (len(found), len(notes)) == (20, 6)
    assert notes[-1] == f"{path}: 15 more record(s) were skipped after that."


@pytest.mark.parametrize("head", [b"", b"\0" * 64, b"epoch,loss\n0,1.0\n", b"{}" * 20])
def test_what_is_no_record(head):
    assert not looks_like_records(head)


def test_what_is_a_record(content):
    assert looks_like_records(content[0][:12])
    assert not looks_like_records(content[0][:11])
