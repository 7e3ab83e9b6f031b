"""Fetches a file from an SFTP server whose host key is pinned."""

from __future__ import annotations

import posixpath
from datetime import UTC, datetime
from typing import Final

import asyncssh

from alpr_ingest.feeds import Feed, Found, host_of, newest, remote_path
from alpr_ingest.pulling.source import CHUNK, Credential, Fetched, Incoming, Limits, PullFailed, resolve

_MOST_FILES: Final = 10_000
"""Names that a folder of a source may hold: above that a person tidies up."""


async def fetch(feed: Feed, limits: Limits) -> Fetched:
    """Fetch the newest file that the feed's address names; raises `PullFailed`.

    Only the pinned key opens: neither the machine's known_hosts nor its agent or configuration are asked. The file is
    taken when it has as many bytes as it had before and after, and no other time.
    """
    host, port = host_of(feed.kind, feed.address)
    credential = Credential(limits, feed)
    address = await resolve(limits, host, port)
    try:
        pinned = asyncssh.import_public_key(feed.host_key)
        keys = _keys(credential)
    except asyncssh.KeyImportError:
        raise PullFailed("CREDENTIAL_MISSING", "host key or private key cannot be read", stop=True) from None
    try:
        async with (
            asyncssh.connect(
                address,
                port,
                username=credential.text("username") or "",
                password=credential.text("password"),
                client_keys=keys,
                known_hosts=([pinned], [], []),
                agent_path=None,
                config=None,
                preferred_auth="publickey" if keys else "password",
                connect_timeout=limits.timeout_s,
                login_timeout=limits.timeout_s,
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            return await _read(sftp, remote_path(feed.address), limits)
    except asyncssh.HostKeyNotVerifiable:
        raise PullFailed("HOST_KEY_CHANGED", "the server shows another key than the pinned one", stop=True) from None
    except asyncssh.PermissionDenied:
        raise PullFailed("LOGIN_REFUSED", "the server refuses the credential", stop=True) from None
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        raise PullFailed("FILE_MISSING", "no such file at the source") from None
    except asyncssh.SFTPError as error:
        raise PullFailed("SOURCE_FAILED", f"SFTP: {type(error).__name__}") from None
    except (asyncssh.Error, OSError) as error:
        raise PullFailed("SOURCE_AWAY", f"SFTP: {type(error).__name__}") from None


def is_host_key(text: str) -> bool:
    """Tell whether a text is a public key of SSH, as `ssh-keyscan` prints it without the host."""
    try:
        asyncssh.import_public_key(text)
    except asyncssh.KeyImportError:
        return False
    return True


def _keys(credential: Credential) -> list[asyncssh.SSHKey]:
    text = credential.text("private_key")
    return [] if text is None else [asyncssh.import_private_key(text + "\n", credential.text("passphrase"))]


async def _read(sftp: asyncssh.SFTPClient, path: str, limits: Limits) -> Fetched:
    folder, name = posixpath.split(path)
    if any(c in name for c in "*?["):
        found: list[Found] = []
        async for entry in sftp.scandir(folder or "."):
            if entry.attrs.type != asyncssh.FILEXFER_TYPE_REGULAR:
                continue
            if len(found) == _MOST_FILES:
                raise PullFailed("FOLDER_TOO_FULL", f"more than {_MOST_FILES} names", stop=True)
            found.append(Found(str(entry.filename), float(entry.attrs.mtime or 0), entry.attrs.size or 0))
        chosen = newest(found, name)
        if chosen is None:
            raise PullFailed("FILE_MISSING", "no file of that name at the source")
        path = posixpath.join(folder, chosen.name)
    before = await sftp.stat(path)
    limits.check_size(before.size or 0)
    data = Incoming(limits)
    async with sftp.open(path, "rb") as file:
        while chunk := await file.read(CHUNK, data.size):
            data.add(chunk if isinstance(chunk, bytes) else chunk.encode())
    after = await sftp.stat(path)
    if (before.size, before.mtime) != (after.size, after.mtime):
        raise PullFailed("FILE_CHANGING", "the file changed while it was read")
    if data.size != before.size:
        raise PullFailed("TRUNCATED", f"{data.size} bytes instead of {before.size}")
    made = None if before.mtime is None else datetime.fromtimestamp(before.mtime, UTC)
    return data.whole(made, modified=str(before.mtime or ""))
