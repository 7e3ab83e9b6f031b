"""Facts about plates: what stands on them, in which colors, in which order of letters and digits.

A pattern spells the number: `A` a letter, `1` a digit, a space a gap, `-` a dash, `.` a raised dot, `#` a picture
between the characters, `=` a place for seals or a coat of arms. Everything else stands for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Color = tuple[int, int, int]

WHITE: Final[Color] = (240, 241, 240)
BLACK: Final[Color] = (22, 22, 26)
NAVY: Final[Color] = (25, 35, 95)
BLUE: Final[Color] = (35, 75, 165)
RED: Final[Color] = (175, 30, 45)
GREEN: Final[Color] = (15, 95, 60)
YELLOW: Final[Color] = (240, 195, 60)
CREAM: Final[Color] = (235, 225, 190)
SKY: Final[Color] = (165, 200, 230)
GOLD: Final[Color] = (235, 170, 40)
MAROON: Final[Color] = (110, 25, 50)
GRAY: Final[Color] = (190, 193, 196)


@dataclass(frozen=True, slots=True)
class UsState:
    """One state: what its plates say and the combinations of ink and ground they were issued in."""

    name: str
    slogans: tuple[str, ...]
    patterns: tuple[str, ...]
    grounds: tuple[Color, ...]
    inks: tuple[Color, ...]


def _s(name: str, slogans: str, patterns: str, grounds: tuple[Color, ...], inks: tuple[Color, ...]) -> UsState:
    return UsState(name, tuple(slogans.split("|")), tuple(patterns.split("|")), grounds, inks)


US: Final[dict[str, UsState]] = {
    "us-al": _s("Alabama", "Heart of Dixie|Stars Fell On", "11A111A|1A1111A|11AA111", (WHITE, SKY), (RED, NAVY)),
    "us-ak": _s("ALASKA", "The Last Frontier", "AAA 111", (YELLOW, GOLD), (NAVY, BLUE)),
    "us-az": _s("ARIZONA", "GRAND CANYON STATE", "AAA1111|111#AAA|AAA#111", (SKY, WHITE, CREAM), (NAVY, GREEN, BLACK)),
    "us-ar": _s("Arkansas", "The Natural State", "111 AAA|AAA 111|AAA 11A", (WHITE, GRAY), (BLACK, RED, NAVY)),
    "us-ca": _s(
        "California",
        "dmv.ca.gov|THE GOLDEN STATE|",
        "1AAA111|1A11111|111AAA",
        (WHITE, WHITE, YELLOW),
        (NAVY, NAVY, BLACK),
    ),
    "us-co": _s("COLORADO", "", "111-AAA|AAA-111|111#AAA|AAA-A11", (WHITE, GREEN), (GREEN, WHITE)),
    "us-ct": _s(
        "Connecticut", "Constitution State", "AA 11111|111.AAA|111-AAA", (SKY, WHITE, NAVY), (NAVY, NAVY, WHITE)
    ),
    "us-de": _s("DELAWARE", "THE FIRST STATE", "111111|11111|PC111111|C11111", (NAVY, BLUE), (GOLD, YELLOW)),
    "us-dc": _s("WASHINGTON, DC", "TAXATION WITHOUT REPRESENTATION", "AA#1111|AA 1111|111-111", (WHITE,), (BLUE, RED)),
    "us-fl": _s("MYFLORIDA.COM|FLORIDA", "SUNSHINE STATE", "AAA#A11|A11#1AA|111#AAA|AAA 11A", (WHITE,), (GREEN,)),
    "us-ga": _s(
        "Georgia", "..on my mind|In God We Trust", "AAA1111|111 AAA|1111 AA|AAA#1111", (WHITE, CREAM), (NAVY, BLACK)
    ),
    "us-hi": _s("HAWAII", "ALOHA STATE", "AAA 111|AAA.111", (WHITE,), (BLACK,)),
    "us-id": _s(
        "Scenic IDAHO", "FAMOUS POTATOES", "1A AA111|A 111111|1A A1111|A 111111", (WHITE, SKY), (BLACK, NAVY, RED)
    ),
    "us-il": _s("Illinois", "Land of Lincoln", "111 1111|A11 1111|AA 11111|1 111 111", (SKY, WHITE), (RED, BLUE)),
    "us-in": _s(
        "INDIANA",
        "Crossroads of America|In God We Trust",
        "111A|111AA|11A1111|AAA111",
        (SKY, WHITE),
        (NAVY, BLUE, BLACK),
    ),
    "us-ia": _s("Iowa", "LINN|POLK|STORY|MARSHALL", "111 AAA|AAA 111|AAA111", (SKY, WHITE), (NAVY, BLACK)),
    "us-ks": _s("KANSAS", "THE WHEAT STATE", "111 AAA|AAA 111", (SKY, CREAM), (NAVY, BLACK)),
    "us-ky": _s("Kentucky", "BLUEGRASS STATE|Unbridled Spirit", "111 AAA|111#AAA|AAA 111", (SKY, WHITE), (NAVY, BLUE)),
    "us-la": _s(
        "Louisiana",
        "Sportsman's Paradise|SPORTSMAN'S PARADISE",
        "AAA 111|111 AAA|A111111|AAA#111",
        (WHITE,),
        (NAVY, BLACK),
    ),
    "us-me": _s("MAINE", "Vacationland", "1111 AA|111-AAA|111 AAA|1111AA", (WHITE, SKY), (BLACK, NAVY, GREEN)),
    "us-md": _s(
        "Maryland", "MARYLAND.GOV|War of 1812", "1AA1111|1AA A11|A11 1AA|AAA 111", (WHITE, CREAM), (BLACK, NAVY)
    ),
    "us-ma": _s("Massachusetts", "The Spirit of America", "111 AAA|11A A11|1AA A11|111.AA1|1111 AA", (WHITE,), (RED,)),
    "us-mi": _s(
        "MICHIGAN",
        "GREAT LAKES SPLENDOR|www.Michigan.gov",
        "AAA 1111|1AAA11|AAA 111|AAA11",
        (WHITE, SKY, BLUE),
        (BLUE, BLUE, WHITE),
    ),
    "us-mn": _s("Minnesota", "10,000 lakes", "AAA-111|111-AAA|AAA#111|111#AAA", (SKY, WHITE), (BLUE, NAVY)),
    "us-ms": _s("MISSISSIPPI", "HINDS|RANKIN|LEE", "AAA 111|111 AAA|1AA#111", (WHITE, SKY, CREAM), (NAVY, BLUE)),
    "us-mo": _s("Missouri", "SHOW-ME STATE", "AA1#A1A|AA1 A1A|111-AAA|111 AAA", (WHITE, CREAM, SKY), (NAVY, BLACK)),
    "us-mt": _s("Montana", "Treasure State|BIG SKY", "1-11111A|AAA111|11-1111A|111111A", (WHITE, BLUE), (NAVY, WHITE)),
    "us-ne": _s(
        "Nebraska", "www.nebraska.gov", "AAA 111|1-A1111|11-A111|11 A111", (WHITE, CREAM, SKY), (NAVY, RED, BLACK)
    ),
    "us-nv": _s(
        "NEVADA", "THE SILVER STATE|Home Means Nevada", "111.AAA|111-AAA|11A.111", (SKY, WHITE, CREAM), (NAVY, BLUE)
    ),
    "us-nh": _s("New Hampshire", "LIVE FREE OR DIE", "111 1111|AAA 111", (WHITE, SKY), (GREEN,)),
    "us-nj": _s(
        "New Jersey", "Garden State", "AAA#11A|A11#AAA|AA#111A|AAA-11A|111 AAA|AA111A", (CREAM, YELLOW), (BLACK,)
    ),
    "us-nm": _s(
        "New Mexico USA",
        "Land of Enchantment",
        "111 AAA|AAA 111|AAA#111|111#AAA",
        (YELLOW, GOLD, (70, 175, 180)),
        (RED, MAROON, BLACK),
    ),
    "us-ny": _s(
        "NEW YORK", "THE EMPIRE STATE|EMPIRE STATE", "AAA-1111|AAA 1111|AAA#1111|A11 1AA", (WHITE, GOLD), (NAVY,)
    ),
    "us-nc": _s("First in Flight", "NORTH CAROLINA", "AAA-1111|AAA-111|AAA 1111", (WHITE,), (BLUE, RED, NAVY)),
    "us-nd": _s(
        "Discover the Spirit", "NORTH DAKOTA|PEACE GARDEN STATE", "AAA 111|111 AAA", (SKY, CREAM, WHITE), (BLACK, NAVY)
    ),
    "us-oh": _s(
        "Ohio", "Birthplace of Aviation|BEAUTIFUL OHIO", "AAA 1111|AA11AA|AAA 111", (WHITE, SKY, CREAM), (NAVY, BLACK)
    ),
    "us-ok": _s("OKLAHOMA", "NATIVE AMERICA|OK!", "111 AAA|AAA 111|AAA#111", (WHITE, SKY), (GREEN, BLACK, BLUE)),
    "us-or": _s("Oregon", "", "AAA#111|111#AAA|AAA 111", (SKY, CREAM, WHITE), (NAVY, BLUE)),
    "us-pa": _s("PENNSYLVANIA", "visitPA.com|KEYSTONE STATE", "AAA#1111|AAA-1111|AAA 1111", (WHITE, YELLOW), (NAVY,)),
    "us-ri": _s("Rhode Island", "Ocean State", "111-111|AA-111|11111|111 111", (WHITE, SKY), (NAVY, BLUE)),
    "us-sc": _s(
        "South Carolina",
        "TRAVEL2SC.COM|Smiling Faces",
        "111 AAA|AAA#111|AAA 111|1111 AA",
        (WHITE, SKY, CREAM),
        (NAVY, BLACK),
    ),
    "us-sd": _s(
        "SOUTH DAKOTA", "Great Faces. Great Places.", "1A1 111|11A 111|1AA 111", (SKY, WHITE), (BLACK, NAVY, RED)
    ),
    "us-tn": _s(
        "Tennessee",
        "The Volunteer State|TNVACATION.com",
        "111#AAA|A11-11A|AAA 111|A11 11A",
        (WHITE, SKY, CREAM, (150, 190, 150)),
        (NAVY, BLACK, BLUE),
    ),
    "us-tx": _s(
        "TEXAS", "The Lone Star State", "AAA#1111|AAA-1111|AA1 A111|A11-AAA|AAA-11A", (WHITE, CREAM, SKY), (BLACK, NAVY)
    ),
    "us-ut": _s(
        "UTAH",
        "LIFE ELEVATED|Greatest Snow on Earth",
        "A11 1AA|111 AAA|AAA 111|A111AA",
        (WHITE, SKY, CREAM),
        (NAVY, BLACK),
    ),
    "us-vt": _s("Vermont", "Green Mountain State", "AAA 111|111A111|AAA111", (GREEN,), (WHITE,)),
    "us-va": _s(
        "VIRGINIA",
        "Virginia is for Lovers|1607 400th Anniversary 2007",
        "AAA-1111|AAA 1111|AA 1111",
        (WHITE, SKY),
        (NAVY, BLUE),
    ),
    "us-wa": _s("WASHINGTON", "Evergreen State", "111 AAA|AAA1111|AAA 1111|111-AAA", (WHITE, SKY), (NAVY, BLUE, RED)),
    "us-wv": _s("West Virginia", "Wild, Wonderful", "1A 1111|1AA 111|A1A 111", (WHITE, SKY), (NAVY, BLUE)),
    "us-wi": _s("WISCONSIN", "America's Dairyland", "111-AAA|AAA-111|111 AAA|AAA-1111", (WHITE, CREAM), (BLACK, RED)),
    "us-wy": _s("Wyoming", "Forever West", "1#1111|11#1111|1-1111|11#111AA", (SKY, WHITE, GOLD), (BLACK, NAVY, MAROON)),
}

# Country letters, patterns, and the colors of ground where they differ from white.
EU: Final[dict[str, tuple[str, ...]]] = {
    "SK": ("AA-111AA", "AA=111AA", "AA-111AA", "AA=111AA", "AA.111AA"),
    "CZ": ("1A1 1111", "1AA 1111", "1A1=1111", "1A1.1111", "AAA 11-11", "AA=11-11"),
    "RO": ("AA 11 AAA", "A 111 AAA", "A 11 AAA", "AA.11.AAA", "AA=11=AAA"),
    "D": ("AAA=AA 111", "AA=AA 1111", "A=AA 1111", "AA-A 111", "AAA-AA 11", "A-AA 111"),
    "PL": ("AA 11111", "AAA 11AA", "AA 1111A", "AAA A111", "A1 11111"),
    "H": ("AAA-111", "AAA=111", "AA AA-111"),
    "A": ("AA=111AA", "A=1111A", "AA-11111"),
    "F": ("AA-111-AA", "1111 AA 11", "111 AAA 11"),
    "I": ("AA 111AA", "AA=111AA"),
    "E": ("1111 AAA", "A 1111 AA", "AA-1111-A"),
    "P": ("11-AA-11", "AA 11-AA", "11-11-AA"),
    "NL": ("11-AAA-1", "AA-11-AA", "A-111-AA", "11-AA-AA"),
    "B": ("1-AAA-111", "AAA-111"),
    "GB": ("AA11 AAA", "AA11 AAA", "AA11 AAA", "A111 AAA", "AAA 111A"),
    "SLO": ("AA=AA-111", "AA=1A-111"),
    "HR": ("AA=111-AA", "AA=1111-A"),
    "BG": ("A 1111 AA", "AA 1111 AA"),
    "LT": ("AAA=111", "AAA 111"),
    "S": ("AAA 111", "AAA 11A"),
    "DK": ("AA 11 111",),
    "FIN": ("AAA-111",),
    "UA": ("AA 1111 AA",),
}
EU_WEIGHTS: Final[dict[str, float]] = {"SK": 6, "CZ": 6, "RO": 4, "D": 4, "GB": 3, "PL": 2}

WORDS: Final = [
    "ACE",
    "AMOR",
    "ANGEL",
    "BABY",
    "BEACH",
    "BEAR",
    "BEST",
    "BIG",
    "BIKE",
    "BIRD",
    "BLUE",
    "BOAT",
    "BOSS",
    "BOY",
    "BUG",
    "CAR",
    "CAT",
    "CHEF",
    "CITY",
    "COOL",
    "CRUZ",
    "DAD",
    "DAY",
    "DEER",
    "DOC",
    "DOG",
    "DREAM",
    "DUCK",
    "EASY",
    "EAGLE",
    "FAST",
    "FIRE",
    "FISH",
    "FLY",
    "FOX",
    "FREE",
    "FUN",
    "GATOR",
    "GIRL",
    "GO",
    "GOLD",
    "GOLF",
    "GREEN",
    "GURL",
    "HAPPY",
    "HAWK",
    "HERO",
    "HI",
    "HIKE",
    "HOME",
    "HOT",
    "ICE",
    "ISLE",
    "JAZZ",
    "JOY",
    "JOKER",
    "JUICE",
    "KID",
    "KING",
    "KISS",
    "LADY",
    "LAKE",
    "LIFE",
    "LION",
    "LOVE",
    "LUCKY",
    "MAD",
    "MAMA",
    "MAX",
    "MOM",
    "MOON",
    "MOVE",
    "MR",
    "MS",
    "MUSIC",
    "MY",
    "NICE",
    "NO",
    "NOLA",
    "NUT",
    "OCEAN",
    "OLD",
    "ONE",
    "OWL",
    "PAPA",
    "PEACE",
    "PILOT",
    "PIZZA",
    "PRO",
    "QUEEN",
    "QUICK",
    "RACE",
    "RAIN",
    "RED",
    "RIDE",
    "ROCK",
    "ROSE",
    "RUN",
    "SAIL",
    "SAM",
    "SAMPLE",
    "SAND",
    "SEA",
    "SHE",
    "SKI",
    "SKY",
    "SMILE",
    "SNOW",
    "SONG",
    "SPEED",
    "STAR",
    "SUN",
    "SURF",
    "SWIM",
    "TEAM",
    "TIGER",
    "TOY",
    "TREE",
    "TRUCK",
    "TURBO",
    "UP",
    "US",
    "VAN",
    "VETTE",
    "VIP",
    "WAVE",
    "WAY",
    "WE",
    "WILD",
    "WIN",
    "WOLF",
    "WOW",
    "XTRA",
    "YES",
    "YOGA",
    "ZEN",
    "ZOOM",
]
DEALERS: Final = (
    "TOYOTA",
    "FORD",
    "AUTO",
    "HONDA",
    "MOTORS",
    "NISSAN",
    "CHEVROLET",
    "SLOVENSKA REPUBLIKA",
    "www.auto.sk",
    "BMW",
    "KIA",
)
CITIES: Final = [
    "SP-SAO_PAULO",
    "PR-CURITIBA",
    "BA-SALVADOR",
    "RJ-RIO_DE_JANEIRO",
    "MG-BELO_HORIZONTE",
    "SC-JOINVILLE",
    "RS-PORTO_ALEGRE",
    "DF-BRASILIA",
    "PR-PARANAGUA",
    "PR-LONDRINA",
    "GO-GOIANIA",
    "PE-RECIFE",
    "CE-FORTALEZA",
    "ES-VITORIA",
    "PR-PONTA_GROSSA",
    "SC-ITAJAI",
    "BA-CAMACARI",
]
