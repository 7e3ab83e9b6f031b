"""Builds packages: each read with its images, hits and custody into volumes, hashed, signed, sealed, and opened once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

from alprcore import evidence
from alprcore.errors import InvalidMessage
from alprcore.evidence import About, Cover, File, Item, Kind, LedgerEvent, Redaction, Signed, Verification
from alprcore.seal import PackageSigner, key_fingerprint

from .bench import Bench
from .packages import Packages
from .vault import Stored, Writer

logger = logging.getLogger(__name__)
_NOTED_EVERY: Final = 25
"""Reads after which the progress is written: about a second."""
_RESERVE: Final = 64 * 1024
"""Bytes of a volume kept free for its pages, key and signature."""


class Opens(Protocol):
    """Opens sealed images."""

    async def open(self, agency: str, image: dict[str, Any]) -> bytes:
        """The plain JPEG; raises `KeyError` when it is gone, `InvalidMessage` when it is not the one read."""


@dataclass(slots=True)
class _Papers:
    """What ledger and console said of a batch of reads."""

    events: Mapping[str, list[LedgerEvent]]
    verifications: Mapping[str, list[Verification]]


@dataclass(slots=True)
class _Volume:
    """A volume that is being written."""

    number: int
    previous: str
    folder: str
    writer: Writer
    archive: zipfile.ZipFile
    date: tuple[int, int, int, int, int, int]
    files: list[File] = field(default_factory=list)
    reads: list[dict[str, Any]] = field(default_factory=list)
    notes: Counter[Redaction] = field(default_factory=Counter)
    proofs: dict[int, str] = field(default_factory=dict)
    used: int = _RESERVE

    async def add(self, name: str, data: bytes) -> File:
        """Write a file; its hash is taken of the very bytes that are written."""
        entry = zipfile.ZipInfo(f"{self.folder}/{name}", self.date)
        entry.external_attr = 0o444 << 16
        self.archive.writestr(entry, data)
        await self.writer.drain()
        file = File(name, len(data), hashlib.sha256(data).hexdigest())
        self.files.append(file)
        self.used += evidence.laid([len(data)])
        return file

    def redactions(self) -> list[Redaction]:
        """What was left out of this volume, summed up."""
        return [
            Redaction(one.rule, one.what, count, one.words)
            for one, count in sorted(self.notes.items(), key=lambda found: (found[0].rule, found[0].what))
        ]


@dataclass(slots=True)
class Builder:
    """Builds one package after the other; a build that was cut off begins anew under another key."""

    packages: Packages
    bench: Bench
    images: Opens
    signer: PackageSigner
    clock: Callable[[], datetime]
    capacities: Mapping[str, int] = field(default_factory=lambda: evidence.CAPACITY)

    async def work(self) -> int:
        """Build every package that waits; answers how many were built."""
        built = 0
        for agency, package_id in await self.bench.to_build():
            async with self.bench.alone(package_id) as got:
                if got:
                    built += await self._build(agency, package_id)
        return built

    async def _build(self, agency: str, package_id: str) -> bool:
        package = await self.bench.begin_attempt(agency, package_id)
        if package is None:
            return False
        await self.packages.vault.clear_volumes(agency, package_id)
        try:
            key, sealed = await asyncio.to_thread(self.packages.vault.new_key, agency, package_id)
            attempt = _Attempt(self, package, key)
            await attempt.pack()
            await attempt.check()
        except (KeyError, PermissionError):  # a read, an image or a key: a purge was here
            return await self._broken(agency, package_id, "READ_GONE")
        except InvalidMessage as error:
            return await self._broken(agency, package_id, error.code)
        except (TypeError, ValueError):  # one odd record must not keep every other package waiting
            return await self._broken(agency, package_id, "RECORD_INVALID")
        notes = [asdict(one) for one in attempt.redactions()]
        end = {"redactions": notes, "key_sha256": attempt.about.key_sha256, "content_key": sealed}
        done = await self.packages.built(package, attempt.done, attempt.packed, end, self.clock())
        if not done:  # it ended meanwhile: what this attempt wrote goes, too
            await self.packages.vault.clear_volumes(agency, package_id)
        return done

    async def _broken(self, agency: str, package_id: str, reason: str) -> bool:
        logger.error("package_broken", extra={"package_id": package_id, "reason": reason})
        await self.packages.end(agency, package_id, "broken", reason, self.clock())
        return False


class _Attempt:
    """One attempt at building a package."""

    def __init__(self, builder: Builder, package: dict[str, Any], key: bytes) -> None:
        self._builder, self._package, self._key = builder, package, key
        self._profile = builder.packages.profiles[package["agency"]]
        self._cover = Cover(**{**package["cover"], "lines": tuple(package["cover"]["lines"])})
        self.about = About(
            package_id=package["package_id"],
            kind=Kind(package["kind"]),
            subject=package["subject"],
            agency=package["agency"],
            agency_name=self._profile.name,
            exporter=f"{package['exporter_name']} ({package['exporter']})",
            opened_at=package["opened_at"],
            profile_version=package["profile_version"],
            ledger_entry=package["entry"],
            key_sha256=key_fingerprint(builder.signer.public),
            medium=package["medium"],
            witness=package["witness"],
        )
        cover = self._cover
        self._held = evidence.Held(cover.held_since, cover.held_by, cover.held_on) if cover.held_since else None
        self._capacity = builder.capacities.get(package["medium"], min(builder.capacities.values()))
        self._notes: Counter[Redaction] = Counter()
        self.done: list[dict[str, Any]] = []
        self.packed: list[tuple[int, Item, int]] = []

    def redactions(self) -> list[Redaction]:
        """What was left out of the whole package."""
        return [Redaction(one.rule, one.what, count, one.words) for one, count in self._notes.items()]

    async def pack(self) -> None:
        """Write every read into volumes. Raises `KeyError` for what is gone, `InvalidMessage` for what is damaged."""
        agency, package_id = self.about.agency, self.about.package_id
        volume = self._begin(1, "")
        papers = _Papers({}, {})
        for item in await self._builder.bench.plan(agency, package_id):
            if item["position"] % evidence.BATCH == 0:
                batch = item["position"] // evidence.BATCH
                papers = _read_papers(await self._builder.packages.vault.papers(agency, package_id, batch))
            found = await self._gather(item, papers)
            fits = volume.used + found.laid() + _papers_of(volume, 1) <= self._capacity
            if volume.reads and not fits:
                sums_sha256 = await self._end(volume, last=False)
                volume = self._begin(volume.number + 1, sums_sha256)
            await self._add(volume, found)
            if len(self.packed) % _NOTED_EVERY == 0:
                await self._builder.bench.note_packed(agency, package_id, len(self.packed))
        await self._end(volume, last=True)

    def _begin(self, number: int, previous: str) -> _Volume:
        writer = self._builder.packages.vault.writer(self.about.agency, self.about.package_id, number, self._key)
        at = self.about.opened_at
        date = (at.year, at.month, at.day, at.hour, at.minute, at.second)
        archive = zipfile.ZipFile(writer, "w", zipfile.ZIP_STORED)
        folder = evidence.volume_name(self.about.package_id, number)
        return _Volume(number, previous, folder, writer, archive, date)

    async def _gather(self, item: Mapping[str, Any], papers: _Papers) -> _Found:
        """Fetch a read, its hits and images; once more when a purge moved them in between."""
        try:
            return await self._fetch(item, papers)
        except KeyError:
            return await self._fetch(item, papers)

    async def _fetch(self, item: Mapping[str, Any], papers: _Papers) -> _Found:
        row, hits = await self._builder.bench.record(self.about.agency, item)
        pictures: dict[str, bytes] = {}
        gone = 0
        for image in row["images"]:
            if not image["key"]:  # lost before the hold could save it, and known to be
                gone += 1
            else:
                pictures[image["role"]] = await self._builder.images.open(self.about.agency, image)
        said, notes = evidence.shown_verifications(
            [one for hit in hits for one in papers.verifications.get(hit["hit_id"], [])], clets=self._package["clets"]
        )
        notes = (*notes, *evidence.trail_note(self.about.kind, 1))
        if gone:
            notes = (
                *notes,
                Redaction(
                    "RET-12",
                    "image_missing",
                    gone,
                    "Images that were lost before this package was made; custody.json says when.",
                ),
            )
        events = papers.events.get(row["read_id"], [])
        signed = evidence.signed_frame(row)
        if signed and "context" in pictures:
            sha256 = hashlib.sha256(pictures["context"]).hexdigest()
            notes = (*notes, *evidence.camera_note(sha256, signed.sha256))
        return _Found(item["position"], row, hits, pictures, said, notes, events, signed)

    async def _add(self, volume: _Volume, found: _Found) -> None:
        row, place = found.row, found.position + 1
        folder = evidence.folder_of(place, row["read_id"])
        read = evidence.shown_read(row)
        if signed := found.signed:
            read["frame"] = {"sha256": signed.sha256, "signed": evidence.FRAME, "key": signed.key_file}
            await volume.add(f"{folder}/{evidence.FRAME}", signed.text)
            await volume.add(f"{folder}/{evidence.FRAME_SIGNATURE}", signed.signature)
            if not any(file.name == signed.key_file for file in volume.files):
                await volume.add(signed.key_file, signed.pem)
        record = await volume.add(f"{folder}/read.json", _json(read))
        hits = [evidence.shown_hit(hit) for hit in found.hits]
        if hits:
            await volume.add(f"{folder}/hits.json", _json({"hits": hits, "confirmations": found.verifications}))
        images = []
        for role, picture in found.pictures.items():
            file = await volume.add(f"{folder}/{role}.jpg", picture)
            images.append((role, file.sha256))
        for event in found.events:
            if event.proof and event.index not in volume.proofs:
                volume.proofs[event.index] = f"ledger/{event.index}.tlog-proof"
                await volume.add(volume.proofs[event.index], event.proof.encode())
        chain = evidence.custody_of(
            row | row["details"], hits, found.events, volume.proofs,
            packed_at=self._builder.clock().isoformat(), packed_by=self.about.exporter, held=self._held,
        )  # fmt: skip
        await volume.add(f"{folder}/custody.json", _json(chain))
        volume.reads.append({**read, "number": place, "hits": len(hits), "folder": folder})
        for note in found.notes:
            bare = Redaction(note.rule, note.what, 0, note.words)
            volume.notes[bare] += note.count
            self._notes[bare] += note.count
        self.packed.append((found.position, Item(row["read_id"], record.sha256, tuple(images)), volume.number))

    async def _end(self, volume: _Volume, *, last: bool) -> str:
        """Write the pages of a volume, its manifest, the sums and their signature; answers the SHA-256 of the sums."""
        signer, notes = self._builder.signer, volume.redactions()
        await volume.add("reads.csv", evidence.table(volume.reads, self._cover.confidentiality))
        cover = evidence.cover_text(self.about, self._cover, notes, number=volume.number, reads=len(volume.reads))
        await volume.add(evidence.COVER, cover)
        await volume.add(evidence.INSTRUCTIONS, evidence.instructions_text(self.about, number=volume.number))
        await volume.add(evidence.KEY, signer.public)
        index = [
            {name: row[name] for name in ("number", "read_id", "captured_at", "images", "folder")}
            for row in volume.reads
        ]
        manifest = evidence.manifest(
            self.about, self._cover, index, volume.files, notes,
            number=volume.number, last=last, previous=volume.previous,
        )  # fmt: skip
        await volume.add(evidence.MANIFEST, manifest)
        listed = evidence.sums(volume.files)
        await volume.add(evidence.SUMS, listed)
        await volume.add(evidence.SIGNATURE, signer.sign(listed))
        volume.archive.close()
        stored: Stored = await volume.writer.finish()
        sums_sha256 = hashlib.sha256(listed).hexdigest()
        self.done.append(
            {"number": volume.number, "parts": stored.parts, "bytes": stored.size, "sha256": stored.sha256,
             "sums_sha256": sums_sha256}
        )  # fmt: skip
        return sums_sha256

    async def check(self) -> None:
        """Open what was stored once more before anyone relies on it. Raises `KeyError` or `InvalidMessage`."""
        vault, about = self._builder.packages.vault, self.about
        for one in self.done:
            digest = hashlib.sha256()
            async for part in vault.read(about.agency, about.package_id, one["number"], one["parts"], self._key):
                digest.update(part)
            if digest.hexdigest() != one["sha256"]:
                raise InvalidMessage("PACKAGE_DAMAGED", "what was stored is not what was written")


@dataclass(frozen=True, slots=True)
class _Found:
    """A read with everything that goes into its folder."""

    position: int
    row: dict[str, Any]
    hits: list[dict[str, Any]]
    pictures: dict[str, bytes]
    verifications: list[dict[str, Any]]
    notes: Sequence[Redaction]
    events: Sequence[LedgerEvent]
    signed: Signed | None

    def laid(self) -> int:
        """Bytes that the folder takes at most: texts are counted double, for they are written out more widely."""
        texts = [2 * len(_json(one)) for one in (self.row, self.hits, self.verifications)]
        proofs = [len(event.proof) for event in self.events]
        custody = 2000 + 500 * (len(self.hits) + len(self.events))
        frame = (
            [len(part) for part in (self.signed.text, self.signed.signature, self.signed.pem)] if self.signed else []
        )
        return evidence.laid([*frame, *(len(picture) for picture in self.pictures.values()), *texts, *proofs, custody])


def _papers_of(volume: _Volume, more: int) -> int:
    """Bytes that table and manifest take for so many more reads."""
    return 1000 * (len(volume.reads) + more)


def _json(value: Any) -> bytes:
    return (json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n").encode()


def _read_papers(data: bytes) -> _Papers:
    said = json.loads(data)
    events: dict[str, list[LedgerEvent]] = {}
    for one in said["events"]:
        told = LedgerEvent(**{name: value for name, value in one.items() if name != "read_ids"})
        for read_id in one["read_ids"]:
            events.setdefault(read_id, []).append(told)
    verifications: dict[str, list[Verification]] = {}
    for one in said["verifications"]:
        found = Verification(**one)
        verifications.setdefault(found.hit_id, []).append(found)
    return _Papers(events, verifications)
