"""The terms that police policies define, in the wording of each policy (DEF-01..DEF-12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Term:
    """One defined term: its code, the requirement that names it, and its wording."""

    code: str
    requirement: str
    wording: str


_TERMS: Final[Mapping[str, tuple[str, str]]] = {
    "alpr": (
        "DEF-01",
        (
            "Automated license plate reader: cameras and a computer that capture, at detection, the plate number, "
            "photographs of the vehicle, position, date and time, turn the plate into text by optical character "
            "recognition, and compare the text with lists of vehicles of interest."
        ),
    ),
    "lpr": ("DEF-01", "License plate reader: another name for ALPR."),
    "alpr_system": (
        "DEF-02",
        (
            "A searchable computer database produced by mobile or fixed cameras together with algorithms that turn "
            "images of plates into machine-readable data."
        ),
    ),
    "detection": (
        "DEF-03",
        (
            "What an ALPR captured in public view: images of plate and vehicle, the plate's characters, location, "
            "date and time. Also called LPR data."
        ),
    ),
    "stationary_camera": (
        "DEF-04",
        "An installation that has at least one ALPR camera built in and detects plates in at least one direction.",
    ),
    "mobile": ("DEF-05", "An ALPR camera mounted on a vehicle."),
    "fixed": ("DEF-05", "An ALPR camera mounted on a structure."),
    "frame": ("DEF-01", "One image from one camera, with the time and place of its capture."),
    "read": ("DEF-01", "The recognized text of one vehicle's plate during one passage."),
    "hit": (
        "DEF-06",
        (
            "The notice that a read plate matches, or may match, an entry of a list or database. It is advisory and "
            "needs verification before action."
        ),
    ),
    "hot_list": (
        "DEF-07",
        "A set of plates linked to vehicles of interest, drawn from databases; also called alert list.",
    ),
    "special_hot_list": (
        "DEF-08",
        (
            "A list made only to draw officers' attention to specific vehicles associated with criminal activity, "
            "drawn from several sources."
        ),
    ),
    "hot_plate": ("DEF-08", "A single plate that an authorized user enters for alerts until it expires."),
    "alpr_administrator": (
        "DEF-09",
        "Whoever is authorized to manage user accounts: creating, disabling, monitoring and auditing them.",
    ),
    "cdms": (
        "DEF-10",
        (
            "Car-Detector Management System: plate recognition software used with mobile cameras to capture and "
            "store detections."
        ),
    ),
    "learn": (
        "DEF-11",
        "Law Enforcement Archival Reporting Network: data mining and analytics for searching detections.",
    ),
    "tas": (
        "DEF-12",
        "Target Alert Service: the program on patrol vehicles and desktops that tells users directly about hits.",
    ),
}

_VARIANTS: Final[Mapping[str, Mapping[str, str]]] = {
    "claremont": {
        "hit": "A read plate that matches a plate listed by NCIC or another law enforcement database, such as a "
        "stolen car or a wanted person. It is shown at the Communications Center and on logged-in vehicle devices.",
        "detection": "LPR data: plate image, plate characters, date, time and location, captured where privacy "
        "cannot reasonably be expected. It holds no personally identifying information.",
    },
    "escondido": {
        "hot_list": "Alert data: any list of legitimate law enforcement interest, such as SVS, FWS, MUPS and "
        "Probable Cause to Arrest Bulletins.",
        "hit": "An audible alert with a note on the user's screen: the read matches alert data. It is "
        "informational and advisory.",
        "detection": "A close-up photograph of the plate, a context photograph of the vehicle's front or rear, "
        "the plate number, date, time and location. It does not directly identify a person.",
    },
    "roseville": {
        "hot_list": "A set of plates linked to vehicles of interest, drawn from databases such as NCIC, DOJ, "
        "DMV, the IJIS Warrant system and local investigations.",
        "hit": "Notice to users that a detected plate is on a hot list, shown through TAS in patrol vehicles "
        "and on desktops.",
        "detection": "Data obtained by an ALPR within public view: images of plate and vehicle, plate number, "
        "GPS coordinates, date and time.",
    },
}


def terms(wording: str) -> tuple[Term, ...]:
    """List every defined term in the wording variant of a profile; unknown variants give the common wording."""
    variant = _VARIANTS.get(wording, {})
    return tuple(Term(code, row, variant.get(code, text)) for code, (row, text) in _TERMS.items())
