"""What the plates of the states look like, Nebraska to Wyoming; see `designs` for how to read a line."""

from __future__ import annotations

from typing import Final

from alprdraw.designs import Design, design

ISSUED: Final[dict[str, tuple[Design, ...]]] = {
    "us-ne": (
        design("spW", "N", "Nebraska;13;18;R;script;50;50", "box R 2 3 60 60;blot p 2 3 98 60;hills e 0 82 100 100;ridge s 0 74 30 92", "AAA 111|OAA 111|PAA 111", (4, 26, 96, 82)),
        design("pWC", "N", "NEBRASKA;12;13;R;serif;50;50|www.nebraska.gov;91;9;N;thin;50;50", "ridge b 0 30 20 92;hills S 0 64 100 92", "11-A111|1-A1111|AAA 111|AAA111"),
        design("CWs", "K", "Nebraska;12;16;M;slab;50;50|SESQUICENTENNIAL/1867-2017/GENIUS OF NEBRASKA;91;9;N;sans", "tri b 40 20 60 90;bands sN 0 82 100 96", "AAA 111|VAA 111|11-A111"),
        design("WY", "R", "NEBRASKA;12;14;R;sans;50;50|CORNHUSKER STATE/THE GOOD LIFE;90;10;N;sans", "tree Y 3 20 14 90", "1-A1111|11-A111"),
        design("oYp", "N", "NEBRASKA;12;13;N;cond;50;50|CHIMNEY ROCK STATE;91;9;N;sans", "ridge b 0 30 100 100;tri b 74 20 88 80", "AAA 111|1-A1111"),
    ),
    "us-nv": (
        design("YpSpS", "N", "NEVADA;12;17;N;serif;50;48|THE SILVER STATE;93;7;W;book;50;40", "ridge W 0 8 100 34;ridge s 0 20 100 44;hills s 0 80 100 100", "111.AAA|111.AAA|111-AAA", (3, 28, 97, 80)),
        design("oYWSd", "N", "NEVADA;13;17;N;slab;50;48|THE SILVER STATE;93;7;W;thin;50;40", "ridge u 0 14 100 42;hills d 0 82 100 100", "111.AAA|111-AAA"),
        design("SWA", "B", "NEVADA;12;15;B;slab;50;48|THE SILVER STATE;91;10;B;cond;50;55", "ridge A 0 12 100 60;blot m 3 25 18 60", "111-AAA|AAA 111|111 AAA"),
        design("CCo", "N", "NEVADA;12;16;N;gothic;50;48|Home Means Nevada;91;9;N;script;50;48", "ridge o 0 60 100 95;ridge u 0 74 100 100;star N 46 38 53 54", "11A.111|111.A11|11A111"),
        design("d", "W", "NEVADA;12;15;W;sans;50;48|THE SILVER STATE;90;10;W;sans", "", "AAA 111|AAA-111"),
    ),
    "us-nh": (
        design("pWp", "G", "LIVE FREE OR DIE;9;10;G;serif;50;52|New;79;9;G;script;50;16|HAMPSHIRE;89;12;G;serif;52;42", "blot p 58 16 98 70;blot m 62 20 80 50", "111 1111|111 111|262 1111", (3, 17, 97, 72)),
        design("SWW", "G", "LIVE FREE OR DIE;9;10;G;book;50;52|NEW HAMPSHIRE;90;10;G;book;50;55", "blot S 60 16 98 70;ridge m 66 30 96 74", "111 1111|111 111", (3, 17, 97, 78)),
        design("W", "G", "LIVE FREE OR DIE;9;10;G;cond;50;58|NEW HAMPSHIRE;90;12;G;sans;50;60", "", "111111|11111|AA 111|1111", (3, 18, 97, 79)),
        design("WSe", "G", "LIVE FREE OR DIE;9;9;G;serif;50;52|New Hampshire;89;12;G;script;50;50", "blot b 3 18 24 84", "A1111|C11A|A11A1", (22, 18, 97, 77)),
    ),
    "us-nj": (
        design("YyC", "K", "New Jersey;12;14;K;serif;50;48|Garden State;90;12;K;sans;50;50", "blot K 44 42 50 64", "AAA#11A|AA#111A|A11#AAA|AAA 11A|A11-AAA"),
        design("yCC", "K", "New Jersey;12;14;K;book;50;48|Garden State;90;12;K;serif;50;50", "blot K 45 42 50 64;box K 3 4 14 18;box K 86 4 97 18", "AAA 11A|A11 AAA|AA 111A"),
        design("d", "O", "NEW JERSEY;12;13;O;sans;50;55|GARDEN STATE;90;11;O;sans;50;58", "", "AAA 11A|AAA-11A|111-AAA"),
        design("CY", "K", "NEW JERSEY;11;12;K;sans;50;50|PRICE OF HONOR/Liberty State Park/SHORE TO PLEASE;90;10;B;slant", "oval S 3 25 25 75;blot t 8 30 18 70", "1111 AA|11AA|A1111", (24, 26, 97, 80)),
    ),
    "us-nm": (
        design("Y", "R", "New Mexico;12;13;R;slab;52;55|USA;20;6;R;sans;50;12|Land of Enchantment;90;12;R;italic;50;62", "zia R 43 34 57 66", "111 AAA|AAA 111|111#AAA|AAA#111"),
        design("O", "R", "NEW MEXICO USA;12;12;R;serif;50;60|Land of Enchantment;90;12;R;script;50;62", "zia R 42 32 58 68;bands RO 0 0 2 100", "AAA 111|111 AAA|AAA-111"),
        design("t", "Y", "CENTENNIAL 1912-2012;9;8;Y;cond;50;50|NEW MEXICO;84;12;Y;sans;50;52|LAND OF ENCHANTMENT;94;7;Y;cond;50;52", "zia Y 41 30 59 66;oval R 48 44 52 53", "AAA 111|AAA#111|111#AAA|AA#111", (3, 17, 97, 74)),
        design("t", "Y", "NEW MEXICO USA;9;9;W;cond;50;50|LAND OF ENCHANTMENT;92;8;W;cond;50;52", "zia Y 41 30 59 66", "AAA 111|AAA#111", (3, 18, 97, 80)),
        design("pWk", "M", "New Mexico USA;12;13;M;serif;50;60|Land of Enchantment;90;10;M;thin;50;60", "oval R 3 25 20 50;oval Y 14 30 28 60;ridge s 0 76 100 92", "AAA 111|111 AAA", (22, 27, 97, 80)),
        design("K", "Y", "CHILE CAPITAL OF THE WORLD;91;8;W;cond;50;75|NEW MEXICO USA;10;11;R;sans;50;55", "blot R 20 36 34 70;blot G 32 36 44 70", "AAA 11|AAA11", (30, 22, 97, 80)),
    ),
    "us-ny": (
        design("W", "N", "NEW YORK;11;15;W;serif;50;46|THE EMPIRE STATE;91;10;W;serif;50;55", "rect N 0 0 100 21;ridge p 66 3 98 22;ridge W 2 4 30 22;rect N 0 83 100 100;blot N 46 44 54 60", "AAA#1111|AAA-1111|AAA 1111", (3, 26, 97, 80)),
        design("O", "N", "NEW YORK;11;14;O;serif;50;46|EMPIRE STATE;91;11;N;serif;50;50", "rect N 0 0 100 20;blot N 47 42 54 58", "AAA-1111|AAA#1111|AAA 1111", (3, 26, 97, 81)),
        design("W", "N", "NEW YORK;12;15;B;serif;50;50|", "bands RW 46 20 54 24;tri R 45 30 56 80;bands BB 0 20 100 22", "A1A 111|111 AAA|AAA 111|1AA 111", (3, 26, 97, 86)),
        design("WpW", "N", "NEW YORK;11;14;N;gothic;50;50|EXCELSIOR;91;10;O;gothic;50;45", "ridge p 0 60 100 90;bands NN 0 20 100 22;rect N 0 82 100 84;tri s 4 30 12 82", "AAA 1111|KAA 1111|LAA-1111"),
        design("O", "N", "NEW YORK;11;13;N;sans;50;46|", "", "1111 AAA|111 AAA|111-AAA", (3, 24, 97, 88)),
    ),
    "us-nc": (
        design("pWW", "B", "First in Flight;11;13;R;slab;50;56|NORTH CAROLINA;91;14;R;sans;50;80", "bands sp 4 23 90 27;ridge S 30 2 100 26;stem O 0 74 20 90;stem O 75 74 100 90", "AAA-1111|AAA-111|AAA 1111|XAA-1111", (3, 27, 97, 80)),
        design("SWW", "R", "First in Flight;11;13;B;slab;50;56|NORTH CAROLINA;91;14;B;sans;50;80", "bands sp 4 23 90 27;ridge S 30 2 100 26;stem O 0 74 20 90", "AAA-1111|WAA-1111", (3, 27, 97, 80)),
        design("SWW", "N", "FIRST IN FLIGHT/FIRST IN FREEDOM/IN GOD WE TRUST;11;11;R;serif;50;62|NORTH CAROLINA;91;13;B;sans;50;76", "blot s 30 2 96 40;stem O 0 74 100 92", "AAA-1111|FAA-1111|HAA-1111"),
        design("WWk", "B", "First in Flight;11;12;R;slab;50;56|NORTH CAROLINA;91;13;R;sans;50;78", "blot RK 2 25 22 70;bands sp 4 23 90 26", "1111 AA|A11111", (22, 27, 97, 80)),
    ),
    "us-nd": (
        design("spWY", "K", "Discover the Spirit;11;11;W;script;50;60|NORTH DAKOTA;84;9;W;sans;55;48|PEACE GARDEN STATE;94;6;b;sans;55;40", "hills O 0 78 100 100;rect b 24 79 80 90;blot b 1 70 16 94;stem O 84 60 97 92", "AAA 111|AAA 111|111 AAA", (3, 19, 97, 77)),
        design("sSWy", "K", "Discover the Spirit;11;12;W;italic;50;60|North Dakota;86;12;K;slab;55;52", "hills O 0 76 100 100;blot b 2 64 16 92", "AAA 111|JAA 111", (3, 19, 97, 77)),
        design("dskO", "K", "NORTH DAKOTA;10;11;W;sans;50;55|Legendary;88;14;W;script;72;40|PEACE GARDEN STATE;96;5;K;thin", "ridge u 0 50 100 90;hills O 0 80 100 100;blot K 3 60 18 92", "111 AAA|AAA 111", (3, 20, 97, 78)),
        design("pWk", "N", "NORTH DAKOTA;12;13;N;sans;50;60|THE CENTENNIAL STATE 1889-1989/PEACE GARDEN STATE;91;9;M;cond", "bands Sk 0 60 100 80", "AAA 111|AAA111"),
    ),
    "us-oh": (
        design("WWS", "N", "OHIO/Ohio;12;16;B;slab;50;36|Birthplace of Aviation;21;7;N;italic;50;45", "bands RWR 0 0 100 24;tri W 30 0 70 24;ridge s 0 70 100 92;bands NN 0 86 100 90", "AAA 1111|AA11AA|AAA1111|11AAA", (3, 27, 97, 82)),
        design("yWp", "N", "Ohio;12;16;B;script;50;36|THE HEART OF IT ALL!/BICENTENNIAL 1803-2003;91;9;R;sans;50;60", "hills p 0 60 100 92;hills e 0 84 100 100;wedge Y 0 0 20 40", "AAA 1111|AA11AA|AAA 111"),
        design("CWS", "N", "OHIO;13;16;R;serif;50;36|BEAUTIFUL OHIO;91;9;N;sans;50;50", "sun OY 30 10 70 70;hills e 0 66 100 100;hills O 0 80 100 100;bands NN 0 92 100 95", "AAA 1111|FAA 1111|AA11AA"),
        design("W", "R", "OHIO;12;14;R;serif;50;36|{county};92;8;R;thin", "hills k 0 70 100 95;wedge R 0 0 40 20", "AAA 1111|GAA 1111|HAA 1111"),
        design("W", "B", "OHIO;11;14;B;sans;50;36|THE HEART OF IT ALL!/{county};90;11;R;italic", "", "111-AAA|AAA-111|11A AA1"),
        design("SWY", "K", "OHIO;13;15;R;slab;50;36|SUNRISE IN OHIO/BIRTHPLACE OF AVIATION;91;8;N;cond", "bands RR 70 0 100 4;sun OY 60 20 95 80;hills e 0 70 100 100", "JAA 1111|AAA 1111"),
    ),
    "us-ok": (
        design("WWp", "R", "OKLAHOMA;11;14;N;book;56;50|NATIVE AMERICA;91;10;W;sans;55;50", "blot NS 0 14 34 84;rect N 0 84 100 100", "111AAA|111 AAA|AAA111", (26, 24, 97, 82)),
        design("W", "G", "OKLAHOMA;11;13;G;book;50;56|NATIVE AMERICA;90;11;R;book;50;58", "oval p 40 26 60 74;oval o 44 34 56 60;stem R 44 55 56 80", "AAA 111|AAA#111|FAA#111"),
        design("W", "G", "OKLAHOMA;12;13;G;sans;50;56|OKLAHOMA IS OK/NATIVE AMERICA/OK!;90;11;G;sans;50;60", "sun Yy 30 20 70 80", "AAA 111|111 AAA|AA-1111"),
        design("spWp", "N", "TRAVELOK.COM/EXPLORE OKLAHOMA;91;9;B;sans;50;60|OKLAHOMA;12;12;B;gothic;50;56", "blot W 25 10 90 90", "AAA 111|AAA111|HAA 111"),
    ),
    "us-or": (
        design("SWvW", "N", "Oregon;11;16;N;slab;50;36", "ridge v 10 12 100 70;ridge v 0 40 60 76;tree e 42 20 58 90;tree u 8 80 16 98;tree u 26 80 34 98;tree u 66 80 74 98;tree u 82 80 90 98", "AAA#111|111#AAA|AAA 111|111 AAA", (3, 24, 97, 82)),
        design("CWg", "u", "Oregon;11;15;u;serif;50;36", "ridge v 10 14 100 66;tree G 42 20 58 90;ridge u 0 84 100 100", "AAA#111|111#AAA|XAA 111", (3, 24, 97, 82)),
        design("sdSk", "K", "Oregon;10;14;K;serif;50;36|CRATER LAKE/Cultural Trust/WINE COUNTRY;91;10;K;serif;52;50", "ridge b 0 8 100 34;oval s 20 30 90 84", "CL 11111|AA 1AA|CU 11111", (3, 26, 97, 80)),
        design("d", "O", "OREGON;12;14;O;sans;50;45|PACIFIC WONDERLAND;90;9;O;sans", "", "AAA 111|AAA-111|PW 1111"),
        design("kkC", "N", "Oregon;11;15;N;slab;50;36|Cultural Trust;91;10;K;book;50;50", "blot o 5 10 40 90;blot k 50 5 95 80", "CU 11111|CU11111"),
    ),
    "us-pa": (
        design("NWWY", "N", "PENNSYLVANIA;10;11;W;wide;50;60|visitPA.com/www.state.pa.us;91;9;N;sans;50;40", "rect N 0 0 100 18;rect Y 0 82 100 100;rect W 0 26 100 72;blot N 47 44 53 60", "AAA#1111|AAA-1111|GAA-1111|HAA-1111", (3, 26, 97, 80)),
        design("W", "N", "PENNSYLVANIA;10;11;W;gothic;50;60|visitPA.com/TRAILER/MC;91;10;N;sans;50;45", "rect N 0 0 100 19;rect Y 0 81 100 100;blot N 47 44 53 60", "AAA#1111|XAA-1111|AAA 1111", (3, 24, 97, 79)),
        design("Y", "N", "PENNSYLVANIA;10;12;N;sans;50;66|KEYSTONE STATE/YOU'VE GOT A FRIEND IN;90;10;N;sans;50;62", "blot N 47 44 53 58", "AAA-111|AAA 111|111-AAA"),
        design("N", "Y", "PENNSYLVANIA;10;12;Y;sans;50;66|KEYSTONE STATE;90;10;Y;sans;50;62", "blot Y 47 44 53 58", "AAA-1111|AAA#1111|BAA 1111"),
        design("WWS", "K", "PENNSYLVANIA;10;11;W;wide;50;60|PRESERVE OUR HERITAGE/SAVE WILD ANIMALS/LET FREEDOM RING;91;8;K;cond", "rect N 0 0 100 19;blot b 2 25 26 82", "A1111|AA11A|11A11", (26, 26, 97, 80)),
        design("W", "N", "LET FREEDOM RING/PENNSYLVANIA;10;10;W;sans;50;60|PENNSYLVANIA;91;10;N;sans", "rect N 0 0 100 18;bands RWR 0 18 100 26;blot m 42 30 58 76", "AAA 1111|MAA-1111"),
    ),
    "us-ri": (
        design("WWA", "N", "Rhode Island;12;14;N;book;50;52|Ocean State;90;12;N;book;50;48", "hills p 20 40 100 78;hills A 30 30 100 80;stem N 4 5 8 20", "111-111|AA-111|111 111|11111"),
        design("pWp", "N", "Rhode Island;12;14;N;serif;50;52|Ocean State;90;12;N;serif;50;48", "hills S 20 40 100 78;hills s 30 60 100 82;blot N 3 4 10 20", "AA-111|111-111|AA 111"),
        design("W", "N", "RHODE ISLAND;11;12;B;sans;50;60|OCEAN STATE;90;11;B;sans;50;50", "stem N 3 30 8 70", "AA-111|111-111"),
        design("SSk", "N", "Rhode Island;11;13;N;book;50;52|PLUM BEACH LIGHTHOUSE/CONSERVATION THROUGH EDUCATION;91;8;K;cond;60;60", "blot m 2 20 22 84;rect R 6 30 14 80", "11111|AA-111|PB-111", (20, 27, 97, 80)),
        design("Wps", "N", "Rhode Island;12;13;N;sans;50;52|Ocean State;91;10;N;sans", "bands psW 0 66 100 100", "1AA 111|1AB-111|AA111"),
    ),
    "us-sc": (
        design("vWkoN", "K", "South Carolina;11;11;N;book;50;56|TRAVEL2SC.COM;94;8;W;sans;50;45", "rect K 48 50 51 88;tree N 42 26 58 62;oval W 46 18 54 26;hills N 0 86 100 100", "AAA#111|111 AAA|AAA 111|GAA#111", (3, 22, 97, 84)),
        design("kWS", "N", "South Carolina;12;14;N;italic;50;58|Smiling Faces. Beautiful Places./TRAVEL2SC.COM;91;9;N;italic;50;66", "rect e 48 40 51 80;tree e 42 24 58 60;oval Y 44 26 56 44;hills e 0 80 100 100", "111 AAA|1111 AA|AAA 111"),
        design("pWC", "N", "South Carolina;12;13;N;serif;50;56|While I Breathe, I Hope;91;9;N;italic;50;60", "tree N 44 30 56 80;oval N 60 30 66 44;bands Sp 0 0 100 20", "AAA 111|PAA 111|QAA#111"),
        design("W", "N", "South Carolina;12;13;N;serif;50;56|In God We Trust/{county};91;10;N;serif", "flag RN 4 25 30 75;tree N 46 30 55 74", "AA1 111|AAA 111"),
        design("W", "N", "SOUTH CAROLINA;12;13;B;sans;50;66|SMILING FACES BEAUTIFUL PLACES;90;9;R;cond", "blot e 44 30 56 74", "AAA 111|AAA-111"),
    ),
    "us-sd": (
        design("sSWS", "N", "South Dakota;12;16;R;brush;50;52|GREAT FACES. GREAT PLACES.;92;7;R;sans;50;62", "blot W 6 16 60 88;blot p 16 30 40 70;blot p 30 24 52 70", "1AA 111|11A 111|AA1111|1A1 111", (4, 24, 96, 82)),
        design("CWk", "N", "SOUTH DAKOTA;12;13;R;sans;50;60|Great Faces. Great Places.;91;10;N;script;50;60", "ridge m 10 16 70 64;ridge e 0 66 100 90", "1A1 111|11A 111|1AA 111"),
        design("SWp", "K", "SOUTH DAKOTA;12;13;B;serif;50;60|Great Faces. Great Places.;91;10;N;script;50;60", "ridge A 20 14 80 60;ridge p 0 50 100 90", "1A1 111|11A 111|1AA 111"),
        design("W", "K", "SOUTH DAKOTA;12;13;R;sans;50;60|Great Faces. Great Places./CENTENNIAL 1889-1989;90;10;R;italic;50;66", "ridge A 30 20 70 60", "1A1111|11A 111|11-AA11"),
    ),
    "us-tn": (
        design("WWeg", "K", "The Volunteer State;6;6;K;thin;72;26|Tennessee;13;17;K;script;50;52|{county};90;11;K;sans;50;34", "hills g 0 46 100 90;hills e 0 62 100 90;rect g 0 80 100 100;rect W 30 83 72 98;rect K 38 46 52 52", "111-AAA|111-AAA|A11-11A|AAA 111", (3, 26, 97, 78)),
        design("WWe", "N", "TENNESSEE;12;13;N;book;50;52|The Volunteer State/TNVACATION.com;84;7;N;thin;50;45|{county};94;7;N;sans;50;34", "hills e 0 40 100 80;hills g 0 60 100 100;oval R 47 36 54 50", "A11-11A|111-AAA|H11-11A|AAA 111"),
        design("yWp", "N", "Tennessee;12;17;B;slab;50;52|{county}/The Volunteer State/Sounds Good to Me;90;10;N;sans;50;60", "oval Y 30 4 70 50;hills s 0 66 100 90;oval R 46 40 54 56", "AAA 111|111 AAA|AAA#111"),
        design("W", "B", "TENNESSEE;11;13;B;sans;50;55|BICENTENNIAL 1796-1996/VOLUNTEER STATE/{county};90;10;R;sans;50;60", "bands RWB 0 20 100 25;oval R 46 36 54 52", "AAA 111|111-AAA|1-A1 111"),
        design("N", "W", "TENNESSEE;11;12;W;slab;50;55|{county}/THE VOLUNTEER STATE;91;9;W;sans|TNVACATION.COM;20;5;W;thin;50;30", "oval R 46 36 54 52;bands RW 0 96 100 100", "AAA 1111|BAA 1111"),
    ),
    "us-tx": (
        design("dSWWS", "K", "TEXAS;13;20;W;serif;52;42|The Lone Star State;92;11;W;script;50;62", "wedge R 0 0 34 40;star W 3 4 13 24;bands N 0 84 100 100;ridge N 0 70 100 100;blot NR 44 42 54 60", "AA1#A111|AA1 A111|CA1#A111|BA1#A111", (3, 27, 97, 82)),
        design("pWWy", "N", "TEXAS;13;18;N;serif;50;42|The Lone Star State;91;10;N;script;50;60", "oval W 4 8 16 26;star N 84 6 96 24;ridge N 0 70 100 88;stem K 76 62 96 88;blot N 46 42 53 58", "A11 AAA|111 AAA|A11-AAA|AAA 11A", (3, 26, 97, 78)),
        design("W", "K", "TEXAS;13;19;K;serif;50;42|The Lone Star State;91;9;K;thin;50;50", "star K 4 5 13 22;blot K 46 42 53 58", "AAA-1111|AAA#1111|BAA-1111|HAA 1111"),
        design("W", "N", "TEXAS;12;17;N;sans;50;42|150 YEARS OF STATEHOOD/THE LONE STAR STATE/{county};91;9;R;sans;50;60", "blot R 46 42 53 58;flag RN 3 4 18 22", "AAA-11A|AAA 11A|111-AAA"),
        design("K", "W", "TEXAS;13;19;W;wide;50;45|", "star W 46 42 53 58", "AAA 1111|AAA111", (3, 27, 97, 88)),
    ),
    "us-ut": (
        design("SSkoo", "K", "UTAH;13;15;K;slab;50;34|CENTENNIAL/1896   CENTENNIAL   1996/LIFE ELEVATED;92;9;K;serif;55;66", "oval o 50 6 94 120;oval S 62 28 80 110;ridge o 0 66 100 100", "111 AAA|AAA 111|111AAA", (4, 27, 96, 84)),
        design("SSyko", "N", "UTAH;12;16;M;slab;52;34|LIFE ELEVATED;92;8;M;wide;55;46", "oval o 36 8 76 120;oval k 48 30 64 110;ridge o 0 60 100 100", "A11 1AA|Z11 1AA|A111AA"),
        design("ppWs", "N", "UTAH;12;16;N;slab;50;34|GREATEST SNOW ON EARTH;91;7;N;sans;38;42|LIFE ELEVATED;91;8;N;sans", "ridge W 0 10 100 60;blot BR 4 20 24 84;hills W 0 70 100 100", "A11 1AA|A111AA|X11 1AA", (18, 27, 97, 82)),
        design("W", "B", "UTAH!;12;15;B;wide;50;34|SKI UTAH!/GREATEST SNOW ON EARTH;91;9;B;cond", "blot SR 45 36 56 64", "111 AAA|111-AAA|111 AAB"),
    ),
    "us-vt": (
        design("G", "W", "Vermont;10;14;W;sans;50;42|Green Mountain State;91;9;W;thin;50;55", "tree W 12 3 18 18;rect e 0 82 100 83;box W 2 22 98 80", "AAA 111|AAA111|111A111|AAA 111", (5, 24, 95, 78)),
        design("G", "W", "Vermont;10;14;W;slab;50;42|Green Mountain State;91;9;W;sans;50;60", "tree W 12 3 18 18;box W 2 22 98 80", "111A111|AAA111|11111", (5, 24, 95, 78)),
        design("G", "W", "VERMONT;12;15;W;sans;50;45|GREEN MOUNTAINS/SEE VERMONT;90;11;W;sans;50;62", "", "111A1|AAA11|A1111|1A111"),
        design("G", "W", "Vermont;10;14;W;sans;50;42|Green Mountain State;91;9;W;thin;50;55", "oval O 6 26 24 72;oval N 9 32 21 66;box W 26 22 98 80", "11111|TRK111|1111", (28, 24, 95, 78)),
    ),
    "us-va": (
        design("W", "N", "VIRGINIA;12;15;B;book;50;46", "", "AAA-1111|AAA 1111|XAA-1111|AAA-1111", (3, 26, 97, 86)),
        design("W", "N", "VIRGINIA;12;15;B;serif;50;46|Virginia is for Lovers;91;9;B;thin;50;50", "blot R 56 88 60 94", "AAA-1111|UAA-1111"),
        design("W", "N", "VIRGINIA;12;14;N;serif;50;46|400th Anniversary;84;7;R;italic;50;40|1607        2007;93;8;R;serif;50;60", "blot m 44 74 56 90;bands pp 0 72 100 76", "AAA 1111|JAA-1111", (3, 26, 97, 76)),
        design("W", "N", "VIRGINIA;12;14;B;book;50;46|WILDLIFE CONSERVATIONIST/PENN STATE/James Madison University/LONGWOOD/CLEAN SPECIAL FUEL;91;9;B;book;55;70", "blot bS 3 26 22 76", "1111AA|AA1111|11111A", (23, 26, 97, 82)),
        design("SWW", "K", "VIRGINIA;11;13;N;serif;50;46|HERITAGE/GENERAL ROBERT E. LEE/AUTUMN WILDLIFE;91;9;N;cond", "blot Ro 2 30 26 90;tree b 86 20 98 80", "1111 HT|1111AA", (24, 26, 97, 80)),
    ),
    "us-wa": (
        design("WpSW", "N", "WASHINGTON;12;14;R;sans;42;52|EVERGREEN STATE;91;10;B;sans;55;55", "ridge S 20 18 90 110;ridge W 36 22 72 60", "111-AAA|111 AAA|AAA1111|AAA 111|111-RIE", (3, 26, 97, 82)),
        design("W", "N", "WASHINGTON;12;14;R;sans;45;55|EVERGREEN STATE;91;10;B;sans;50;55", "ridge p 14 18 94 100;ridge S 0 60 100 96", "AAA1111|111-AAA|AAA 1111|AAB1111"),
        design("W", "B", "WASHINGTON;12;13;R;thin;45;52|EVERGREEN STATE/CENTENNIAL CELEBRATION;91;9;B;thin;50;60", "ridge S 20 14 80 90;ridge W 40 18 62 46", "111-AAA|AAA 111"),
        design("pWv", "N", "WASHINGTON;12;13;N;sans;42;50|Lighthouses/Evergreen State/National Parks/Wild on Washington;91;11;N;book;55;50", "ridge v 0 20 100 100;rect W 6 30 14 90;tri R 4 22 16 34", "LH 11111|11111|AA1111", (22, 27, 97, 80)),
        design("G", "W", "WASHINGTON;12;13;W;sans;50;60|", "", "AAA 111|AAA-111", (3, 26, 97, 88)),
    ),
    "us-wv": (
        design("W", "N", "West Virginia;11;13;O;serif;50;52|Wild, Wonderful;91;10;N;serif;50;50", "rect d 0 0 100 21;bands OWNW 4 80 96 92;rect W 24 82 76 100", "1AA 111|1A 1111|OAA 111|1PA 111|AAA 111", (3, 25, 97, 79)),
        design("W", "N", "West Virginia;11;13;O;book;50;52|www.callwva.com;23;5;N;sans;50;34|Wild, Wonderful;91;9;N;serif;50;50", "rect B 0 0 100 20;bands NO 4 83 26 88;bands NO 74 83 96 88", "1AA 111|AAA 111|O1A 111", (3, 27, 97, 79)),
        design("CWC", "N", "West Virginia;12;15;N;slab;50;55|Wild, Wonderful;91;11;N;italic;50;55", "blot O 36 20 66 84", "1A-1111|1A 1111|AAA 111"),
        design("W", "N", "WEST VIRGINIA;11;12;O;sans;50;60|UNITED WE STAND/DARE MIGHTY THINGS/WILD WONDERFUL;91;10;N;serif", "rect d 0 0 100 19;blot Y 0 20 32 80;flag RN 6 36 22 60", "US 1111|1111|AA 111", (30, 25, 97, 78)),
    ),
    "us-wi": (
        design("W", "K", "WISCONSIN;12;15;R;slant;32;58|America's Dairyland;91;10;R;slant;50;62", "bands BR 2 20 60 22;sun oY 62 4 74 20;blot e 74 10 84 18;blot R 85 5 97 20;bands S 60 18 98 20", "111-AAA|111-AAA|AAA-111|111 AAA", (3, 26, 97, 81)),
        design("W", "R", "WISCONSIN;12;14;K;slant;32;56|America's Dairyland;91;10;K;slant;50;62", "sun oY 62 4 74 20;blot K 74 8 84 18;blot R 85 5 97 20", "AAA-111|RXA-111|AAA 111"),
        design("WW", "K", "WISCONSIN;12;14;R;slant;32;56|America's Dairyland;91;9;R;slant;50;62", "sun oY 62 4 74 20;blot e 74 8 84 18;blot R 85 5 97 20;bands BR 2 20 60 22", "AAA-1111|ABA-1111|AAB-1111"),
        design("Y", "K", "WISCONSIN;12;15;R;sans;50;60|AMERICA'S DAIRYLAND;90;11;R;sans;50;70", "", "AAA-111|A11-111|AAA 111"),
        design("W", "K", "WISCONSIN;12;14;R;slant;32;56|ENDANGERED RESOURCES/CHILDREN FIRST/CELEBRATE CHILDREN;91;9;R;cond", "blot m 2 24 24 82", "11AA|11-AAA|A11AA", (24, 26, 97, 80)),
    ),
    "us-wy": (
        design("spWpe", "K", "WYOMING;90;11;K;slant;62;44", "blot C 62 8 94 76;blot K 14 24 36 80;hills e 30 70 100 100;ridge W 0 70 100 92", "1 1111|11 1111|1=111A|11=11AA|1 111AA", (3, 24, 97, 83)),
        design("sSWg", "K", "WYOMING;90;11;K;serif;62;44", "tri C 66 10 98 84;blot K 16 24 34 82;hills g 20 74 100 100", "1 345A|1=1111|11=111A|1 1111A", (3, 24, 97, 83)),
        design("O", "K", "WYOMING;90;12;K;sans;62;50|1939/1940/1936;90;10;K;sans;16;20", "blot K 28 18 44 78", "11 1111|11=1111", (3, 16, 97, 80)),
        design("pWps", "K", "Wyoming;11;15;N;serif;68;45|Forever West;91;9;N;script;60;50", "ridge s 0 20 100 70;blot K 14 26 34 84;ridge e 0 74 100 100", "1 11111|11 11111|1=1111"),
        design("ppk", "M", "WYOMING;12;14;M;sans;60;45|Devils Tower/Like No Place on Earth;91;9;M;italic", "tri m 60 20 96 84;blot b 14 28 34 82;hills p 0 68 100 96", "1 1111A|11 111A|1 1111"),
        design("WC", "b", "WYOMING;12;14;b;slab;60;46|", "stem b 0 10 98 26;blot b 14 26 34 82", "1-1111|11-111A|1 1111"),
    ),
}  # fmt: skip
