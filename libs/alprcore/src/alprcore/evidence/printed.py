"""The pages of a package that a person reads: the cover, and how to verify the package without Plateline."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from alprcore.evidence.origin import FRAME, FRAME_SIGNATURE
from alprcore.evidence.packing import KEY, SIGNATURE, SUMS, About, Cover, Redaction, volume_name

_WIDTH = 88


def cover_text(about: About, cover: Cover, redactions: Sequence[Redaction], *, number: int, reads: int) -> bytes:
    """Write the cover: confidentiality first, then whose package, for whom, for what, and what was left out (SHR-09)."""
    rows = [
        ("Number", cover.number),
        ("Agency", cover.agency_name),
        ("For", ", ".join(filter(None, (cover.recipient_person, cover.recipient_agency)))),
        ("Case", cover.case_reference),
        ("Purpose", cover.purpose),
        ("Package", f"{about.package_id}, volume {number}, {reads} reads"),
        ("Made", f"{about.opened_at.isoformat(timespec='seconds')} by {about.exporter}"),
        ("Witness", about.witness),
        ("Ledger entry", str(about.ledger_entry)),
        ("Signing key", f"SHA-256 {about.key_sha256}"),
    ]
    parts = [cover.title.upper(), "=" * len(cover.title), "", *_wrapped(cover.confidentiality), ""]
    parts += [line for name, value in rows if value for line in _row(name, value)]
    parts += ["", *(line for one in cover.lines for line in _wrapped(one))]
    if redactions:
        parts += ["", "Left out"]
        parts += [line for one in redactions for line in _row(one.rule, f"{one.count} x {one.what}: {one.words}")]
    return ("\n".join(parts).rstrip() + "\n").encode()


def instructions_text(about: About, *, number: int) -> bytes:
    """Write how to verify the volume with two ordinary commands on a machine that has nothing of ours."""
    return f"""HOW TO VERIFY THIS VOLUME
=========================

Nothing of Plateline is needed: any computer with `openssl` and `sha256sum` (on macOS: `shasum -a 256`).
Copy or mount the volume, open a terminal in its folder ({volume_name(about.package_id, number)}).

1. Is the key the agency's? Do not trust the key in this folder by itself. Print its fingerprint:

     openssl pkey -pubin -in {KEY} -outform DER | openssl dgst -sha256

   It must be the one that the agency publishes (on its policy page for the public, under Evidence packages) and that
   its ledger names for this package:

     {about.key_sha256}

   Better: use the key file that you have from the agency or from an earlier package, in place of {KEY}.

2. Did the agency sign this list of files?

     openssl dgst -sha256 -verify {KEY} -signature {SIGNATURE} {SUMS}

   It must answer: Verified OK

3. Is every file as it was signed?

     sha256sum -c --strict --quiet {SUMS}      (macOS: shasum -a 256 -c {SUMS})

   On Windows, in PowerShell:

     Get-Content {SUMS} | % {{ $h, $n = $_ -split ' \\*'; if ((Get-FileHash $n).Hash -ne $h) {{ "ALTERED $n" }} }}

   It must print nothing and end without an error. Nothing else may lie in the folder: the command

     find . -type f | wc -l

   must count two files more than {SUMS} has lines (the list itself and its signature).

4. Did the camera sign what it saw? Each read has the text that its camera signed ({FRAME}) and the signature; `read.json`
   names the file of the device's key. With OpenSSL 3:

     openssl pkeyutl -verify -pubin -inkey devices/KEY.pem -rawin -in reads/READ/{FRAME} -sigfile reads/READ/{FRAME_SIGNATURE}

   It must answer: Signature Verified Successfully. The lines are device, camera, number, time in microseconds since 1970,
   place, and last the SHA-256 of the file that the camera sent. Where `sha256sum reads/READ/context.jpg` says the same,
   context.jpg is that very file.

5. Volumes hang together: `manifest.json` names the SHA-256 of {SUMS} of the volume before
   ("previous_sums_sha256", empty in the first), and says of the last volume that it is the last.

WHAT LIES WHERE
===============

COVER.txt        whose package this is, for whom and for what, and what was left out
manifest.json    the package, its reads, every file with size and SHA-256
reads.csv        the reads of this volume as a table
reads/<number>-<id>/read.json       the read: text, scores by character, models and their hashes, time and place
reads/<number>-<id>/*.jpg           its images, exactly the bytes that were stored when it was read: context.jpg is
                                    the camera's picture without what the camera wrote beside it (place, owner),
                                    closeup.jpg is the plate, cut out of the picture and encoded anew
reads/<number>-<id>/frame.txt, .sig what the camera signed of the frame that was read, and its signature
devices/<key>.pem                   the keys of the devices that signed them
reads/<number>-<id>/hits.json       hits: list, version, entry compared, why it matched, how it was confirmed
reads/<number>-<id>/custody.json    the chain of custody
ledger/<entry>.tlog-proof           for entries of the agency's ledger: the entry and the proof that it stands there
                                    (C2SP tlog-proof; the checkpoint at its end is signed by the ledger)

The same with Plateline: alpr evidence verify FOLDER [FOLDER ...] --key KEYFILE
""".encode()


def _row(name: str, value: str) -> list[str]:
    return textwrap.wrap(value, _WIDTH, initial_indent=f"{name:<14}", subsequent_indent=" " * 14) or [f"{name:<14}"]


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH)
