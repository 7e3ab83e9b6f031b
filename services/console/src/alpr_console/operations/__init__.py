"""Operations: pursuits with an ALPR unit, and what cameras were placed where for which purpose."""
