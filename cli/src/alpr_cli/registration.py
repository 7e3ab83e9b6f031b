"""`alpr registration`: a simulated vehicle registration source, for tests and demonstrations. Every answer says so.

It speaks the form in which the console asks (SEC-05): `POST /registrations` with plate, state and the permissible use
under 18 USC 2721. No registry is behind it and no owner it names exists.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, Final

from alpr_cli.simulated import serve, simulator

PATH: Final = "/registrations"
OWNER: Final = {
    "answered_by": "registration simulator",
    "simulated": True,
    "owner_name": "SIMULATED OWNER",
    "owner_address": "1 Nowhere Street, Nowhere",
    "vehicle": "made-up vehicle",
    "valid_to": "2027-12-31",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `alpr registration`."""
    parser.add_argument("--port", type=int, default=0, help="port on this machine; 0: any free one, printed")


def run(arguments: argparse.Namespace) -> int:
    """Answer until interrupted."""
    return serve(simulator(arguments.port, PATH, answer), "simulated registration source, made-up owners only")


def answer(asked: Mapping[str, Any], _authorization: str) -> tuple[int, Mapping[str, Any]]:
    """Name a made-up owner; a question without a permissible use is answered with 422, as a registry would."""
    return (200, OWNER) if asked.get("permissible_use") else (422, {})
