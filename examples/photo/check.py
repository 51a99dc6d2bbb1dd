"""Checks of the photo example: check.py PROGRAM NAME runs the check of that name. The pictures are made here."""

import pathlib
import struct
import subprocess
import sys
import tempfile
import zlib


def png(width, height):
    """A PNG with other values in each pixel."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(
        b"\0" + bytes(v % 256 for x in range(width) for v in (5 * x + y, 7 * y, 3 * (x ^ y))) for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Check:
    def __init__(self, program, folder):
        self.program = program
        self.folder = folder

    def picture(self, name, data):
        path = self.folder / name
        path.write_bytes(data)
        return path

    def run(self, picture, out):
        return subprocess.run([self.program, picture, out], capture_output=True, text=True)

    def refused(self, picture, out, *words):
        done = self.run(picture, out)
        lines = done.stderr.splitlines()
        assert done.returncode == 2 and done.stdout == "", done
        assert len(lines) == 1 and lines[0].startswith("photo: "), done.stderr
        assert all(word in lines[0] for word in words), done.stderr

    def develops_a_small_picture(self):
        out = self.folder / "out"
        done = self.run(self.picture("small.png", png(24, 17)), out)
        assert done.returncode == 0, done
        for name, size in (("before", (24, 17)), ("after", (24, 17)), ("before_after", (48, 17)),
                           ("before_after_half", (24, 8))):
            assert struct.unpack(">II", (out / f"{name}.png").read_bytes()[16:24]) == size, name

    def refuses_damaged_pictures(self):
        whole = png(24, 17)
        jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0\xff\xdb\0\x43\0"
        for name, data in (("cut.png", whole[:len(whole) // 2]), ("head.png", whole[:20]), ("cut.jpg", jpeg), ("empty.png", b"")):
            self.refused(self.picture(name, data), self.folder / "out", name, "not a PNG or JPEG that can be read")
        assert not (self.folder / "out").exists()

    def refuses_a_picture_too_small(self):
        for width, height in ((1, 1), (40, 9)):
            self.refused(self.picture("tiny.png", png(width, height)), self.folder / "out", "tiny.png",
                         f"{width} x {height}", "too small")

    def refuses_a_folder_that_cannot_be_made(self):
        self.refused(self.picture("small.png", png(24, 17)), self.picture("file", b"") / "out", "cannot be written")

    def says_how_it_is_used(self):
        usage = "usage: example_photo [PICTURE [FOLDER]]"
        for arguments, code in ((["--help"], 0), (["--size", "3"], 2), (["a", "b", "c"], 2)):
            done = subprocess.run([self.program, *arguments], capture_output=True, text=True)
            assert done.returncode == code and (done.stdout if code == 0 else done.stderr).startswith(usage), done


with tempfile.TemporaryDirectory() as made:
    getattr(Check(sys.argv[1], pathlib.Path(made)), sys.argv[2])()
